//! `systole quantize`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use indicatif::ProgressBar;
use serde::Serialize;
use systole::embed::Embedder;
use systole::model::TooLong;
use systole::quant::COMPRESSION;
use systole::quant::mixed::sensitivity::Item;
use systole::quant::mixed::{Found, Step};
use systole::quant::scheme::{GRAMMAR, Goal, NEEDS, Plan, Scheme, SchemeError};

use super::failure::{Failure, Result};
use super::lines::Lines;
use super::table::{Table, grouped, percent};
use super::{model, output, print_json, progress, say};

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  systole quantize minilm --scheme w4g32-gptq -o w4.safetensors
  systole embed --model w4.safetensors \"A sentence.\"
  systole eval w4.safetensors --against minilm --text sentences.txt
  systole quantize minilm --scheme w4g32-gptq,2:4-wanda@query -o q.safetensors
  systole quantize minilm --scheme mixed:accuracy=0.99 -o mixed.safetensors";

/// What a mixed plan is made of unless something else is asked for.
const CANDIDATES: &str = "w8,w6-gptq,w5-gptq,w5g128-gptq,w4g32-gptq,w4g128-gptq,w3g32-gptq,\
                          2:4-sparsegpt,w4g32-gptq+2:4";

/// What `--help` says below the options.
fn teaching() -> String {
    // The list is one word, which nothing would cut.
    let candidates = CANDIDATES.replace("w4g128", "\n    w4g128");
    format!("{GRAMMAR}\n  Candidates unless --candidates is given:\n    {candidates}\n\n{EXAMPLES}")
}

/// Write a model with its weights in fewer bits, or sparse.
///
/// The file holds all that `--model` of other commands needs: the tokenizer, the embeddings, and
/// weights with not a bit more than the scheme asks for. Every product with them gives the integers
/// of the product with the dense int8 weights that they mean, wherever it runs.
#[derive(clap::Args)]
#[command(after_long_help = teaching())]
pub struct Args {
    /// The float model: a folder, or a name of `systole model list`.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// How weights are written: w8, w4g32-gptq, 2:4-sparsegpt, block=0.8, joined by `+`, or a plan
    /// (see below with --help).
    #[arg(long, value_name = "SCHEME")]
    scheme: String,
    /// Sentences of the kind that the model will read, one a line, by which codes and masks are
    /// chosen; without it, a few hundred that come with the program. Only schemes with gptq, wanda
    /// or sparsegpt and mixed plans look at them.
    #[arg(long, value_name = "FILE")]
    calibrate: Option<PathBuf>,
    /// Cut off what the model cannot read of a long sentence of `--calibrate`, instead of refusing it.
    #[arg(long, requires = "calibrate")]
    truncate: bool,
    /// Schemes that a mixed plan may give to a product, joined by `,`. Only for `--scheme mixed:...`.
    #[arg(long, value_name = "SCHEMES")]
    candidates: Option<String>,
    /// The file to write.
    #[arg(short, long, value_name = "FILE", long_help = output::help("The file to write."))]
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
    /// Of a plan that was searched for: its mean cosine on sentences held back.
    #[serde(skip_serializing_if = "Option::is_none")]
    cosine: Option<f64>,
    /// Of such a plan: what each product loses alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    sensitivity: Option<Vec<Sensitivity>>,
}

/// What a product loses under each candidate, all others in eight bits.
#[derive(Serialize)]
struct Sensitivity {
    name: String,
    chosen: String,
    /// By how much the mean cosine falls.
    losses: BTreeMap<String, f64>,
}

