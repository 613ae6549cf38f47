//! Runs the emitter of `systole-hdl`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::array::ArraySize;
use crate::cocotb::{REST_TIMEOUT, Shape};
use crate::run::{announced, cargo};

/// Writes the Verilog of the whole card into `out`.
pub fn card(size: ArraySize, out: &Path) -> Result<()> {
    emitter(&["--config", &size.to_string()], out)
}

/// Writes the Verilog of one block into `out`, as `BLOCK.v` with the top module `BLOCK`.
pub fn block(name: &str, size: ArraySize, out: &Path) -> Result<()> {
    emitter(&["--block", name, "--config", &size.to_string()], out)
}

/// Writes the Verilog of the PCI Express endpoint into `out`, with tags that rest for a time that
/// tests can wait for.
pub fn endpoint(shape: Shape, out: &Path) -> Result<()> {
    let (words, bytes) = (shape.words.to_string(), shape.port_bytes.to_string());
    let block = ["--block", "endpoint"];
    let sizes = ["--words", &words, "--port-bytes", &bytes];
    let rest_timeout = REST_TIMEOUT.to_string();
    let rest = ["--rest-timeout", &rest_timeout];
    emitter(&[&block[..], &sizes[..], &rest[..]].concat(), out)
}

fn emitter(args: &[&str], out: &Path) -> Result<()> {
    let out = std::path::absolute(out)
        .with_context(|| format!("cannot resolve the folder {}", out.display()))?;
    let mut command: Command = cargo(&[
        "run",
        "--quiet",
        "--release",
        "--package=systole-hdl",
        "--bin=emit",
        "--",
    ]);
    announced(command.args(args).arg("--out").arg(out))
}
