//! `systole bench gemm`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::num::NonZeroUsize;

use isa::config::Config;
use isa::numerics::threshold;
use serde::Serialize;
use systole::backend::{Backend, Place};
use systole::device::{Counters, Programs};
use systole::matmul::{Finish, Layout, MatMul, Rhs, Weights};

use super::measure::{Measured, Run, measure, slowest};
use crate::cli::card::{Engine, Memory, Surroundings, TraceArgs};
use crate::cli::device::{DEVICES, Device, MachineArgs};
use crate::cli::failure::{Failure, Result};
use crate::cli::gemm::check_size;
use crate::cli::random::Random;
use crate::cli::table::{grouped, known, percent};
use crate::cli::weights::WeightArgs;
use crate::cli::{print_json, report};

/// One product.
#[derive(clap::Args)]
pub struct Args {
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
    #[command(flatten)]
    format: WeightArgs,
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
    /// Bits of a weight.
    weight_bits: u8,
    two_four: bool,
    /// Share of the blocks of weights that are zero.
    zero_blocks: Option<f64>,
    /// Values of K that share a scale; 0: no scales.
    group: usize,
    threshold: u8,
    /// Bytes of weights that the card read, a whole number of lines.
    weight_bytes: Option<u64>,
    /// The dense int8 product of this shape, where it ran too.
    dense: Option<Dense>,
    /// Cycles of the dense product over those of this one; on the CPU, times.
    speedup_vs_dense: Option<f64>,
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

/// The dense int8 product beside another.
#[derive(Serialize)]
struct Dense {
    cycles: Option<u64>,
    weight_bytes: Option<u64>,
    seconds: f64,
}

/// Runs the command.
pub fn run(args: Args) -> Result<()> {
    let (m, k, n) = (args.m.get(), args.k.get(), args.n.get());
    for (rows, cols) in [(m, k), (k, n), (m, n)] {
        check_size(rows, cols).map_err(Failure::Usage)?;
    }
    let surroundings = Surroundings {
        latency: args.latency,
        bandwidth: args.bandwidth,
        trace: args.trace,
    };
    let mut engine = Engine::open(&args.device, &args.machine, &surroundings)?;
    let shape = engine.card().map(|card| *card.config()).unwrap_or_default();
    let mut random = Random(args.seed);
    let format = &args.format;
    let a = match format.threshold {
        0 => random.values(m * k),
        _ => random.values_by_group(m, k, format.threshold_group()),
    };
    let mut kept = a.clone();
    threshold(m, k, &mut kept, format.threshold_group(), format.threshold);
    if format.threshold > 0 && kept.iter().all(|value| *value == 0) {
        return Err(Failure::Usage(format!(
            "every activation is below the threshold of {}: nothing is left to measure",
            format.threshold
        )));
    }
    let plain = format.is_plain();
    let weights = match plain {
        true => Weights::new(k, n, Layout::RowMajor, random.values(k * n)),
        false => Weights::encoded(format.draw(k, n, &shape, &mut random))
            .map_err(|error| Failure::Failed(format!("the drawn weights are bad: {error}")))?,
    };
    let compared = !plain || format.threshold > 0;
    let job = MatMul {
        name: "gemm",
        m,
        k,
        n,
        a: &kept,
        // Both products of a comparison keep their weights, so that they come the same way.
        b: match compared {
            true => Rhs::Kept(&weights),
            false => Rhs::Once(Layout::RowMajor, weights.values()),
        },
        finish: Finish::Raw,
    };
    let dense = compared.then(|| Weights::new(k, n, Layout::RowMajor, weights.values().to_vec()));
    let baseline = dense.as_ref().map(|dense| MatMul {
        name: "dense",
        a: &a,
        b: Rhs::Kept(dense),
        ..job
    });
    let mut measured = measure(&mut engine, &job, args.repeat)?;
    let dense = match &baseline {
        None => None,
        Some(job) => {
            let beside = measure(&mut engine, job, args.repeat)?;
            measured.exact &= beside.exact;
            let Some(run) = slowest(beside.runs) else {
                unreachable!("there is at least one run")
            };
            Some(Dense {
                cycles: run.report.cycles,
                weight_bytes: run.weight_bytes(&shape),
                seconds: run.report.micros / 1e6,
            })
        }
    };
    let Measured { runs, exact } = measured;
    let moved = runs.iter().find(|run| run.report.place == Place::Cpu);
    let moved = moved.map(|run| run.report.reason.clone());
    let all: Vec<Option<u64>> = runs.iter().map(|run| run.report.cycles).collect();
    let Some(run) = slowest(runs) else {
        unreachable!("there is at least one run")
    };
    let weight_bytes = run.weight_bytes(&shape);
    let Run { report, counters } = run;
    let speedup_vs_dense = dense
        .as_ref()
        .map(|dense| match (dense.cycles, report.cycles) {
            (Some(dense), Some(cycles)) => dense as f64 / cycles as f64,
            _ => dense.seconds * 1e6 / report.micros,
        });
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
        weight_bits: format.weights.0,
        two_four: format.sparsity.two_four,
        zero_blocks: format.sparsity.blocks,
        group: format.group,
        threshold: format.threshold,
        weight_bytes,
        dense,
        speedup_vs_dense,
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
    if let Some(bytes) = json.weight_bytes {
        writeln!(out, "weights      {} bytes read", grouped(bytes))?;
    }
    if let Some(dense) = &json.dense {
        writeln!(
            out,
            "dense int8   {} cycles, {} bytes of weights",
            known(dense.cycles, grouped),
            known(dense.weight_bytes, grouped)
        )?;
    }
    if let Some(speedup) = json.speedup_vs_dense {
        writeln!(out, "speed-up     {speedup:.3} times dense int8")?;
    }
    writeln!(out, "host time    {:.3} ms", json.seconds * 1e3)?;
    if let Some(speed) = json.sim_cycles_per_second {
        writeln!(out, "simulation   {} cycles/s", grouped(speed as u64))?;
    }
    if let Some(counters) = counters {
        write!(out, "\n{}", report::counter_table(counters))?;
    }
    Ok(())
}
