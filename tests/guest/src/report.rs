//! Reports to the host: one line of JSON each, on a serial line of their own, on which the kernel
//! says nothing.

use std::fs::File;
use std::io::Write;

use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// The serial line of the reports; the first one is the console.
const LINE: &str = "/dev/ttyS1";

/// The way to the host.
pub struct Report(File);

impl Report {
    /// Opens the serial line.
    pub fn open() -> Result<Self> {
        let file = File::options().write(true).open(LINE);
        Ok(Self(file.with_context(|| format!("cannot open {LINE}"))?))
    }

    /// Sends one line.
    pub fn line(&mut self, value: &Value) -> Result<()> {
        writeln!(self.0, "{value}").with_context(|| format!("cannot write to {LINE}"))
    }

    /// Runs a check and sends how it ended: what it found, or why it failed.
    pub fn check(&mut self, name: &str, check: impl FnOnce() -> Result<Value>) -> Result<()> {
        let start = Instant::now();
        let result = check();
        let seconds = start.elapsed().as_secs_f64();
        self.line(&match result {
            Ok(found) => json!({"check": name, "seconds": seconds, "found": found}),
            Err(error) => {
                json!({"check": name, "seconds": seconds, "error": format!("{error:#}")})
            }
        })
    }
}
