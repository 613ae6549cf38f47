//! The ordinary program `systole` inside the guest.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Where the program and its cache stand in the first file system.
const PROGRAM: &str = "/bin/systole";
const CACHE: &str = "/cache";

/// Runs the program and gives what it prints; an error when it fails.
pub fn run(args: &[&str]) -> Result<String> {
    let output = Command::new(PROGRAM)
        .args(args)
        .env("SYSTOLE_CACHE", CACHE)
        .output()
        .with_context(|| format!("cannot start {PROGRAM}"))?;
    ensure!(
        output.status.success(),
        "`systole {}` failed with {}: {}",
        args.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8(output.stdout).context("the program prints no UTF-8")
}

/// Runs the program with `--json` and reads what it prints.
pub fn json(args: &[&str]) -> Result<Value> {
    let text = run(&[args, &["--json"]].concat())?;
    serde_json::from_str(&text).context("the program prints no JSON")
}
