//! The CPU kernels give the integers of `isa`, whatever the shape and the values.

use isa::format::OutputFormat;
use isa::numerics::{ColumnParam, Dyadic, gemm_i8, requantize};
use proptest::prelude::*;
use systole::cpu::{CpuBackend, Kernels};
use systole::matmul::{Finish, Layout, MatMul, Rhs, Values, Weights};

/// One product with everything that it needs.
#[derive(Clone, Debug)]
struct Case {
    m: usize,
    k: usize,
    n: usize,
    a: Vec<i8>,
    /// `k x n`, row-major.
    b: Vec<i8>,
    rows: Vec<Dyadic>,
    columns: Vec<ColumnParam>,
}

impl Case {
    fn sums(&self) -> Vec<i32> {
        let mut sums = vec![0; self.m * self.n];
        gemm_i8(self.m, self.k, self.n, &self.a, &self.b, &mut sums);
        sums
    }

    fn expected(&self, format: OutputFormat) -> Vec<i32> {
        let at = |(index, sum): (usize, &i32)| {
            requantize(
                *sum,
                self.rows[index / self.n],
                self.columns[index % self.n],
                format,
            )
        };
        self.sums().iter().enumerate().map(at).collect()
    }

    fn transposed(&self) -> Vec<i8> {
        (0..self.n)
            .flat_map(|n| (0..self.k).map(move |k| self.b[k * self.n + n]))
            .collect()
    }

    fn job<'a>(&'a self, b: Rhs<'a>, format: OutputFormat) -> MatMul<'a> {
        let finish = match format {
            OutputFormat::I32 => Finish::Raw,
            _ => Finish::Requantize {
                rows: &self.rows,
                columns: &self.columns,
                format,
            },
        };
        MatMul {
            name: "case",
            m: self.m,
            k: self.k,
            n: self.n,
            a: &self.a,
            b,
            finish,
        }
    }

    /// Runs the case with every set of kernels, layout, format and number of threads.
    fn check(&self) {
        let transposed = self.transposed();
        let kept = Weights::new(self.k, self.n, Layout::Transposed, transposed.clone());
        let operands = [
            Rhs::Once(Layout::RowMajor, &self.b),
            Rhs::Once(Layout::Transposed, &transposed),
            Rhs::Kept(&kept),
            Rhs::Kept(&kept),
        ];
        for kernels in Kernels::available() {
            for threads in [1, 3] {
                let mut backend = CpuBackend::with_kernels(threads, kernels);
                for format in OutputFormat::ALL {
                    let jobs = operands.map(|b| self.job(b, format));
                    for values in backend.run(&jobs).expect("shapes fit") {
                        assert_eq!(widen(&values), self.expected(format), "{}", kernels.name());
                    }
                }
            }
        }
    }
}

fn widen(values: &Values) -> Vec<i32> {
    match values {
        Values::I32(values) => values.clone(),
        Values::I16(values) => values.iter().map(|value| i32::from(*value)).collect(),
        Values::I8(values) => values.iter().map(|value| i32::from(*value)).collect(),
    }
}

fn extreme_i8() -> impl Strategy<Value = i8> {
    prop_oneof![3 => any::<i8>(), 1 => Just(-128i8), 1 => Just(127i8)]
}

fn dyadic() -> impl Strategy<Value = Dyadic> {
    let multiplier = prop_oneof![3 => any::<u16>(), 1 => Just(u16::MAX), 1 => Just(0u16)];
    let shift = prop_oneof![3 => 0u8..=31, 1 => Just(0u8), 1 => Just(31u8)];
    (multiplier, shift).prop_map(|(multiplier, shift)| Dyadic { multiplier, shift })
}

fn column() -> impl Strategy<Value = ColumnParam> {
    let bias = prop_oneof![3 => -40_000i32..40_000, 1 => any::<i32>(), 1 => Just(i32::MIN)];
    (dyadic(), bias).prop_map(|(scale, bias)| ColumnParam { scale, bias })
}

fn case(most: usize) -> impl Strategy<Value = Case> {
    (1..=most, 1..=most, 1..=most).prop_flat_map(|(m, k, n)| {
        let a = prop::collection::vec(extreme_i8(), m * k);
        let b = prop::collection::vec(extreme_i8(), k * n);
        let rows = prop::collection::vec(dyadic(), m);
        let columns = prop::collection::vec(column(), n);
        (a, b, rows, columns).prop_map(move |(a, b, rows, columns)| Case {
            m,
            k,
            n,
            a,
            b,
            rows,
            columns,
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_shape_gives_the_defined_integers(case in case(80)) {
        case.check();
    }
}

#[test]
fn long_rows_reach_the_largest_sums() {
    // 131,071 products of -128 * -128 are the largest sum that does not wrap; one more wraps.
    for k in [131_071, 131_072] {
        for b in [-128, 127] {
            let scales = [(u16::MAX, 0), (u16::MAX, 31), (1, 0), (0, 0)];
            let rows = scales.map(|(multiplier, shift)| Dyadic { multiplier, shift });
            let columns = rows.map(|scale| ColumnParam {
                scale,
                bias: i32::MAX,
            });
            let case = Case {
                m: 4,
                k,
                n: 4,
                a: vec![-128; 4 * k],
                b: vec![b; 4 * k],
                rows: rows.to_vec(),
                columns: columns.to_vec(),
            };
            case.check();
        }
    }
}

#[test]
fn empty_products_are_answered() {
    for (m, k, n) in [(0, 3, 3), (3, 0, 3), (3, 3, 0), (0, 0, 0)] {
        let case = Case {
            m,
            k,
            n,
            a: vec![1; m * k],
            b: vec![1; k * n],
            rows: vec![Dyadic::ONE; m],
            columns: vec![
                ColumnParam {
                    scale: Dyadic::ONE,
                    bias: 7
                };
                n
            ],
        };
        case.check();
    }
}

#[test]
fn a_wrong_length_is_an_error() {
    let job = MatMul {
        name: "short",
        m: 2,
        k: 2,
        n: 2,
        a: &[1, 2, 3],
        b: Rhs::Once(Layout::RowMajor, &[1; 4]),
        finish: Finish::Raw,
    };
    let error = CpuBackend::new(1).run(&[job]).expect_err("A is short");
    assert!(error.to_string().contains("`short`"), "{error}");
}
