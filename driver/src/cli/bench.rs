//! `systole bench`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::num::NonZeroUsize;

use clap::Subcommand;
use isa::config::Config;
use isa::numerics::gemm_i8;
use serde::Serialize;
use systole::backend::{Backend, NodeReport, Place};
use systole::device::{Counters, Programs};
use systole::matmul::{Finish, Layout, MatMul, Rhs};

use super::card::{Engine, Memory, Surroundings, TraceArgs};
use super::device::{DEVICES, Device, MachineArgs};
use super::failure::{Failure, Result};
use super::gemm::{check_size, run_one};
use super::table::{grouped, known, percent};
use super::{print_json, progress, report};

/// Measure.
#[derive(Subcommand)]
pub enum Command {
    /// Measure one int8 matrix product, and compare every bit with the definition.
    Gemm(GemmArgs),
}

/// One product.
#[derive(clap::Args)]
pub struct GemmArgs {
    /// Rows of A and of the result.
    #[arg(long)]
    m: NonZeroUsize,
    /// Columns of A, rows of B.
    #[arg(long)]
    k: NonZeroUsize,
    /// Columns of B and of the result.
    #[arg(long)]
    n: NonZeroUsize,
    /// Where the product runs: auto, cpu, sim, sim-pcie, model, model-pcie, vfio:ADDRESS or vfio-user:PATH.
    #[arg(long, value_name = "WHERE", default_value_t = Device::Sim, long_help = DEVICES)]
    device: Device,
    #[command(flatten)]
    machine: MachineArgs,
    /// The values are drawn from this.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Cycles that the host's memory takes to answer a simulated card, with sim-pcie at the other
    /// end of the link; elsewhere only foreseen cycles change [default: 100, with sim-pcie 250].
    #[arg(long, value_name = "CYCLES")]
    latency: Option<u32>,
    /// Bytes a cycle that the host's memory moves (with --device sim; behind PCIe the link bounds
    /// them). Foreseen cycles do not know of it [default: 16].
    #[arg(long, value_name = "BYTES")]
    bandwidth: Option<f64>,
    /// Times that the product runs; the slowest counts.
    #[arg(long, value_name = "TIMES", default_value = "1")]
    repeat: NonZeroUsize,
    #[command(flatten)]
    trace: TraceArgs,
    /// Print one object of JSON.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Json {
    m: usize,
    k: usize,
    n: usize,
    device: String,
    place: Place,
    reason: String,
    /// From the doorbell until the completion can be seen, all cycles.
    cycles: Option<u64>,
    predicted_cycles: Option<u64>,
    macs: u64,
    peak_macs_per_cycle: Option<u32>,
    utilisation: Option<f64>,
    /// Whether every run gave the bits of the definition.
    exact: bool,
    sim_cycles_per_second: Option<f64>,
    /// Of the run that `cycles` is of.
    counters: Option<BTreeMap<&'static str, u64>>,
    /// What went to the card in all runs; the same on every way to a card of this shape.
    programs: Option<Programs>,
    config: Option<Config>,
    /// The host's, where the card is simulated.
    memory: Option<Memory>,
    seed: u64,
    /// Cycles of each run.
    runs: Vec<Option<u64>>,
    /// Wall-clock time of the run that `cycles` is of, in seconds.
    seconds: f64,
}

/// One run of the product.
struct Run {
    report: NodeReport,
    counters: Option<Counters>,
}

impl Command {
    /// Runs the command.
    pub fn run(self) -> Result<()> {
        match self {
            Self::Gemm(args) => gemm(args),
        }
    }
}

