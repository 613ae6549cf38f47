//! `systole bench model`.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::Serialize;
use systole::backend::Place;
use systole::matmul::{Finish, MatMul, Rhs, Weights};
use systole::quant::{Kind, Part};

use super::measure::{Run, measure, slowest};
use crate::cli::card::{Engine, Surroundings};
use crate::cli::device::{DEVICES, Device, MachineArgs};
use crate::cli::failure::{Failure, Result};
use crate::cli::random::Random;
use crate::cli::table::{Table, grouped, known};
use crate::cli::{model, print_json};

/// The products of a model.
#[derive(clap::Args)]
pub struct Args {
    /// The model: a folder, a file that `systole quantize` wrote, or a name of `systole model list`.
    #[arg(long, value_name = "PATH", default_value = "minilm")]
    model: PathBuf,
    /// Rows of activations: the tokens that are multiplied at once.
    #[arg(long, value_name = "ROWS", default_value = "128")]
    m: NonZeroUsize,
    /// Only products whose names hold this, such as `ffn` or `layer.0.`.
    #[arg(long, value_name = "NAME", default_value = "")]
    node: String,
    /// Where the products run: auto, cpu, sim, sim-pcie, model, model-pcie, vfio:ADDRESS or vfio-user:PATH.
    #[arg(long, value_name = "WHERE", default_value_t = Device::Sim, long_help = DEVICES)]
    device: Device,
    #[command(flatten)]
    machine: MachineArgs,
    /// Cycles that the host's memory takes to answer a simulated card.
    #[arg(long, value_name = "CYCLES")]
    latency: Option<u32>,
    /// Bytes a cycle that the host's memory moves (with --device sim).
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
    cycles: Option<u64>,
    weight_bytes: Option<u64>,
    dense_cycles: Option<u64>,
    dense_weight_bytes: Option<u64>,
    speedup_vs_dense: Option<f64>,
    seconds: f64,
    dense_seconds: f64,
    exact: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<()> {
    let embedder = model::load(&args.model)?;
    let surroundings = Surroundings {
        latency: args.latency,
        bandwidth: args.bandwidth,
        ..Surroundings::default()
    };
    let mut engine = Engine::open(&args.device, &args.machine, &surroundings)?;
    let mut random = Random(args.seed);
    let mut products = Vec::new();
    for (index, layer) in embedder.quantised().layers.iter().enumerate() {
        for part in Kind::ALL.iter().flat_map(|kind| &layer.linear(*kind).parts) {
            let name = part.node.of_layer(index);
            if name.contains(&args.node) {
                products.push(product(&mut engine, name, part, args.m.get(), &mut random)?);
            }
        }
    }
    if products.is_empty() {
        return Err(Failure::Input(format!(
            "no product of the model has a name with `{}` in it; `--node` takes a part of a name such \
             as layer.0.ffn.in",
            args.node
        )));
    }
    let json = Json {
        model: args.model.display().to_string(),
        scheme: embedder.scheme().into(),
        device: systole::backend::Backend::name(&engine).into(),
        m: args.m.get(),
        exact: products.iter().all(|product| product.exact),
        products,
    };
    let printed = match args.json {
        true => print_json(&json),
        false => print(&json),
    };
    // A wrong result stays wrong where a reader leaves early.
    if !json.exact {
        let text = "a result differs from the definition of the product";
        return Err(Failure::Failed(text.into()));
    }
    printed
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
    let a = random.values(m * k);
    let once = NonZeroUsize::MIN;
    let mut of = |weights: &Weights| -> Result<(Run, bool)> {
        let job = MatMul {
            name: &name,
            m,
            k,
            n,
            a: &a,
            b: Rhs::Kept(weights),
            finish: Finish::Raw,
        };
        let measured = measure(engine, &job, once)?;
        let Some(run) = slowest(measured.runs) else {
            unreachable!("there is one run")
        };
        Ok((run, measured.exact))
    };
    let (run, exact) = of(weights)?;
    let plain = Weights::new(k, n, weights.layout(), weights.values().to_vec());
    let (dense, dense_exact) = of(&plain)?;
    let speedup_vs_dense = match (dense.report.cycles, run.report.cycles) {
        (Some(dense), Some(cycles)) => Some(dense as f64 / cycles as f64),
        (None, None) => Some(dense.report.micros / run.report.micros),
        _ => None,
    };
    Ok(Product {
        k,
        n,
        weights: format_of(weights),
        place: run.report.place,
        cycles: run.report.cycles,
        weight_bytes: run.weight_bytes(&shape),
        dense_cycles: dense.report.cycles,
        dense_weight_bytes: dense.weight_bytes(&shape),
        speedup_vs_dense,
        seconds: run.report.micros / 1e6,
        dense_seconds: dense.report.micros / 1e6,
        exact: exact && dense_exact,
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
    writeln!(
        out,
        "{} ({}), {} rows, on {}\n",
        json.model, json.scheme, json.m, json.device
    )?;
    let mut table = Table::new(&[
        "product", "weights", ">cycles", ">dense", ">times", ">bytes", ">dense",
    ]);
    for product in &json.products {
        let times = |times: f64| format!("{times:.3}");
        table.row(vec![
            product.name.clone(),
            product.weights.clone(),
            known(product.cycles, grouped),
            known(product.dense_cycles, grouped),
            known(product.speedup_vs_dense, times),
            known(product.weight_bytes, grouped),
            known(product.dense_weight_bytes, grouped),
        ]);
    }
    write!(out, "{table}")?;
    writeln!(
        out,
        "\nexact        {}",
        if json.exact { "yes" } else { "NO" }
    )?;
    Ok(())
}
