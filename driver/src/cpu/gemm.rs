//! One block of rows of a product: loops over panels, inner blocks and kernels.

use super::kernel::Kernels;
use super::pack::{self, COLUMNS, PAIR, Panels};
use crate::matmul::Finish;

/// Pairs of inner indices of one block: its part of a panel (16 KiB) stays in the first-level
/// cache while all rows pass.
const BLOCK_PAIRS: usize = 256;

/// A value of a result.
pub trait Element: Copy {
    /// From a value that is known to fit.
    fn narrow(value: i32) -> Self;
}

impl Element for i32 {
    fn narrow(value: i32) -> Self {
        value
    }
}

impl Element for i16 {
    fn narrow(value: i32) -> Self {
        value as Self
    }
}

impl Element for i8 {
    fn narrow(value: i32) -> Self {
        value as Self
    }
}

/// Memory that blocks use one after the other.
#[derive(Default)]
pub struct Scratch {
    a: Vec<i16>,
    sums: Vec<[i32; COLUMNS]>,
}

/// Multiplies the rows `a` (each `k` long) by `panels` into `out` (each row `n` long).
///
/// `finish` tells of these rows only.
pub fn rows<T: Element>(
    kernels: Kernels,
    scratch: &mut Scratch,
    (k, n): (usize, usize),
    a: &[i8],
    panels: &Panels,
    finish: Finish<'_>,
    out: &mut [T],
) {
    if out.is_empty() {
        return;
    }
    let count = out.len() / n;
    let stride = 2 * panels.pairs();
    pack::widen_rows(a, k, &mut scratch.a);
    scratch.sums.clear();
    scratch.sums.resize(count, [0; COLUMNS]);
    for index in 0..n.div_ceil(COLUMNS) {
        let panel = panels.panel(index);
        for (block, panel) in panel.chunks(BLOCK_PAIRS * PAIR).enumerate() {
            let mut row = 0;
            for sums in scratch.sums.chunks_mut(kernels.rows()) {
                let a = &scratch.a[row * stride + 2 * block * BLOCK_PAIRS..];
                kernels.multiply(a, stride, panel, sums, block > 0);
                row += sums.len();
            }
        }
        let first = index * COLUMNS;
        let width = COLUMNS.min(n - first);
        let out = out
            .chunks_exact_mut(n)
            .map(|row| &mut row[first..first + width]);
        let rows = scratch.sums.iter().zip(out);
        match finish {
            Finish::Raw => rows.for_each(|(sums, out)| store(out, sums)),
            Finish::Requantize {
                rows: scales,
                columns,
                format,
            } => {
                let columns = kernels.columns(&columns[first..first + width]);
                for ((sums, out), scale) in rows.zip(scales) {
                    store(out, &kernels.requantize(sums, *scale, &columns, format));
                }
            }
        }
    }
}

fn store<T: Element>(out: &mut [T], values: &[i32; COLUMNS]) {
    // A length known while compiling makes the common case one vector store.
    if let Ok(out) = <&mut [T; COLUMNS]>::try_from(&mut *out) {
        *out = values.map(T::narrow);
    } else {
        for (out, value) in out.iter_mut().zip(values) {
            *out = T::narrow(*value);
        }
    }
}
