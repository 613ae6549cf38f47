//! Runs the emitter of `systole-hdl`.

use std::io;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use fpga::boards::Board;
use isa::config::Datapaths;

use crate::array::ArraySize;
use crate::cocotb::{REST_TIMEOUT, Shape};
use crate::run::{announced, cargo};

/// Writes the Verilog of the whole card into `out`.
pub fn card(size: ArraySize, out: &Path) -> Result<()> {
    announced(&mut emitter(&["--config", &size.to_string()], out)?)
}

/// Writes the Verilog of one block with these datapaths into `out`, as `TOP.v` with the top module
/// `TOP`.
pub fn block(name: &str, size: ArraySize, datapaths: &Datapaths, out: &Path) -> Result<()> {
    let (size, datapaths) = (size.to_string(), datapaths.to_string());
    let shape = ["--config", &size, "--datapaths", &datapaths];
    let mut command = emitter(&[&["--block", name], &shape[..]].concat(), out)?;
    // What the caller prints is for others to read, so what the emitter tells goes beside it.
    announced(command.stdout(io::stderr()))
}

/// Writes the Verilog of the top of a board into `out`, as `TOP.v` with its
/// top module.
pub fn top(
    board: Board,
    size: ArraySize,
    datapaths: &Datapaths,
    mhz: f64,
    out: &Path,
) -> Result<()> {
    let (rows, cols) = (size.rows.to_string(), size.columns.to_string());
    let mut command = cargo(&[
        "run",
        "--quiet",
        "--release",
        "--package=systole-fpga",
        "--bin=top",
        "--",
        "--board",
        board.name(),
        "--rows",
        &rows,
        "--cols",
        &cols,
        "--datapaths",
        &datapaths.to_string(),
        "--freq",
        &mhz.to_string(),
        "--out",
    ]);
    announced(command.arg(out).stdout(io::stderr()))
}

/// Writes the Verilog of the PCI Express endpoint into `out`, with tags that rest for a time that
/// tests can wait for.
pub fn endpoint(shape: Shape, out: &Path) -> Result<()> {
    let (words, bytes) = (shape.words.to_string(), shape.port_bytes.to_string());
    let block = ["--block", "endpoint"];
    let sizes = ["--words", &words, "--port-bytes", &bytes];
    let rest_timeout = REST_TIMEOUT.to_string();
    let rest = ["--rest-timeout", &rest_timeout];
    announced(&mut emitter(
        &[&block[..], &sizes[..], &rest[..]].concat(),
        out,
    )?)
}

/// Writes the Verilog of the blocks that are proved into `out`, as `NAME.v`.
pub fn proved(out: &Path) -> Result<()> {
    let mut command = program("emit-proved", &[], out)?;
    announced(command.stdout(io::stderr()))
}

/// The command that runs the emitter.
fn emitter(args: &[&str], out: &Path) -> Result<Command> {
    program("emit", args, out)
}

/// The command that runs a program of `systole-hdl` which writes into a folder.
fn program(name: &str, args: &[&str], out: &Path) -> Result<Command> {
    let out = std::path::absolute(out)
        .with_context(|| format!("cannot resolve the folder {}", out.display()))?;
    let mut command = cargo(&[
        "run",
        "--quiet",
        "--release",
        "--package=systole-hdl",
        "--bin",
        name,
        "--",
    ]);
    command.args(args).arg("--out").arg(out);
    Ok(command)
}
