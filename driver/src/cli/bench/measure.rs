//! A product, run and compared.

use std::borrow::Cow;
use std::num::NonZeroUsize;

use isa::config::Config;
use isa::numerics::gemm_i8;
use serde::Serialize;
use systole::backend::{NodeReport, Place};
use systole::device::Counters;
use systole::matmul::{Layout, MatMul};

use crate::cli::card::Engine;
use crate::cli::failure::{Failure, Result};
use crate::cli::gemm::run_one;
use crate::cli::{progress, report};

/// One run of the product.
pub struct Run {
    /// What the backend says of it.
    pub report: NodeReport,
    /// What the card counted meanwhile.
    pub counters: Option<Counters>,
}

/// Runs of a product, all with the bits of the definition.
pub struct Measured {
    /// The run with the most cycles, or the most time where no cycles are counted.
    pub slowest: Run,
    /// Cycles of each run.
    pub cycles: Vec<Option<u64>>,
}

/// What a product costs.
#[derive(Clone, Copy, Serialize)]
pub struct Cost {
    /// From the doorbell until the completion can be seen; `None` where no card counts.
    pub cycles: Option<u64>,
    /// Bytes of weights that the card read, a whole number of lines.
    pub weight_bytes: Option<u64>,
    /// Wall-clock time.
    pub seconds: f64,
}

