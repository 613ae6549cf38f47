//! The program `systole-card`: a simulated card for drivers and virtual machines.

mod failure;
mod serve;
mod shape;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::{ArgAction, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use failure::{EXIT_CODES, Result};

/// A simulated Systole card behind a UNIX socket, for drivers and virtual machines that speak
/// vfio-user, or at the end of a serial line.
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
    /// Show a card to one client after the other, until the program is interrupted.
    Serve(serve::Args),
}

fn main() -> ExitCode {
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
            Self::Serve(args) => serve::run(&args),
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
