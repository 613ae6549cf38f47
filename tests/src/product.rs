//! Products for a backend, and what comes out.

use isa::numerics::gemm_i8;
use systole::backend::{Backend, NodeReport, Place};
use systole::device::DeviceBackend;
use systole::matmul::{Finish, Layout, MatMul, Rhs, Values, Weights};

use crate::rng::Rng;

/// A product of values by chance with weights that are kept.
pub struct Product {
    shape: (usize, usize, usize),
    a: Vec<i8>,
    b: Weights,
    expected: Vec<i32>,
}

impl Product {
    /// A product of this shape: rows, inner dimension, columns.
    pub fn new(seed: u64, shape: (usize, usize, usize)) -> Self {
        let (m, k, n) = shape;
        let mut rng = Rng::new(seed);
        let mut values = |count| -> Vec<i8> { (0..count).map(|_| rng.bits() as i8).collect() };
        let (a, b) = (values(m * k), values(k * n));
        let mut expected = vec![0; m * n];
        gemm_i8(m, k, n, &a, &b, &mut expected);
        Self {
            shape,
            a,
            b: Weights::new(k, n, Layout::RowMajor, b),
            expected,
        }
    }

    /// Runs it; wherever that is, exactly one answer comes, and it is right to the bit.
    #[track_caller]
    pub fn run(&self, backend: &mut DeviceBackend) -> NodeReport {
        let mut reports = Self::run_all(std::slice::from_ref(self), backend);
        reports.pop().expect("there was one product")
    }

    /// Runs several at once; exactly one answer comes for each, and it is right to the bit.
    #[track_caller]
    pub fn run_all(products: &[Self], backend: &mut DeviceBackend) -> Vec<NodeReport> {
        let jobs: Vec<_> = products.iter().map(Self::job).collect();
        let outcomes = backend.run(&jobs).expect("they fit");
        assert_eq!(outcomes.len(), products.len());
        let checked = outcomes
            .into_iter()
            .zip(products)
            .map(|(outcome, product)| {
                assert!(
                    outcome.values == Values::I32(product.expected.clone()),
                    "wrong integers: {}",
                    outcome.report.reason
                );
                outcome.report
            });
        checked.collect()
    }

    fn job(&self) -> MatMul<'_> {
        let (m, k, n) = self.shape;
        MatMul {
            name: "product",
            m,
            k,
            n,
            a: &self.a,
            b: Rhs::Kept(&self.b),
            finish: Finish::Raw,
        }
    }

    /// Runs it, which must be on the card.
    #[track_caller]
    pub fn run_on_card(&self, backend: &mut DeviceBackend) {
        let report = self.run(backend);
        assert_eq!(report.place, Place::Device, "{}", report.reason);
    }

    /// Runs it, which must be on the CPU, for this reason.
    #[track_caller]
    pub fn run_on_cpu(&self, backend: &mut DeviceBackend, why: &str) {
        let NodeReport { place, reason, .. } = self.run(backend);
        assert_eq!(place, Place::Cpu, "{why}: nothing failed");
        assert!(reason.contains(why), "not `{why}` but `{reason}`");
    }
}
