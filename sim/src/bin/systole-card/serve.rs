//! `systole-card serve`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::CommandFactory;
use clap::error::ErrorKind;
use isa::config::Config;
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use sim::serial::{self, Terminal};
use sim::server;

use super::failure::{Failure, Result};
use super::shape::CardArgs;

/// Text of `--help` on how to connect.
const EXAMPLES: &str = "\
Examples:
  systole-card serve --socket /tmp/card.sock
  systole-card serve --socket /tmp/card.sock --functional --config 8x8 --queues 1 --json
  systole-card serve --serial /tmp/card.tty --config 8x8
  systole-card serve --serial /tmp/card.tty --config 4x4 --board ulx3s-85f

For a virtual machine of QEMU, 10.1 or later, without the error interrupt, at which it would stop:
  systole-card serve --socket /tmp/card.sock --no-error-interrupt

and in QEMU, with memory that can be shared and more patience than its 5 seconds:
  -object memory-backend-memfd,id=m,size=1G,share=on
  -machine q35,kernel-irqchip=split,memory-backend=m
  -device intel-iommu,intremap=on,caching-mode=on
  -device '{\"driver\":\"vfio-user-pci\",\"x-msg-timeout\":60000,
            \"socket\":{\"type\":\"unix\",\"path\":\"/tmp/card.sock\"}}'

One client is served at a time; when it goes, however it goes, the card is reset and its memory
is out of the card's reach before the next one comes. When the card listens, one line is written
to standard output. SIGINT and SIGTERM end the program and remove the socket; a second one ends it
at once.

With --serial the card is at the end of a serial line instead, as one on a board without PCI
Express: PATH becomes a link to a pseudo-terminal, which is used as a port is
(`systole embed --device serial:/tmp/card.tty`). Without --functional it is the RTL, to which a byte
takes a cycle. With --board it is all of a board, simulated at the pins of its FPGA: the top that
the bitstream is made of, with PLL and pads, the SDRAM, and the serial port bit by bit at 3,000,000
bits a second. That takes 270 cycles a byte, so a real model would take hours; a product is for
minutes.";

/// Show a card to one client after the other, until the program is interrupted.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    way: Way,
    #[command(flatten)]
    card: CardArgs,
    /// Leave out the error interrupt, which tells of writes of the card that are lost. A virtual
    /// machine of QEMU stops for good when it comes.
    #[arg(long)]
    no_error_interrupt: bool,
    /// Cycles that the card runs before it looks for messages again, while it has work.
    #[arg(long, value_name = "N", default_value_t = server::Options::default().slice,
        value_parser = clap::value_parser!(u64).range(1..))]
    slice: u64,
    /// Say that the card listens as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// Where the card is found.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Way {
    /// Socket to listen on. A file of a server that is gone is taken over.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Link to make to a pseudo-terminal, at whose end the card is. One of a server that is gone is
    /// taken over.
    #[arg(long, value_name = "PATH",
        conflicts_with_all = ["no_error_interrupt", "slice", "latency", "link_bytes"])]
    serial: Option<PathBuf>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Ready<'a> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    socket: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<&'a Path>,
    pid: u32,
    card: &'static str,
    config: &'a Config,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<()> {
    let config = args.card.config().unwrap_or_else(|text| {
        let error = super::Cli::command().error(ErrorKind::ValueValidation, text);
        error.exit()
    });
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The second one finds the flag set by the first.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))?;
    }
    let said = |error| Failure::Failed(format!("cannot write to standard output: {error}"));
    match (&args.way.socket, &args.way.serial) {
        (Some(socket), _) => {
            let card = args.card.open(&config)?;
            let listener = server::listen(socket)?;
            let options = server::Options {
                slice: args.slice,
                error_interrupt: !args.no_error_interrupt,
            };
            tell(args, &config, socket).map_err(said)?;
            Ok(server::serve(&listener, card, &options, &stop)?)
        }
        (None, Some(path)) => {
            let mut card = args.card.open_serial(&config)?;
            let terminal = Terminal::at(path).map_err(|error| {
                let path = path.display();
                Failure::Socket(format!(
                    "no link to a pseudo-terminal can be made at {path}: {error}; take another \
                     path with --serial"
                ))
            })?;
            tell(args, &config, path).map_err(said)?;
            Ok(serial::serve(&terminal, &mut card, &stop)?)
        }
        (None, None) => Ok(()),
    }
}

/// Says that the card listens.
fn tell(args: &Args, config: &Config, path: &Path) -> io::Result<()> {
    let kind = args.card.kind();
    let mut out = io::stdout().lock();
    if args.json {
        let ready = Ready {
            event: "ready",
            socket: args.way.socket.as_deref(),
            serial: args.way.serial.as_deref(),
            pid: std::process::id(),
            card: kind,
            config,
        };
        serde_json::to_writer(&mut out, &ready)?;
        writeln!(out)?;
    } else {
        let Config {
            rows,
            cols,
            queues,
            card_memory_mib,
            ..
        } = config;
        let path = path.display();
        writeln!(
            out,
            "ready on {path}: {kind} card {rows}x{cols}, {queues} queue(s), {card_memory_mib} MiB"
        )?;
    }
    out.flush()
}
