//! `systole eval`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use systole::backend::Backend;
use systole::eval::{Evaluation, Reference};
use systole::model::{Model, TooLong};

use super::card::{Engine, Surroundings};
use super::device::{DEVICES, Device, MachineArgs};
use super::failure::{Failure, Result};
use super::lines::Lines;
use super::plot::{self, Point, Scale};
use super::progress::{self, Watched};
use super::table::{Table, grouped, known, percent};
use super::{model, output, print_json};

/// Compare quantised models with the float model.
///
/// Prints for each model the mean and the smallest cosine of its embeddings to those of the float
/// model, the rank correlation (Spearman) of the similarities of all pairs of sentences, the bytes
/// of its weights, and the error of the token vectors after each layer over their length. The
/// sentences must not be those that the models were calibrated with.
#[derive(clap::Args)]
pub struct Args {
    /// Quantised models: files that `systole quantize` wrote; folders and names of `systole model
    /// list` are taken in eight bits.
    #[arg(value_name = "MODEL", required = true)]
    models: Vec<PathBuf>,
    /// The float model that they are compared with: a folder, or a name of `systole model list`.
    #[arg(long, value_name = "FLOAT_MODEL")]
    against: PathBuf,
    /// Sentences, one a line; empty lines do not count.
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// Cut off what the model cannot read of a long sentence, instead of refusing it.
    #[arg(long)]
    truncate: bool,
    /// Where products run.
    #[arg(long, value_name = "WHERE", default_value_t = Device::Cpu, long_help = DEVICES)]
    device: Device,
    #[command(flatten)]
    machine: MachineArgs,
    /// Draw bytes of weights against mean cosine, a point a model, into this SVG file, with a legend.
    #[arg(
        long,
        value_name = "FILE",
        long_help = output::help(
            "Draw bytes of weights against mean cosine, a point a model, into this SVG file, with a \
             legend."
        )
    )]
    plot: Option<PathBuf>,
    /// Print one object of JSON.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Json<'a> {
    against: &'a Path,
    device: String,
    models: &'a [Row],
}

/// One model.
#[derive(Serialize)]
pub struct Row {
    /// Its name as it was given.
    pub model: String,
    /// Its scheme.
    pub scheme: String,
    /// Bytes of its weights.
    pub weight_bytes: u64,
    /// Those over eight bits.
    pub part_of_w8: f64,
    /// What was measured.
    #[serde(flatten)]
    pub evaluation: Evaluation,
}

/// Runs the command.
pub fn run(args: Args) -> Result<()> {
    let lines = Lines::read(&args.text, "--text")?;
    let sentences = lines.sentences();
    if let Some(path) = &args.plot {
        output::check(path)?;
    }
    let too_long = match args.truncate {
        true => TooLong::Truncate,
        false => TooLong::Refuse,
    };
    let floats = model::folder(&args.against)?;
    if floats.is_file() {
        let text = "it is no folder of a float model, which --against needs";
        return Err(Failure::file(&floats, text));
    }
    let spinner = progress::spinner("running the float model");
    let floats = Model::open(&floats)?;
    lines.check(&floats, too_long)?;
    let reference = Reference::of(&floats, &sentences, too_long)?;
    spinner.finish_and_clear();
    let mut engine = Engine::open(&args.device, &args.machine, &Surroundings::default())?;
    let mut rows = Vec::with_capacity(args.models.len());
    for name in &args.models {
        let embedder = model::load(name)?;
        let bar = progress::bar(args.models.len(), "running models");
        bar.set_position(rows.len() as u64);
        let mut watched = Watched {
            inner: &mut engine,
            bar: bar.clone(),
        };
        let evaluation = reference.compare(&embedder, &sentences, too_long, &mut watched)?;
        bar.finish_and_clear();
        let weight_bytes = embedder.quantised().weight_bytes();
        rows.push(Row {
            model: name.display().to_string(),
            scheme: embedder.scheme().into(),
            weight_bytes,
            part_of_w8: weight_bytes as f64 / embedder.quantised().weights() as f64,
            evaluation,
        });
    }
    if let Some(path) = &args.plot {
        write_plot(path, &rows)?;
    }
    if args.json {
        return print_json(&Json {
            against: &args.against,
            device: engine.name().into(),
            models: &rows,
        });
    }
    print(&rows)
}

fn write_plot(path: &Path, rows: &[Row]) -> Result<()> {
    let point = |row: &Row| Point {
        name: format!(
            "{}: {} bytes, cosine {:.5}",
            row.model,
            grouped(row.weight_bytes),
            row.evaluation.cosine_mean
        ),
        detail: row.scheme.clone(),
        x: row.weight_bytes as f64 / 1e6,
        y: row.evaluation.cosine_mean,
    };
    let points: Vec<Point> = rows.iter().map(point).collect();
    let axes = [
        Scale {
            name: "weights, megabytes",
            bounds: [0.0, f64::INFINITY],
        },
        Scale {
            name: "mean cosine to the float model",
            bounds: [-1.0, 1.0],
        },
    ];
    let drawn = plot::svg(axes, &points);
    Ok(systole::output::write(path, |file| {
        file.write_all(drawn.as_bytes())
    })?)
}

fn print(rows: &[Row]) -> Result<()> {
    let layers = rows.iter().map(|row| row.evaluation.layer_errors.len());
    let layers = layers.max().unwrap_or(0);
    let mut table = Table::new(&[
        "model",
        "scheme",
        ">weight bytes",
        ">of w8",
        ">cosine mean",
        ">min",
        ">Spearman",
    ]);
    let names: Vec<String> = (0..layers).map(|layer| format!(">{layer}")).collect();
    let headings = std::iter::once("error after layer").chain(names.iter().map(String::as_str));
    let mut errors = Table::new(&headings.collect::<Vec<_>>());
    for row in rows {
        let found = &row.evaluation;
        table.row(vec![
            row.model.clone(),
            short(&row.scheme),
            grouped(row.weight_bytes),
            percent(row.part_of_w8),
            format!("{:.5}", found.cosine_mean),
            format!("{:.5}", found.cosine_min),
            known(found.spearman, |value| format!("{value:.5}")),
        ]);
        let mut cells = vec![row.model.clone()];
        cells.extend(found.layer_errors.iter().map(|error| percent(*error)));
        errors.row(cells);
    }
    let mut out = io::stdout().lock();
    write!(out, "{table}\n{errors}")?;
    Ok(out.flush()?)
}

/// The beginning of a scheme, which for a plan may be long.
fn short(scheme: &str) -> String {
    const MOST: usize = 40;
    match scheme.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &scheme[..end]),
        None => scheme.into(),
    }
}
