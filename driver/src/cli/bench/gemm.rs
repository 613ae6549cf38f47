//! `systole bench gemm`.

use std::num::NonZeroUsize;

use isa::config::Config;
use isa::numerics::threshold;
use systole::backend::Backend;
use systole::matmul::{Finish, Layout, MatMul, Rhs, Weights};

use super::figures::Figures;
use super::measure::{Measured, Run, measure};
use crate::cli::card::{Engine, Surroundings, TraceArgs};
use crate::cli::device::{DEVICES, Device, MachineArgs};
use crate::cli::failure::{Failure, Result};
use crate::cli::gemm::check_size;
use crate::cli::number::positive;
use crate::cli::random::Random;
use crate::cli::weights::{WeightArgs, zero_share};
use crate::cli::{print_json, report};

/// One product.
#[derive(clap::Args)]
pub struct Args {
    /// Rows of A and of the result.
    #[arg(long, value_parser = positive)]
    m: NonZeroUsize,
    /// Columns of A, rows of B.
    #[arg(long, value_parser = positive)]
    k: NonZeroUsize,
    /// Columns of B and of the result.
    #[arg(long, value_parser = positive)]
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
    /// them), 1/64 to 4096. Foreseen cycles do not know of it [default: 16].
    #[arg(long, value_name = "BYTES")]
    bandwidth: Option<f64>,
    /// Times that the product runs; the slowest counts.
    #[arg(long, value_name = "TIMES", default_value = "1", value_parser = positive)]
    repeat: NonZeroUsize,
    #[command(flatten)]
    trace: TraceArgs,
    /// Print one object of JSON.
    #[arg(long)]
    json: bool,
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
    let group = format.threshold_group();
    let a = match format.threshold {
        0 => random.activations(m * k),
        limit => random.activations_beyond(limit, m, k, group),
    };
    let mut kept = a.clone();
    threshold(m, k, &mut kept, group, format.threshold.unsigned_abs());
    let plain = format.is_plain();
    let weights = match plain {
        true => Weights::new(k, n, Layout::RowMajor, random.weights(k * n)),
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
    let Measured { slowest, cycles } = measure(&mut engine, &job, args.repeat)?;
    let cost = slowest.cost(&shape);
    let dense = match &baseline {
        None => None,
        Some(job) => Some(measure(&mut engine, job, args.repeat)?.slowest.cost(&shape)),
    };
    let Run { report, counters } = slowest;
    let blocks = weights.encoding().and_then(|it| it.blocks.as_ref());
    let config = engine.card().map(|card| *card.config());
    let figures = Figures {
        m,
        k,
        n,
        device: engine.name().into(),
        place: report.place,
        reason: report.reason,
        cycles: cost.cycles,
        predicted_cycles: report.predicted_cycles,
        macs: report.macs,
        peak_macs_per_cycle: config.as_ref().map(Config::peak_macs),
        utilisation: report.utilisation,
        weight_bits: format.weights.0,
        two_four: format.sparsity.two_four,
        zero_blocks: blocks.map(|blocks| zero_share(blocks, k, n)),
        group: format.group,
        threshold: format.threshold,
        weight_bytes: cost.weight_bytes,
        speedup_vs_dense: dense.and_then(|dense| cost.speedup_over(&dense)),
        dense,
        exact: true,
        sim_cycles_per_second: engine.speed(),
        counters: report::by_name(counters.clone()),
        programs: engine.programs(),
        config,
        memory: surroundings.memory(&args.device),
        seed: args.seed,
        runs: cycles,
        seconds: cost.seconds,
    };
    match args.json {
        true => print_json(&figures),
        false => figures.print(counters.as_ref()),
    }
}
