//! Writes the Verilog of the top of a board.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use fpga::boards::{Board, TOP};
use fpga::tops::{TopConfig, emit_top};
use isa::config::Datapaths;

/// Writes the Verilog of the top of a board, all of it in one file.
#[derive(Debug, Parser)]
#[command(name = "top")]
struct Arguments {
    /// The board: ulx3s-85f, artix7-200t or acorn-cle215.
    #[arg(long)]
    board: Board,
    /// Rows of the array.
    #[arg(long)]
    rows: u32,
    /// Columns of the array.
    #[arg(long)]
    cols: u32,
    /// What the array can do beside dense int8.
    #[arg(long, value_name = "LIST")]
    datapaths: Datapaths,
    /// The clock, MHz; the PLL gives the fastest that is not above it.
    #[arg(long)]
    freq: f64,
    /// Folder for the file; it is made if it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let top = TopConfig {
        board: arguments.board,
        rows: arguments.rows,
        cols: arguments.cols,
        datapaths: arguments.datapaths,
        mhz: arguments.freq,
    };
    let text = emit_top(&top).map_err(|error| error.to_string())?;
    let pll = top.pll().map_err(|error| error.to_string())?;
    fs::create_dir_all(&arguments.out)
        .map_err(|error| format!("cannot make {}: {error}", arguments.out.display()))?;
    let path = arguments.out.join(format!("{TOP}.v"));
    fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    println!("{}", pll.mhz());
    Ok(())
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("top: {message}");
            ExitCode::FAILURE
        }
    }
}
