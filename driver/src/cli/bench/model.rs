//! `systole bench model`.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::Serialize;
use systole::backend::Place;
use systole::matmul::{Finish, MatMul, Rhs, Weights};
use systole::quant::{Kind, Part};

use super::measure::{Cost, Run, measure};
use crate::cli::card::{Engine, Surroundings};
use crate::cli::device::{DEVICES, Device, MachineArgs};
use crate::cli::failure::{Failure, Result};
use crate::cli::gemm::check_size;
use crate::cli::number::positive;
use crate::cli::random::Random;
use crate::cli::table::{Table, grouped, known};
use crate::cli::{model, print_json, report};

/// The products of a model.
#[derive(clap::Args)]
pub struct Args {
    /// The model: a folder, a file that `systole quantize` wrote, or a name of `systole model list`.
    #[arg(long, value_name = "PATH", default_value = "minilm")]
    model: PathBuf,
    /// Rows of activations: the tokens that are multiplied at once.
    #[arg(long, value_name = "ROWS", default_value = "128", value_parser = positive)]
    m: NonZeroUsize,
    /// Only products whose names hold this, such as `ffn` or `layer.0.`.
    #[arg(long, value_name = "NAME", default_value = "")]
    node: String,
    /// Where the products run: auto, cpu, sim, sim-pcie, model, model-pcie, vfio:ADDRESS or vfio-user:PATH.
    #[arg(long, value_name = "WHERE", default_value_t = Device::Sim, long_help = DEVICES)]
    device: Device,
    #[command(flatten)]
    machine: MachineArgs,
    /// Cycles that the host's memory takes to answer a simulated card, with sim-pcie at the other
    /// end of the link [default: 100, with sim-pcie 250].
    #[arg(long, value_name = "CYCLES")]
    latency: Option<u32>,
    /// Bytes a cycle that the host's memory moves (with --device sim), 1/64 to 4096 [default: 16].
    #[arg(long, value_name = "BYTES")]
    bandwidth: Option<f64>,
    /// The activations are drawn from this.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one object of JSON.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Json {
    model: String,
    scheme: String,
    device: String,
    m: usize,
    products: Vec<Product>,
    /// Sums over all products.
    totals: Pair,
    /// That every product gave the bits of the definition; else nothing is printed.
    exact: bool,
}

/// A product beside the dense int8 product of its shape.
#[derive(Serialize)]
struct Product {
    name: String,
    k: usize,
    n: usize,
    /// Format of the weights, as the encoding tells it.
    weights: String,
    place: Place,
    /// Why there, and why its weights came in another format if they did.
    reason: String,
    #[serde(flatten)]
    pair: Pair,
    exact: bool,
}

/// What a product costs, and what the dense int8 product of its shape does.
#[derive(Serialize)]
struct Pair {
    #[serde(flatten)]
    cost: Cost,
    dense_cycles: Option<u64>,
    dense_weight_bytes: Option<u64>,
    speedup_vs_dense: Option<f64>,
    dense_seconds: f64,
    #[serde(skip)]
    dense: Cost,
}

impl Pair {
    fn new(cost: Cost, dense: Cost) -> Self {
        Self {
            dense_cycles: dense.cycles,
            dense_weight_bytes: dense.weight_bytes,
            speedup_vs_dense: cost.speedup_over(&dense),
            dense_seconds: dense.seconds,
            dense,
            cost,
        }
    }

    fn total(products: &[Product]) -> Self {
        let pairs = products.iter().map(|product| &product.pair);
        Self::new(
            Cost::total(pairs.clone().map(|pair| pair.cost)),
            Cost::total(pairs.map(|pair| pair.dense)),
        )
    }

    /// Cells of the table.
    fn cells(&self) -> [String; 5] {
        [
            known(self.cost.cycles, grouped),
            known(self.dense_cycles, grouped),
            known(self.speedup_vs_dense, |times| format!("{times:.3}")),
            known(self.cost.weight_bytes, grouped),
            known(self.dense_weight_bytes, grouped),
        ]
    }
}

