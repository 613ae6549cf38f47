//! `systole quantize`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use systole::embed::Embedder;
use systole::model::ModelError;
use systole::quant::COMPRESSION;
use systole::quant::scheme::{GRAMMAR, Plan};

use super::failure::{Failure, Result};
use super::table::{Table, grouped, percent};
use super::{model, print_json, progress};

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  systole quantize minilm --scheme w4g32-gptq -o w4.safetensors
  systole embed --model w4.safetensors \"A sentence.\"
  systole eval w4.safetensors --against minilm --text sentences.txt
  systole quantize minilm --scheme w8,2:4-sparsegpt@query,2:4-sparsegpt@key -o qk.safetensors
  systole quantize minilm --scheme mixed:accuracy=0.99 -o mixed.safetensors";

/// Write a model with its weights in fewer bits, or sparse.
///
/// The file holds all that `--model` of other commands needs: the tokenizer, the embeddings, and
/// weights with not a bit more than the scheme asks for. Every product with them gives the integers
/// of the product with the dense int8 weights that they mean, wherever it runs.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// The float model: a folder, or a name of `systole model list`.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// How weights are written: w8, w4g32-gptq, 2:4-sparsegpt, block=0.8, joined by `+`, or a plan
    /// (see --help).
    #[arg(long, value_name = "SCHEME", long_help = GRAMMAR)]
    scheme: String,
    /// Sentences of the kind that the model will read, one a line, by which codes and masks are
    /// chosen; without it, a few hundred that come with the program.
    #[arg(long, value_name = "FILE")]
    calibrate: Option<PathBuf>,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Print one object of JSON.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Json<'a> {
    out: &'a Path,
    scheme: &'a str,
    weight_bytes: u64,
    /// Bytes of the same weights in eight bits.
    w8_bytes: u64,
    file_bytes: u64,
    products: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    scheme: String,
    weights: usize,
    weight_bytes: u64,
}

/// Runs the command.
pub fn run(args: Args) -> Result<()> {
    let plan: Plan = args
        .scheme
        .parse()
        .map_err(|error| Failure::Usage(format!("{error}; `systole quantize --help` teaches")))?;
    let text = calibration(args.calibrate.as_deref())?;
    let mut embedder = open_floats(&args.model)?;
    let layers = embedder.model().config.layers;
    if let Some(rule) = plan.beyond(layers) {
        return Err(Failure::Usage(format!(
            "`{rule}` is for a layer that the model does not have: it has {layers}, counted from 0"
        )));
    }
    let bar = progress::bar(layers, "quantising");
    embedder.apply(&plan, &text, &mut |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    embedder.write(&args.out)?;
    report(&args, &embedder, &plan)
}

/// The text of `--calibrate`, or what comes with the program.
fn calibration(path: Option<&Path>) -> Result<String> {
    let Some(path) = path else {
        return Ok(COMPRESSION.into());
    };
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
    if text.trim().is_empty() {
        return Err(Failure::file(path, "it holds no sentence"));
    }
    Ok(text)
}

/// Opens a model that still has its float weights.
pub fn open_floats(name: &Path) -> Result<Embedder> {
    let folder = model::folder(name)?;
    if folder.is_file() {
        let text = "it is no folder of a float model; what is quantised already has no floats left";
        return Err(Failure::file(&folder, text));
    }
    model::load(name)
}

fn report(args: &Args, embedder: &Embedder, plan: &Plan) -> Result<()> {
    let mut rows = Vec::new();
    for (index, layer) in embedder.quantised().layers.iter().enumerate() {
        let linears = systole::quant::Kind::ALL.map(|kind| layer.linear(kind));
        for part in linears.iter().flat_map(|linear| &linear.parts) {
            let scheme = plan.scheme(index, part.node.finest());
            rows.push(Row {
                name: part.node.of_layer(index),
                scheme: scheme.to_string(),
                weights: part.weights.values().len(),
                weight_bytes: part.weight_bytes(),
            });
        }
    }
    let io = |source| ModelError::Io {
        path: args.out.clone(),
        source,
    };
    let json = Json {
        out: &args.out,
        scheme: embedder.scheme(),
        weight_bytes: embedder.quantised().weight_bytes(),
        w8_bytes: rows.iter().map(|row| row.weights as u64).sum(),
        file_bytes: std::fs::metadata(&args.out).map_err(io)?.len(),
        products: rows,
    };
    if args.json {
        return print_json(&json);
    }
    let mut table = Table::new(&["product", "scheme", ">weights", ">bytes"]);
    for row in &json.products {
        table.row(vec![
            row.name.clone(),
            row.scheme.clone(),
            grouped(row.weights as u64),
            grouped(row.weight_bytes),
        ]);
    }
    let mut out = io::stdout().lock();
    write!(out, "{table}")?;
    writeln!(
        out,
        "\n{}: {} bytes of weights, {} of those of w8; {} bytes in all, embeddings in floats",
        args.out.display(),
        grouped(json.weight_bytes),
        percent(json.weight_bytes as f64 / json.w8_bytes as f64),
        grouped(json.file_bytes),
    )?;
    Ok(())
}
