//! Commands of the program. Each stands in a file of its own; what they share is beside them.

mod auto;
mod bench;
mod card;
mod device;
mod doctor;
mod embed;
mod eval;
mod failure;
mod gemm;
mod info;
mod lines;
mod model;
mod npy;
mod number;
mod output;
mod pci;
mod plot;
mod progress;
mod quantize;
mod random;
mod report;
mod similarity;
mod slot;
mod table;
mod texts;
mod weights;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{ArgAction, Parser, Subcommand};
use serde::Serialize;
use tracing_subscriber::EnvFilter;

use failure::{EXIT_CODES, Result};

/// An open transformer accelerator: run a model on its simulated card or on the CPU, with the
/// same bits.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Say more on standard error; twice for details.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    /// Fetch and list models.
    #[command(subcommand)]
    Model(model::Command),
    /// Turn texts into vectors.
    Embed(embed::Args),
    /// Compare texts by their meaning (cosine of their vectors).
    Similarity(similarity::Args),
    /// Write a model with its weights in fewer bits, or sparse.
    Quantize(quantize::Args),
    /// Compare quantised models with the float model: accuracy, error by layer, bytes.
    Eval(eval::Args),
    /// Multiply two int8 matrices from NumPy files.
    Gemm(gemm::Args),
    /// Measure.
    #[command(subcommand)]
    Bench(bench::Command),
    /// Find cards in this machine and give them to programs.
    Device(pci::Args),
    /// Show the card, the CPU kernels, the versions and the caches.
    Info(info::Args),
    /// Check that everything is there, and say how to get what is not.
    Doctor(doctor::Args),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    log(cli.verbose);
    match cli.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

impl Command {
    fn run(self) -> Result<()> {
        match self {
            Self::Model(command) => command.run(),
            Self::Embed(args) => embed::run(args),
            Self::Similarity(args) => similarity::run(args),
            Self::Quantize(args) => quantize::run(args),
            Self::Eval(args) => eval::run(args),
            Self::Gemm(args) => gemm::run(args),
            Self::Bench(command) => command.run(),
            Self::Device(args) => pci::run(args),
            Self::Info(args) => info::run(args),
            Self::Doctor(args) => doctor::run(args),
        }
    }
}

/// Sends what the libraries say to standard error; `RUST_LOG` counts where `-v` is not given.
fn log(verbose: u8) {
    let filter = match verbose {
        0 => EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")),
        1 => EnvFilter::new("info"),
        2 => EnvFilter::new("debug"),
        _ => EnvFilter::new("trace"),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        // It would tell standard error that standard error cannot be written, and panic.
        .log_internal_errors(false)
        .init();
}

/// Says something on standard error. That nobody hears it is no reason to end.
fn say(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Writes one line of JSON.
fn print_json(value: &impl Serialize) -> Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    serde_json::to_writer(&mut out, value).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(out.flush()?)
}
