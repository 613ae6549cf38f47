//! What goes into products with weights, as a backend sees it.

use std::collections::BTreeMap;

use super::nodes::{Kind, Node};
use crate::backend::{Backend, BackendError, Outcome};
use crate::cpu::CpuBackend;
use crate::matmul::{Finish, MatMul};

/// Runs products on the CPU and keeps the left operands of those with weights.
pub struct Recorder {
    inner: CpuBackend,
    taken: BTreeMap<Kind, Vec<f32>>,
}

impl Recorder {
    /// Runs on `inner`.
    pub fn new(inner: CpuBackend) -> Self {
        Self {
            inner,
            taken: BTreeMap::new(),
        }
    }

    /// What `recorders` took, one after the other.
    pub fn join(recorders: Vec<Self>) -> Self {
        let mut joined = Self::new(CpuBackend::new(1));
        for (kind, rows) in recorders.into_iter().flat_map(|it| it.taken) {
            joined.taken.entry(kind).or_default().extend(rows);
        }
        joined
    }

    /// Rows that went into the linear layer `kind`, with their scales; those of the last layer that
    /// ran.
    pub fn take(&mut self, kind: Kind) -> Vec<f32> {
        self.taken.remove(&kind).unwrap_or_default()
    }
}

impl Backend for Recorder {
    fn run(&mut self, jobs: &[MatMul<'_>]) -> Result<Vec<Outcome>, BackendError> {
        // Parts of a layer have the same input: one of them tells it.
        let kind = jobs.first().and_then(|job| {
            let ends = |node: &Node| job.name.ends_with(node.name());
            Some((job, Node::ALL.into_iter().find(ends)?.kind()))
        });
        if let Some((job, kind)) = kind
            && let Finish::Requantize { rows, .. } = job.finish
        {
            let values = job
                .a
                .chunks_exact(job.k)
                .zip(rows)
                .flat_map(|(row, scale)| {
                    let scale = scale.to_f64() as f32;
                    row.iter().map(move |value| f32::from(*value) * scale)
                });
            self.taken.insert(kind, values.collect());
        }
        Backend::run(&mut self.inner, jobs)
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}
