//! A product, run and compared.

use std::borrow::Cow;
use std::num::NonZeroUsize;

use isa::config::Config;
use isa::numerics::gemm_i8;
use systole::backend::NodeReport;
use systole::device::Counters;
use systole::matmul::{Layout, MatMul};

use crate::cli::card::Engine;
use crate::cli::failure::Result;
use crate::cli::gemm::run_one;
use crate::cli::{progress, report};

/// One run of the product.
pub struct Run {
    /// What the backend says of it.
    pub report: NodeReport,
    /// What the card counted meanwhile.
    pub counters: Option<Counters>,
}

/// Runs of a product.
pub struct Measured {
    /// Each run.
    pub runs: Vec<Run>,
    /// Whether all gave the bits of the definition.
    pub exact: bool,
}

/// Runs a product some times. On the CPU once more before, which is not measured: kept weights are
/// packed then.
pub fn measure(engine: &mut Engine, job: &MatMul<'_>, repeat: NonZeroUsize) -> Result<Measured> {
    let MatMul { m, k, n, .. } = *job;
    let bar = progress::bar(repeat.get(), "measuring");
    let mut expected = vec![0; m * n];
    gemm_i8(m, k, n, job.a, &row_major(job), &mut expected);
    let (mut runs, mut exact) = (Vec::new(), true);
    if engine.card().is_none() {
        run_one(engine, job)?;
    }
    for _ in 0..repeat.get() {
        let before = engine.counters();
        let (values, report) = run_one(engine, job)?;
        exact &= values == expected;
        let counters = engine.counters().map(|now| since(now, before));
        runs.push(Run { report, counters });
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(Measured { runs, exact })
}

/// The right operand as the definition of the product wants it.
fn row_major<'a>(job: &MatMul<'a>) -> Cow<'a, [i8]> {
    let (k, n) = (job.k, job.n);
    match job.b.parts() {
        (Layout::RowMajor, values) => values.into(),
        (Layout::Transposed, values) => (0..k * n)
            .map(|at| values[at % n * k + at / n])
            .collect::<Vec<_>>()
            .into(),
    }
}

/// The run with the most cycles, or the most time where no cycles are counted.
pub fn slowest(runs: Vec<Run>) -> Option<Run> {
    runs.into_iter().max_by(|a, b| {
        let micros = a.report.micros.total_cmp(&b.report.micros);
        a.report.cycles.cmp(&b.report.cycles).then(micros)
    })
}

impl Run {
    /// Bytes of weights that a card of this shape read.
    pub fn weight_bytes(&self, config: &Config) -> Option<u64> {
        let counters = report::by_name(self.counters.clone())?;
        let lines = counters.get("load.weights")?;
        Some(lines * u64::from(config.port_bytes))
    }
}

/// What was counted since `before`.
fn since(now: Counters, before: Option<Counters>) -> Counters {
    let before = before.unwrap_or_default();
    Counters(
        now.0
            .iter()
            .zip(before.0)
            .map(|(now, before)| now - before)
            .collect(),
    )
}
