//! `systole embed`, and what it shares with `systole similarity`.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::Instant;

use serde::Serialize;
use systole::backend::{Backend, NodeReport};
use systole::device::Programs;
use systole::embed::{EmbedOptions, Embeddings};
use systole::model::TooLong;
use systole::transport::serial::Traffic;

use super::card::{Engine, Surroundings};
use super::device::DeviceArgs;
use super::failure::Result;
use super::progress::{self, Watched};
use super::report::{self, Explain, Totals};
use super::{model, print_json, texts};

/// Turn texts into vectors.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    work: WorkArgs,
    /// Print one object of JSON.
    #[arg(long)]
    json: bool,
    /// Texts; without any, the lines of standard input.
    #[arg(value_name = "TEXT")]
    texts: Vec<String>,
}

/// How texts are embedded.
#[derive(clap::Args)]
pub struct WorkArgs {
    #[command(flatten)]
    device: DeviceArgs,
    /// The model: a folder, a file that `systole quantize` wrote, or a name of `systole model list`.
    #[arg(long, value_name = "PATH", default_value = "minilm")]
    model: PathBuf,
    /// Cut off what the model cannot read of a long text, instead of refusing it.
    #[arg(long)]
    truncate: bool,
    /// Show where each node ran and why, cycles, utilisation and the card's counters.
    #[arg(
        long,
        value_name = "HOW",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "brief"
    )]
    pub explain: Option<Explain>,
}

/// Vectors of texts, and the engine that made them.
pub struct Work {
    /// Where the products ran.
    pub engine: Engine,
    /// What came out.
    pub embeddings: Embeddings,
    seconds: f64,
}

impl WorkArgs {
    /// Embeds `texts`; with `digests`, hashes what every node gave.
    pub fn embed(&self, texts: &[String], digests: bool) -> Result<Work> {
        let mut embedder = model::load(&self.model)?;
        let options = EmbedOptions {
            too_long: if self.truncate {
                TooLong::Truncate
            } else {
                TooLong::Refuse
            },
            digests,
        };
        // Texts are checked before a card is opened, which may take long.
        embedder.model().tokenize(texts, options.too_long)?;
        let mut engine = Engine::open(
            &self.device.device,
            &self.device.machine,
            &Surroundings::default(),
        )?;
        let bar = progress::bar(texts.len(), "embedding");
        let mut watched = Watched {
            inner: &mut engine,
            bar: bar.clone(),
        };
        let start = Instant::now();
        let embeddings = embedder.embed_watched(texts, options, &mut watched, &mut |done| {
            bar.set_position(done as u64)
        })?;
        let seconds = start.elapsed().as_secs_f64();
        bar.finish_and_clear();
        report::warn_of_moves(&engine, &embeddings.nodes);
        Ok(Work {
            engine,
            embeddings,
            seconds,
        })
    }
}

/// What `--json` prints about the work, whatever it was done for.
#[derive(Serialize)]
pub struct Account<'a> {
    device: String,
    #[serde(flatten)]
    totals: Totals,
    nodes: Vec<Node<'a>>,
    counters: Option<BTreeMap<&'static str, u64>>,
    /// What went to the card; the same on every way to a card of this shape.
    programs: Option<Programs>,
    sim_cycles_per_second: Option<f64>,
    /// What went over the line to the card.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<Traffic>,
    /// Times that the card failed.
    faults: u64,
    seconds: f64,
    tokens: &'a [usize],
}

#[derive(Serialize)]
struct Node<'a> {
    #[serde(flatten)]
    report: &'a NodeReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a str>,
}

impl Work {
    /// The account for JSON.
    pub fn account(&mut self) -> Account<'_> {
        let digests = self.embeddings.digests.as_ref();
        let node = |report| Node {
            report,
            digest: digests
                .and_then(|digests| digests.get(&report.name))
                .map(String::as_str),
        };
        Account {
            device: self.engine.name().into(),
            totals: Totals::of(&self.embeddings.nodes),
            nodes: self.embeddings.nodes.iter().map(node).collect(),
            counters: report::by_name(self.engine.counters()),
            programs: self.engine.programs(),
            sim_cycles_per_second: self.engine.speed(),
            line: self.engine.traffic(),
            faults: self.engine.card().map_or(0, |card| card.faults()),
            seconds: self.seconds,
            tokens: &self.embeddings.tokens,
        }
    }

    /// Writes what `--explain` asks for.
    pub fn explain(&mut self, out: &mut impl Write, how: Option<Explain>) -> Result<()> {
        match how {
            Some(how) => report::explain(out, how, &self.embeddings.nodes, &mut self.engine),
            None => Ok(()),
        }
    }
}

/// What `systole embed --json` prints.
#[derive(Serialize)]
struct Json<'a> {
    embeddings: &'a [Vec<f32>],
    #[serde(flatten)]
    account: Account<'a>,
}

/// Runs the command.
pub fn run(args: Args) -> Result<()> {
    let texts = texts::read(args.texts)?;
    let mut work = args.work.embed(&texts, args.json)?;
    if args.json {
        let vectors = std::mem::take(&mut work.embeddings.vectors);
        return print_json(&Json {
            embeddings: &vectors,
            account: work.account(),
        });
    }
    let mut out = BufWriter::new(io::stdout().lock());
    for (text, vector) in texts.iter().zip(&work.embeddings.vectors) {
        let first: Vec<String> = vector
            .iter()
            .take(4)
            .map(|value| format!("{value:+.6}"))
            .collect();
        let (first, size) = (first.join(" "), vector.len());
        writeln!(out, "[{first} ... {size} values]  {}", texts::short(text))?;
    }
    work.explain(&mut out, args.work.explain)?;
    Ok(out.flush()?)
}