fn gemm(args: GemmArgs) -> Result<()> {
    let (m, k, n) = (args.m.get(), args.k.get(), args.n.get());
    for (rows, cols) in [(m, k), (k, n), (m, n)] {
        check_size(rows, cols).map_err(Failure::Usage)?;
    }
    let mut random = Random(args.seed);
    let (a, b) = (random.values(m * k), random.values(k * n));
    let job = MatMul {
        name: "gemm",
        m,
        k,
        n,
        a: &a,
        b: Rhs::Once(Layout::RowMajor, &b),
        finish: Finish::Raw,
    };
    let surroundings = Surroundings {
        latency: args.latency,
        bandwidth: args.bandwidth,
        trace: args.trace,
    };
    let mut engine = Engine::open(&args.device, &args.machine, &surroundings)?;
    let bar = progress::bar(args.repeat.get(), "measuring");
    let mut expected = vec![0; m * n];
    gemm_i8(m, k, n, &a, &b, &mut expected);
    let (mut runs, mut exact) = (Vec::new(), true);
    for _ in 0..args.repeat.get() {
        let before = engine.counters();
        let (values, report) = run_one(&mut engine, &job)?;
        exact &= values == expected;
        let counters = engine.counters().map(|now| since(now, before));
        runs.push(Run { report, counters });
        bar.inc(1);
    }
    bar.finish_and_clear();
    let moved = runs.iter().find(|run| run.report.place == Place::Cpu);
    let moved = moved.map(|run| run.report.reason.clone());
    let all: Vec<Option<u64>> = runs.iter().map(|run| run.report.cycles).collect();
    let slowest = runs.into_iter().max_by(|a, b| {
        let micros = a.report.micros.total_cmp(&b.report.micros);
        a.report.cycles.cmp(&b.report.cycles).then(micros)
    });
    let Some(Run { report, counters }) = slowest else {
        unreachable!("there is at least one run")
    };
    let config = engine.card().map(|card| *card.config());
    let json = Json {
        m,
        k,
        n,
        device: engine.name().into(),
        place: report.place,
        reason: report.reason,
        cycles: report.cycles,
        predicted_cycles: report.predicted_cycles,
        macs: report.macs,
        peak_macs_per_cycle: config.as_ref().map(Config::peak_macs),
        utilisation: report.utilisation,
        exact,
        sim_cycles_per_second: engine.speed(),
        counters: report::by_name(counters.clone()),
        programs: engine.programs(),
        config,
        memory: surroundings.memory(&args.device),
        seed: args.seed,
        runs: all,
        seconds: report.micros / 1e6,
    };
    let printed = match args.json {
        true => print_json(&json),
        false => print(&json, counters.as_ref()),
    };
    // A wrong result stays wrong where a reader leaves early.
    if !exact {
        let text = "the result differs from the definition of the product";
        return Err(Failure::Failed(text.into()));
    }
    match moved {
        Some(reason) if args.device.is_card() => Err(Failure::Device(format!(
            "the product ran on the CPU, so nothing was measured: {reason}"
        ))),
        _ => printed,
    }
}

fn print(json: &Json, counters: Option<&Counters>) -> Result<()> {
    let mut out = io::stdout().lock();
    let Json { m, k, n, .. } = json;
    writeln!(out, "{m}x{k} * {k}x{n} on {}", json.device)?;
    writeln!(
        out,
        "ran on       {} ({})",
        report::place(json.place),
        json.reason
    )?;
    writeln!(
        out,
        "exact        {}",
        if json.exact { "yes" } else { "NO" }
    )?;
    writeln!(out, "MACs         {}", grouped(json.macs))?;
    writeln!(out, "cycles       {}", known(json.cycles, grouped))?;
    writeln!(
        out,
        "foreseen     {}",
        known(json.predicted_cycles, grouped)
    )?;
    writeln!(out, "array used   {}", known(json.utilisation, percent))?;
    writeln!(out, "host time    {:.3} ms", json.seconds * 1e3)?;
    if let Some(speed) = json.sim_cycles_per_second {
        writeln!(out, "simulation   {} cycles/s", grouped(speed as u64))?;
    }
    if let Some(counters) = counters {
        write!(out, "\n{}", report::counter_table(counters))?;
    }
    Ok(())
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

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    /// Values over the whole range of int8.
    fn values(&mut self, count: usize) -> Vec<i8> {
        let mut values = Vec::with_capacity(count + 7);
        while values.len() < count {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            values.extend((mixed ^ mixed >> 31).to_le_bytes().map(|byte| byte as i8));
        }
        values.truncate(count);
        values
    }
}
