//! int8 matrix products on the CPU, bit-identical to [`isa::numerics`].
//!
//! Right operands are packed into panels of 16 columns (`pack`), in the bits that their encoding
//! gives them (`step`) and without the pieces that are zero; a kernel multiplies a few rows by one
//! panel (`kernel`), which never saturates whatever the values, and the sums of a panel are
//! requantised while they are still in the first-level cache (`requant`). What is zero in all rows
//! of the left operand is left out as well (`left`). Packed
//! [`Weights`](crate::matmul::Weights) are kept from one call to the next.

mod gemm;
mod kernel;
mod left;
mod lines;
mod pack;
mod requant;
mod step;
mod work;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::backend::{Backend, BackendError, NodeReport, Outcome, Place};
use crate::matmul::{MatMul, Rhs, ShapeError, Values};

pub use kernel::Kernels;
use pack::Packed;
use work::Item;

/// Multiply-accumulates below which a second thread costs more than it saves.
const MACS_PER_THREAD: u64 = 2_000_000;

/// Runs matrix products on the CPU.
#[derive(Debug)]
pub struct CpuBackend {
    kernels: Kernels,
    threads: usize,
    name: String,
    /// By [`crate::matmul::Weights::id`] and the shape that a product gave them.
    kept: HashMap<(u64, usize, usize), Arc<Packed>>,
}

impl CpuBackend {
    /// Takes the fastest kernels that this CPU has; `threads` of zero counts as one.
    pub fn new(threads: usize) -> Self {
        Self::with_kernels(threads, Kernels::best())
    }

    /// Takes given kernels, to compare them.
    pub fn with_kernels(threads: usize, kernels: Kernels) -> Self {
        let threads = threads.max(1);
        Self {
            kernels,
            threads,
            name: format!("cpu ({})", kernels.name()),
            kept: HashMap::new(),
        }
    }

    /// The products of `jobs`, in order.
    ///
    /// # Errors
    /// When a job's parts do not fit each other; then nothing has been computed.
    pub fn run(&mut self, jobs: &[MatMul<'_>]) -> Result<Vec<Values>, ShapeError> {
        Ok(self
            .run_timed(jobs)?
            .into_iter()
            .map(|(values, _)| values)
            .collect())
    }

    /// Forgets packed weights, which take as many bits a value as they are encoded in.
    pub fn forget_weights(&mut self) {
        self.kept.clear();
    }

    /// The products and the microseconds that each took (summed over threads).
    fn run_timed(&mut self, jobs: &[MatMul<'_>]) -> Result<Vec<(Values, f64)>, ShapeError> {
        jobs.iter().try_for_each(MatMul::check)?;
        let mut micros = vec![0.0; jobs.len()];
        let panels: Vec<Arc<Packed>> = jobs
            .iter()
            .zip(&mut micros)
            .map(|(job, micros)| timed(micros, || self.panels(job)))
            .collect();
        let mut results: Vec<Values> = jobs.iter().map(work::empty_result).collect();
        let macs: u64 = jobs.iter().map(MatMul::macs).sum();
        let threads = self.threads.min((macs / MACS_PER_THREAD).max(1) as usize);
        let parts = jobs.iter().zip(&panels).zip(&mut results).zip(&mut micros);
        let items: Vec<Item<'_>> = parts
            .flat_map(|(((job, panels), out), micros)| {
                work::split(
                    job,
                    panels,
                    out,
                    micros,
                    if threads == 1 { 1 } else { 2 * threads },
                )
            })
            .collect();
        work::run(self.kernels, threads, items);
        Ok(results.into_iter().zip(micros).collect())
    }

    /// The packed right operand of `job`, packed now unless it is kept.
    fn panels(&mut self, job: &MatMul<'_>) -> Arc<Packed> {
        let plain = |layout, values| Packed::plain(job.k, job.n, layout, values);
        match job.b {
            Rhs::Once(layout, values) => Arc::new(plain(layout, values)),
            Rhs::Kept(weights) => {
                let pack = || {
                    Arc::new(match weights.encoding() {
                        Some(encoding) if (encoding.k, encoding.n) == (job.k, job.n) => {
                            Packed::encoded(&encoding.view())
                        }
                        _ => plain(weights.layout(), weights.values()),
                    })
                };
                let key = (weights.id(), job.k, job.n);
                Arc::clone(self.kept.entry(key).or_insert_with(pack))
            }
        }
    }
}

impl Backend for CpuBackend {
    fn run(&mut self, jobs: &[MatMul<'_>]) -> Result<Vec<Outcome>, BackendError> {
        let results = self.run_timed(jobs)?;
        let outcome = |(job, (values, micros))| {
            let report = NodeReport::new(job, Place::Cpu, "the CPU was asked for", micros);
            Outcome { values, report }
        };
        Ok(jobs.iter().zip(results).map(outcome).collect())
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// Runs `work` and adds its microseconds to `micros`.
fn timed<T>(micros: &mut f64, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    *micros += start.elapsed().as_secs_f64() * 1e6;
    result
}
