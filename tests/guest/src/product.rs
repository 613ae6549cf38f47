//! Matrix products to try a card with.

use anyhow::{Context, Result, ensure};
use isa::numerics::gemm_i8;
use systole::backend::{Backend, NodeReport};
use systole::matmul::{Finish, Layout, MatMul, Rhs, Values};

/// A product of values over the whole range of int8, and what it is by its definition.
pub struct Product {
    m: usize,
    k: usize,
    n: usize,
    a: Vec<i8>,
    b: Vec<i8>,
    expected: Vec<i32>,
}

impl Product {
    /// The product of an `m x k` and a `k x n` matrix.
    pub fn new(m: usize, k: usize, n: usize) -> Self {
        let mut state = (m << 40 | k << 20 | n) as u64;
        let mut values = |count: usize| -> Vec<i8> {
            let next = |_| {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                (state >> 56) as i8
            };
            (0..count).map(next).collect()
        };
        let (a, b) = (values(m * k), values(k * n));
        let mut expected = vec![0; m * n];
        gemm_i8(m, k, n, &a, &b, &mut expected);
        Self {
            m,
            k,
            n,
            a,
            b,
            expected,
        }
    }

    /// Runs the product; an error unless every bit is right. Says where it ran.
    pub fn run(&self, backend: &mut impl Backend) -> Result<NodeReport> {
        let Self { m, k, n, .. } = *self;
        let job = MatMul {
            name: "product",
            m,
            k,
            n,
            a: &self.a,
            b: Rhs::Once(Layout::RowMajor, &self.b),
            finish: Finish::Raw,
        };
        let outcome = backend.run(&[job])?.pop().context("there is no outcome")?;
        let Values::I32(values) = outcome.values else {
            anyhow::bail!("{m}x{k}x{n} is not answered with raw sums");
        };
        ensure!(
            values == self.expected,
            "{m}x{k}x{n} gives wrong bits on the {:?} ({})",
            outcome.report.place,
            outcome.report.reason
        );
        Ok(outcome.report)
    }
}
