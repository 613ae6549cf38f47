//! Writes the Verilog of the blocks that `cargo xtask prove` proves things of, one file a block, in
//! configurations small enough to be proved.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use hdl::emit::emit;
use hdl::front::{Check, Queues, Tokens};
use hdl::mem::{Fifo, LineFifo, LineQueue, LineSlice, ShownFifo};
use hdl::pcie::{LocalPort, Split, Transmit, WordQueue};
use hdl::sdram::{Part, Sdram, Timing};
use isa::config::Config;
use rust_hdl_core::prelude::{Bits, Block};

/// Writes Verilog: DIR/NAME.v for each block.
#[derive(Debug, Parser)]
#[command(name = "emit-proved")]
struct Arguments {
    /// Folder for the files; it is made if it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

fn write(out: &Path, name: &str, block: &impl Block) -> Result<(), String> {
    let emitted = emit(block, name).map_err(|error| error.to_string())?;
    let path = out.join(format!("{name}.v"));
    fs::write(&path, emitted.verilog())
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn run(out: &Path) -> Result<(), String> {
    fs::create_dir_all(out).map_err(|error| format!("cannot make {}: {error}", out.display()))?;
    let timing = Timing::new(&Part::ANY, 100, 2).map_err(|error| error.to_string())?;
    write(out, "fifo", &Fifo::<Bits<4>>::new(4))?;
    write(out, "line_fifo", &LineFifo::new(4, 1))?;
    write(out, "line_queue", &LineQueue::new(4, 1))?;
    write(out, "shown_fifo", &ShownFifo::<Bits<4>>::new(4))?;
    write(out, "line_slice", &LineSlice::new(1))?;
    write(out, "word_queue", &WordQueue::new(2, 4, 2))?;
    write(out, "transmit", &Transmit::new(1))?;
    write(out, "tokens", &Tokens::default())?;
    write(out, "queues", &Queues::new(3, 32))?;
    write(out, "check", &Check::new(&Config::with_array(4, 4)))?;
    write(out, "local_port", &LocalPort::new(4))?;
    write(out, "split", &Split::new(4))?;
    write(out, "sdram", &Sdram::new(&timing))
}

fn main() -> ExitCode {
    match run(&Arguments::parse().out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("emit-proved: {message}");
            ExitCode::FAILURE
        }
    }
}