/// Runs the command.
pub fn run(args: Args) -> Result<()> {
    let embedder = model::load(&args.model)?;
    let layers = embedder.quantised().layers.iter().enumerate();
    let parts: Vec<(String, &Part)> = layers
        .flat_map(|(index, layer)| {
            let parts = Kind::ALL.iter().flat_map(|kind| &layer.linear(*kind).parts);
            parts.map(move |part| (part.node.of_layer(index), part))
        })
        .filter(|(name, _)| name.contains(&args.node))
        .collect();
    if parts.is_empty() {
        return Err(Failure::Input(format!(
            "no product of the model has a name with `{}` in it; `--node` takes a part of a name such \
             as layer.0.ffn.in",
            args.node
        )));
    }
    let m = args.m.get();
    for (name, part) in &parts {
        for cols in [part.weights.k(), part.weights.n()] {
            check_size(m, cols).map_err(|why| Failure::Usage(format!("{name}: {why}")))?;
        }
    }
    let surroundings = Surroundings {
        latency: args.latency,
        bandwidth: args.bandwidth,
        ..Surroundings::default()
    };
    let mut engine = Engine::open(&args.device, &args.machine, &surroundings)?;
    let mut random = Random(args.seed);
    let mut products = Vec::with_capacity(parts.len());
    for (name, part) in parts {
        products.push(product(&mut engine, name, part, m, &mut random)?);
    }
    let json = Json {
        model: args.model.display().to_string(),
        scheme: embedder.scheme().into(),
        device: systole::backend::Backend::name(&engine).into(),
        m,
        totals: Pair::total(&products),
        products,
        exact: true,
    };
    match args.json {
        true => print_json(&json),
        false => print(&json),
    }
}

fn product(
    engine: &mut Engine,
    name: String,
    part: &Part,
    m: usize,
    random: &mut Random,
) -> Result<Product> {
    let shape = engine.card().map(|card| *card.config()).unwrap_or_default();
    let weights = &part.weights;
    let (k, n) = (weights.k(), weights.n());
    let a = random.activations(m * k);
    let mut of = |weights: &Weights| -> Result<Run> {
        let job = MatMul {
            name: &name,
            m,
            k,
            n,
            a: &a,
            b: Rhs::Kept(weights),
            finish: Finish::Raw,
        };
        Ok(measure(engine, &job, NonZeroUsize::MIN)?.slowest)
    };
    let run = of(weights)?;
    let plain = Weights::new(k, n, weights.layout(), weights.values().to_vec());
    let dense = of(&plain)?;
    Ok(Product {
        k,
        n,
        weights: format_of(weights),
        place: run.report.place,
        pair: Pair::new(run.cost(&shape), dense.cost(&shape)),
        reason: run.report.reason,
        exact: true,
        name,
    })
}

/// The format of weights, for people.
fn format_of(weights: &Weights) -> String {
    let Some(encoding) = weights.encoding() else {
        return "int8".into();
    };
    let mut text = format!("int{}", encoding.bits);
    if encoding.group != 0 {
        text += &format!(" group {}", encoding.group);
    }
    if encoding.indices.is_some() {
        text += " 2:4";
    }
    if let Some(blocks) = &encoding.blocks {
        text += &format!(" blocks {}x{}", blocks.k, blocks.n);
    }
    text
}

fn print(json: &Json) -> Result<()> {
    let mut out = io::stdout().lock();
    let rows = if json.m == 1 { "row" } else { "rows" };
    writeln!(
        out,
        "{} ({}), {} {rows}, on {}\n",
        json.model, json.scheme, json.m, json.device
    )?;
    let mut table = Table::new(&[
        "product", "weights", ">cycles", ">dense", ">times", ">bytes", ">dense",
    ]);
    let mut row = |name: &str, weights: &str, pair: &Pair| {
        let names = [name, weights].map(String::from);
        table.row(names.into_iter().chain(pair.cells()).collect());
    };
    for product in &json.products {
        row(&product.name, &product.weights, &product.pair);
    }
    row("all", "", &json.totals);
    writeln!(out, "{table}")?;
    let reasons = json
        .products
        .iter()
        .map(|it| (report::place(it.place), &it.reason));
    for (place, reason) in reasons.collect::<BTreeSet<_>>() {
        writeln!(out, "ran on       {place} ({reason})")?;
    }
    writeln!(out, "exact        yes")?;
    Ok(())
}