/// Runs a product some times. On the CPU once more before, which is not measured: kept weights are
/// packed then.
///
/// # Errors
/// Nothing was measured: a run did not give the bits of the definition, or ran on the CPU where a
/// card was asked for.
pub fn measure(engine: &mut Engine, job: &MatMul<'_>, repeat: NonZeroUsize) -> Result<Measured> {
    let MatMul { m, k, n, name, .. } = *job;
    let bar = progress::bar(repeat.get(), "measuring");
    let mut expected = vec![0; m * n];
    gemm_i8(m, k, n, job.a, &row_major(job), &mut expected);
    if engine.card().is_none() {
        run_one(engine, job)?;
    }
    let (mut slowest, mut cycles) = (None, Vec::new());
    for _ in 0..repeat.get() {
        let before = engine.counters();
        let (values, report) = run_one(engine, job)?;
        if let Some(difference) = difference(n, &values, &expected) {
            return Err(Failure::Failed(format!(
                "the result of `{name}` differs from the definition of the product: {difference}"
            )));
        }
        if report.place == Place::Cpu && matches!(engine, Engine::Card(_)) {
            return Err(Failure::Device(format!(
                "`{name}` ran on the CPU, so nothing was measured: {}",
                report.reason
            )));
        }
        let counters = engine.counters().map(|now| since(now, before));
        cycles.push(report.cycles);
        let run = Run { report, counters };
        slowest = Some(match slowest {
            Some(slowest) => slower(slowest, run),
            None => run,
        });
        bar.inc(1);
    }
    bar.finish_and_clear();
    let Some(slowest) = slowest else {
        unreachable!("there is at least one run")
    };
    Ok(Measured { slowest, cycles })
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

/// How a result of `n` columns differs from what is expected, if it does.
fn difference(n: usize, values: &[i32], expected: &[i32]) -> Option<String> {
    let pairs = || values.iter().zip(expected);
    let first = pairs().position(|(value, expected)| value != expected)?;
    let wrong = pairs()
        .filter(|(value, expected)| value != expected)
        .count();
    Some(format!(
        "{wrong} of {} values, the first in row {}, column {}: {} instead of {}",
        values.len(),
        first / n,
        first % n,
        values[first],
        expected[first]
    ))
}

/// The run with more cycles, or more time where they have the same or none.
fn slower(a: Run, b: Run) -> Run {
    let micros = b.report.micros.total_cmp(&a.report.micros);
    match b.report.cycles.cmp(&a.report.cycles).then(micros).is_ge() {
        true => b,
        false => a,
    }
}

impl Run {
    /// What it costs on a card of this shape.
    pub fn cost(&self, config: &Config) -> Cost {
        let counters = report::by_name(self.counters.clone());
        let lines = counters.and_then(|counters| counters.get("load.weights").copied());
        Cost {
            cycles: self.report.cycles,
            weight_bytes: lines.map(|lines| lines * u64::from(config.port_bytes)),
            seconds: self.report.micros / 1e6,
        }
    }
}

impl Cost {
    /// How many times as fast this is as `dense`: by cycles, or by time where neither has cycles.
    /// Nothing where only one has, for a card and the CPU do not compare.
    pub fn speedup_over(&self, dense: &Self) -> Option<f64> {
        match (dense.cycles, self.cycles) {
            (Some(dense), Some(cycles)) => Some(dense as f64 / cycles as f64),
            (None, None) => Some(dense.seconds / self.seconds),
            _ => None,
        }
    }

    /// What all of them cost; what is not known of one is not known of all.
    pub fn total(costs: impl Iterator<Item = Self> + Clone) -> Self {
        Self {
            cycles: costs.clone().map(|cost| cost.cycles).sum(),
            weight_bytes: costs.clone().map(|cost| cost.weight_bytes).sum(),
            seconds: costs.map(|cost| cost.seconds).sum(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::card::{Surroundings, open_card};
    use crate::cli::device::{Device, MachineArgs};
    use clap::Parser;
    use systole::matmul::{Finish, Rhs};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        machine: MachineArgs,
    }

    fn cost(cycles: Option<u64>, seconds: f64) -> Cost {
        Cost {
            cycles,
            weight_bytes: cycles.map(|cycles| 16 * cycles),
            seconds,
        }
    }

    #[test]
    fn like_is_compared_with_like() {
        let (fast, slow) = (cost(Some(100), 9.0), cost(Some(250), 3.0));
        assert_eq!(fast.speedup_over(&slow), Some(2.5));
        assert_eq!(cost(None, 2.0).speedup_over(&cost(None, 3.0)), Some(1.5));
        assert_eq!(cost(None, 2.0).speedup_over(&slow), None);
        assert_eq!(fast.speedup_over(&cost(None, 2.0)), None);
    }

    #[test]
    fn totals_are_of_everything_or_not_known() {
        let total = Cost::total([cost(Some(100), 1.0), cost(Some(20), 0.5)].into_iter());
        assert_eq!(total.cycles, Some(120));
        assert_eq!(total.weight_bytes, Some(16 * 120));
        assert_eq!(total.seconds, 1.5);
        let total = Cost::total([cost(Some(100), 1.0), cost(None, 0.5)].into_iter());
        assert_eq!((total.cycles, total.weight_bytes), (None, None));
        assert_eq!(total.seconds, 1.5);
    }

    #[test]
    fn a_wrong_result_is_told_by_its_place() {
        assert_eq!(difference(2, &[1, 2, 3, 4], &[1, 2, 3, 4]), None);
        let said = difference(2, &[1, 2, 3, 4], &[1, 2, 9, 5]).expect("it differs");
        let wanted = "2 of 4 values, the first in row 1, column 0: 3 instead of 9";
        assert_eq!(said, wanted);
    }

    #[test]
    fn what_ran_elsewhere_than_asked_for_is_no_measurement() {
        let line = Line::parse_from(["line", "--datapaths", "packed"]);
        let card = open_card(&Device::Model, &line.machine, &Surroundings::default());
        let mut engine = Engine::Card(Box::new(card.expect("the model opens")));
        for (weight, moves) in [(i8::MIN, true), (-127, false)] {
            let job = MatMul {
                name: "one",
                m: 1,
                k: 2,
                n: 1,
                a: &[1, 2],
                b: Rhs::Once(Layout::RowMajor, &[3, weight]),
                finish: Finish::Raw,
            };
            match measure(&mut engine, &job, NonZeroUsize::MIN) {
                Ok(_) => assert!(!moves, "{weight}"),
                Err(Failure::Device(said)) => {
                    assert!(moves && said.contains("`one` ran on the CPU"), "{said}");
                    assert!(said.contains("-128"), "{said}");
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}
