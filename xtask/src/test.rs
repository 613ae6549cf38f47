//! Every check of the workspace, with a table of results.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use isa::config::Datapaths;

use crate::array::ArraySize;
use crate::bitstream::{self, Arguments};
use crate::demo::MODEL;
use crate::equiv;
use crate::netlist::{self, Netlist};
use crate::prove;
use crate::run::{announced, cargo, systole};
use crate::setup;

/// The outcome of one check.
struct Outcome {
    name: &'static str,
    time: Duration,
    passed: bool,
}

/// What was checked so far.
#[derive(Default)]
struct Outcomes(Vec<Outcome>);

impl Outcomes {
    /// Runs a check; the others follow whatever comes of it.
    fn step(&mut self, name: &'static str, check: impl FnOnce() -> Result<()>) {
        let start = Instant::now();
        let result = check();
        if let Err(error) = &result {
            eprintln!("error: {error:#}");
        }
        self.0.push(Outcome {
            name,
            time: start.elapsed(),
            passed: result.is_ok(),
        });
    }

    /// Prints the table; an error when a check failed.
    fn report(&self) -> Result<()> {
        println!();
        for outcome in &self.0 {
            let verdict = if outcome.passed { "ok" } else { "FAILED" };
            let seconds = outcome.time.as_secs_f64();
            println!("{:<9} {seconds:>8.1} s  {verdict}", outcome.name);
        }
        let passed = self.0.iter().filter(|outcome| outcome.passed).count();
        let failed = self.0.len() - passed;
        println!("{passed} passed, {failed} failed");
        if failed > 0 {
            bail!("the checks above that say FAILED");
        }
        Ok(())
    }
}

/// Runs the checks; `filter` leaves only the tests whose name contains it.
pub fn run(full: bool, filter: Option<&str>) -> Result<()> {
    let mut outcomes = Outcomes::default();
    outcomes.step("setup", || setup::install(&setup::BASE));
    outcomes.step("model", || {
        announced(&mut systole(&["model", "fetch", MODEL]))
    });
    if filter.is_none() {
        outcomes.step("format", || {
            announced(&mut cargo(&["fmt", "--all", "--check"]))
        });
        outcomes.step("clippy", || announced(&mut clippy()));
        outcomes.step("docs", || announced(&mut rustdoc()));
        let proofs = prove::Choice {
            quick: !full,
            mutants: full,
            ..prove::Choice::default()
        };
        outcomes.step("proofs", || prove::run(&proofs, false));
    }
    outcomes.step("tests", || announced(&mut tests(full, filter)));
    outcomes.report()
}

/// Takes a small card to a bitstream and compares it with what was recorded, and its netlist with
/// the RTL; with `full` that of a card with all datapaths, and by proof too.
pub fn fpga(full: bool) -> Result<()> {
    let size = ArraySize {
        rows: 4,
        columns: 4,
    };
    let mut outcomes = Outcomes::default();
    outcomes.step("bitstream", || bitstream::run(&Arguments::checked(size)));
    let datapaths = if full {
        Datapaths::ALL
    } else {
        Datapaths::DENSE_PACKED
    };
    let netlist = Netlist::card(size, datapaths, false);
    outcomes.step("netlist", || netlist::run(&netlist, false));
    if full {
        outcomes.step("equiv", || equiv::run(&equiv::Plan::of(size)));
    }
    outcomes.report()
}

// Both in the profile of the tests: what they need compiled is then compiled once.
fn clippy() -> Command {
    cargo(&[
        "clippy",
        "--release",
        "--workspace",
        "--all-targets",
        "--",
        "--deny=warnings",
    ])
}

fn rustdoc() -> Command {
    let mut command = cargo(&["doc", "--release", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    command
}

fn tests(full: bool, filter: Option<&str>) -> Command {
    let mut command = cargo(&["test", "--workspace", "--release", "--no-fail-fast"]);
    if full {
        command.env("SYSTOLE_FULL", "1");
    }
    if let Some(name) = filter {
        command.args(["--", name]);
    }
    command
}