fn sensitivity(found: &Found, candidates: &[Scheme]) -> Vec<Sensitivity> {
    let items = found.items.iter().zip(&found.choices);
    let row = |(item, choice): (&Item, &usize)| Sensitivity {
        name: item.node.of_layer(item.layer),
        chosen: candidates[*choice].to_string(),
        losses: candidates
            .iter()
            .map(Scheme::to_string)
            .zip(item.losses.iter().copied())
            .collect(),
    };
    items.map(row).collect()
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
    let wanted: Wanted = args.scheme.parse().map_err(usage)?;
    let candidates = wanted.candidates(args.candidates.as_deref())?;
    output::check(&args.out)?;
    let lines = args.calibrate.as_deref();
    let lines = lines.map(|path| Lines::read(path, "--calibrate"));
    let lines = lines.transpose()?;
    let mut embedder = open_floats(&args.model)?;
    let text = match lines {
        Some(lines) => {
            let too_long = match args.truncate {
                true => TooLong::Truncate,
                false => TooLong::Refuse,
            };
            lines.check(embedder.model(), too_long)?;
            lines.into_text()
        }
        None => COMPRESSION.into(),
    };
    let layers = embedder.model().config.layers;
    let (plan, found) = match wanted {
        Wanted::Plan(plan) => (plan, None),
        Wanted::Goal(goal) => {
            let bar = progress::bar(0, "calibrating");
            let found = embedder.search(goal, &candidates, &text, &mut |step| show(&bar, step))?;
            bar.finish_and_clear();
            (found.plan.clone(), Some(found))
        }
    };
    if let Some(rule) = plan.beyond(layers) {
        return Err(Failure::Usage(format!(
            "`{rule}` is for a layer that the model does not have: it has {layers}, counted from 0"
        )));
    }
    let bar = progress::bar(layers, "compressing layers");
    embedder.apply(&plan, &text, &mut |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    if found.is_none() {
        remark(&plan, args.calibrate.is_some());
    }
    let file_bytes = embedder.write(&args.out)?;
    report(
        &args,
        &embedder,
        &plan,
        &candidates,
        found.as_ref(),
        file_bytes,
    )
}

fn usage(error: impl Display) -> Failure {
    Failure::Usage(format!("{error}; `systole quantize --help` teaches"))
}

/// Shows how far the search for a plan is.
fn show(bar: &ProgressBar, step: Step) {
    let (message, done, all) = match step {
        Step::Start => ("calibrating".into(), 0, 0),
        Step::Measured(done, all) => ("sensitivity: products".into(), done, all),
        Step::Tried(plan, done, all) => (format!("trying plan {plan}: layers"), done, all),
    };
    bar.set_message(message);
    bar.set_length(all as u64);
    bar.set_position(done as u64);
    if done == 0 {
        // A stage shows however soon it ends.
        bar.force_draw();
    }
}

/// Says what of the command line does nothing.
fn remark(plan: &Plan, calibrate: bool) {
    let schemes = || plan.rules.iter().map(|rule| rule.scheme);
    if calibrate && !schemes().any(|scheme| scheme.is_calibrated()) {
        say(format_args!(
            "warning: --calibrate changes nothing: in `{plan}` no scheme has gptq, wanda or \
             sparsegpt, which look at sentences"
        ));
    }
    for scheme in schemes() {
        if let Some(text) = gainless(&scheme) {
            say(format_args!("warning: {text}"));
        }
    }
}

/// What is to be said of zero blocks that cover no tile of the usual array.
fn gainless(scheme: &Scheme) -> Option<String> {
    let blocks = scheme.blocks?;
    let covers = |k, n| blocks.k.is_multiple_of(k) && blocks.n.is_multiple_of(n);
    let (k, n) = Scheme::block(scheme.sparse.is_some());
    // The smallest array has 4x4; 2:4 doubles the inputs that a tile covers.
    let whose = match covers(k / 4, n / 4) {
        _ if covers(k, n) => return None,
        true => "the usual 16x16 array",
        false => "any array",
    };
    Some(format!(
        "`{scheme}` saves no cycles on {whose}: a card leaves out whole tiles, and blocks of {}x{} \
         cover none; those of the 16x16 array are {k}x{n}",
        blocks.k, blocks.n
    ))
}

/// What `--scheme` asks for.
enum Wanted {
    Plan(Plan),
    Goal(Goal),
}

impl FromStr for Wanted {
    type Err = SchemeError;

    fn from_str(text: &str) -> std::result::Result<Self, SchemeError> {
        let text = text.trim();
        match text.strip_prefix("mixed") {
            Some(rest) => match rest.strip_prefix(':') {
                Some(goal) => goal.parse().map(Self::Goal),
                None => Err(SchemeError {
                    text: text.into(),
                    reason: format!("a mixed plan {NEEDS}, such as mixed:accuracy=0.99"),
                }),
            },
            None => text.parse().map(Self::Plan),
        }
    }
}

impl Wanted {
    /// What a plan that is searched for may be made of; `given` is `--candidates`.
    fn candidates(&self, given: Option<&str>) -> Result<Vec<Scheme>> {
        match (self, given) {
            (Self::Plan(_), None) => Ok(Vec::new()),
            (Self::Plan(_), Some(_)) => Err(Failure::Usage(
                "--candidates are for a plan that is searched for, with --scheme mixed:...".into(),
            )),
            (Self::Goal(_), _) => Scheme::list(given.unwrap_or(CANDIDATES))
                .map_err(|error| usage(format!("--candidates: {error}"))),
        }
    }
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

fn report(
    args: &Args,
    embedder: &Embedder,
    plan: &Plan,
    candidates: &[Scheme],
    found: Option<&Found>,
    file_bytes: u64,
) -> Result<()> {
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
    let json = Json {
        out: &args.out,
        scheme: embedder.scheme(),
        weight_bytes: embedder.quantised().weight_bytes(),
        w8_bytes: rows.iter().map(|row| row.weights as u64).sum(),
        file_bytes,
        cosine: found.map(|found| found.cosine),
        sensitivity: found.map(|found| sensitivity(found, candidates)),
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
    if let Some(found) = found {
        write!(out, "\n{}", sensitivity_table(found, candidates))?;
        let cosine = found.cosine;
        writeln!(
            out,
            "\nThe plan's mean cosine on sentences held back: {cosine:.5}"
        )?;
    }
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

/// Losses in units of 1e-5, a row a product, a column a candidate; the choice in brackets.
fn sensitivity_table(found: &Found, candidates: &[Scheme]) -> Table {
    let names: Vec<String> = candidates
        .iter()
        .map(|scheme| format!(">{scheme}"))
        .collect();
    let headings = std::iter::once("loss of cosine alone, 1e-5");
    let headings = headings.chain(names.iter().map(String::as_str));
    let mut table = Table::new(&headings.collect::<Vec<_>>());
    for (item, choice) in found.items.iter().zip(&found.choices) {
        let mut cells = vec![item.node.of_layer(item.layer)];
        cells.extend(item.losses.iter().enumerate().map(|(index, loss)| {
            let loss = loss * 1e5;
            match index == *choice {
                true => format!("[{loss:.1}]"),
                false => format!("{loss:.1}"),
            }
        }));
        table.row(cells);
    }
    table
}
