//! What `systole bench gemm` says of a product.

use std::collections::BTreeMap;
use std::io::{self, Write};

use isa::config::Config;
use serde::Serialize;
use systole::backend::Place;
use systole::device::{Counters, Programs};

use super::measure::Cost;
use crate::cli::card::Memory;
use crate::cli::failure::Result;
use crate::cli::report;
use crate::cli::table::{grouped, known, percent};

/// The figures, as `--json` prints them.
#[derive(Serialize)]
pub struct Figures {
    /// Rows of A.
    pub m: usize,
    /// Columns of A.
    pub k: usize,
    /// Columns of B.
    pub n: usize,
    /// Name of what it ran on.
    pub device: String,
    /// Where it ran.
    pub place: Place,
    /// Why there.
    pub reason: String,
    /// From the doorbell until the completion can be seen, all cycles.
    pub cycles: Option<u64>,
    /// Those that the driver foresaw.
    pub predicted_cycles: Option<u64>,
    /// Multiply-accumulates of the dense product.
    pub macs: u64,
    /// Those that the array can do in a cycle.
    pub peak_macs_per_cycle: Option<u32>,
    /// Multiply-accumulates a cycle over those that the array can do.
    pub utilisation: Option<f64>,
    /// Bits of a weight.
    pub weight_bits: u8,
    /// Whether two of four weights are zero.
    pub two_four: bool,
    /// Share of the blocks of weights that are zero, where any was asked for.
    pub zero_blocks: Option<f64>,
    /// Values of K that share a scale; 0: no scales.
    pub group: usize,
    /// Below this activations are left out; 0: none are.
    pub threshold: i8,
    /// Bytes of weights that the card read, a whole number of lines.
    pub weight_bytes: Option<u64>,
    /// The dense int8 product of this shape, where it ran too.
    pub dense: Option<Cost>,
    /// How many times as fast as that; by cycles, or by time where neither has any.
    pub speedup_vs_dense: Option<f64>,
    /// That every run gave the bits of the definition; else nothing is printed.
    pub exact: bool,
    /// How fast the card is simulated, if it is.
    pub sim_cycles_per_second: Option<f64>,
    /// Of the run that `cycles` is of.
    pub counters: Option<BTreeMap<&'static str, u64>>,
    /// What went to the card in all runs; the same on every way to a card of this shape.
    pub programs: Option<Programs>,
    /// Shape of the card, if there is one.
    pub config: Option<Config>,
    /// The host's, where the card is simulated.
    pub memory: Option<Memory>,
    /// What the values were drawn from.
    pub seed: u64,
    /// Cycles of each run.
    pub runs: Vec<Option<u64>>,
    /// Wall-clock time of the run that `cycles` is of, in seconds.
    pub seconds: f64,
}

impl Figures {
    /// Prints them for people, with what the card counted.
    pub fn print(&self, counters: Option<&Counters>) -> Result<()> {
        let mut out = io::stdout().lock();
        let Self { m, k, n, .. } = self;
        writeln!(out, "{m}x{k} * {k}x{n} on {}", self.device)?;
        let place = report::place(self.place);
        writeln!(out, "ran on       {place} ({})", self.reason)?;
        writeln!(out, "exact        yes")?;
        writeln!(out, "MACs         {}", grouped(self.macs))?;
        writeln!(out, "cycles       {}", known(self.cycles, grouped))?;
        let foreseen = known(self.predicted_cycles, grouped);
        writeln!(out, "foreseen     {foreseen}")?;
        writeln!(out, "array used   {}", self.used())?;
        if let Some(share) = self.zero_blocks {
            writeln!(out, "zero blocks  {}", percent(share))?;
        }
        if let Some(bytes) = self.weight_bytes {
            writeln!(out, "weights      {} bytes read", grouped(bytes))?;
        }
        if let Some(dense) = &self.dense {
            writeln!(out, "dense int8   {}", said(dense))?;
        }
        if let Some(speedup) = self.speedup_vs_dense {
            writeln!(out, "speed-up     {speedup:.3} times dense int8")?;
        }
        writeln!(out, "host time    {:.3} ms", self.seconds * 1e3)?;
        if let Some(speed) = self.sim_cycles_per_second {
            writeln!(out, "simulation   {} cycles/s", grouped(speed as u64))?;
        }
        if let Some(counters) = counters {
            write!(out, "\n{}", report::counter_table(counters))?;
        }
        Ok(())
    }

    /// How much of the array was used, and of what where that may go beyond all of it.
    fn used(&self) -> String {
        let sparse = self.two_four || self.zero_blocks.is_some() || self.threshold > 0;
        match self.utilisation {
            Some(used) if sparse => {
                format!(
                    "{} by dense work: zeros left out count as done",
                    percent(used)
                )
            }
            used => known(used, percent),
        }
    }
}

/// What the dense product cost: cycles, or time where there are none.
fn said(dense: &Cost) -> String {
    match (dense.cycles, dense.weight_bytes) {
        (Some(cycles), Some(bytes)) => {
            format!(
                "{} cycles, {} bytes of weights",
                grouped(cycles),
                grouped(bytes)
            )
        }
        (Some(cycles), None) => format!("{} cycles", grouped(cycles)),
        (None, _) => format!("{:.3} ms", dense.seconds * 1e3),
    }
}
