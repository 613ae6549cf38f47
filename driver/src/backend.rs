//! What runs matrix products, and what it says about each of them.

use serde::Serialize;

use crate::matmul::{MatMul, ShapeError, Values};

/// Runs matrix products.
///
/// Every implementation gives the integers that [`isa::numerics`] defines, so one may stand in for
/// another at any time.
pub trait Backend: Send {
    /// Runs `jobs`, which do not depend on each other, and returns one outcome a job, in order.
    ///
    /// # Errors
    /// When a job's parts do not fit each other, or when the work could be done nowhere.
    fn run(&mut self, jobs: &[MatMul<'_>]) -> Result<Vec<Outcome>, BackendError>;

    /// Short name for people, such as `cpu (avx2)`.
    fn name(&self) -> &str;
}

/// Why products could not be run.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// A job contradicts itself.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The device failed and the work could not be moved.
    #[error("the device cannot run matrix products: {0}")]
    Device(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Result of one product and how it came about.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The integers.
    pub values: Values,
    /// Where and how fast.
    pub report: NodeReport,
}

/// Where a node ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The kernels of [`crate::cpu`].
    Cpu,
    /// The card, simulated or real.
    Device,
}

/// What is known about one node of a model, or about several runs of it ([`Self::absorb`]).
#[derive(Clone, Debug, Serialize)]
pub struct NodeReport {
    /// Name of the node ([`MatMul::name`]).
    pub name: String,
    /// Where it ran.
    pub place: Place,
    /// Why there, in words.
    pub reason: String,
    /// Number of products that this report sums up.
    pub jobs: u64,
    /// Multiply-accumulate operations.
    pub macs: u64,
    /// Cycles that the cost model foresaw; `None` where nothing was foreseen.
    pub predicted_cycles: Option<u64>,
    /// Cycles that the device counted; `None` on the CPU.
    pub cycles: Option<u64>,
    /// Multiply-accumulates over those that a dense array could have done in `cycles`: up to 1, and
    /// beyond where zeros were left out.
    pub utilisation: Option<f64>,
    /// Wall-clock time in microseconds.
    pub micros: f64,
}

impl NodeReport {
    /// A report on one run of `job`, with no cycles yet.
    pub fn new(job: &MatMul<'_>, place: Place, reason: impl Into<String>, micros: f64) -> Self {
        Self {
            name: job.name.into(),
            place,
            reason: reason.into(),
            jobs: 1,
            macs: job.macs(),
            predicted_cycles: None,
            cycles: None,
            utilisation: None,
            micros,
        }
    }

    /// Whether `other` tells of the same node, at the same place for the same reason.
    pub fn same_node(&self, other: &Self) -> bool {
        self.name == other.name && self.place == other.place && self.reason == other.reason
    }

    /// Adds another run of the same node. Utilisation becomes the mean weighted by cycles.
    pub fn absorb(&mut self, other: &Self) {
        let useful = |report: &Self| Some(report.utilisation? * report.cycles? as f64);
        let useful = sum(useful(self), useful(other));
        self.jobs += other.jobs;
        self.macs += other.macs;
        self.predicted_cycles = sum(self.predicted_cycles, other.predicted_cycles);
        self.cycles = sum(self.cycles, other.cycles);
        self.utilisation = match (useful, self.cycles) {
            (Some(useful), Some(cycles)) if cycles > 0 => Some(useful / cycles as f64),
            _ => None,
        };
        self.micros += other.micros;
    }
}

/// Sum of what is known of both.
fn sum<T: std::ops::Add<Output = T>>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}
