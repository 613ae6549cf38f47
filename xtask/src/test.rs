//! Every check of the workspace, with a table of results.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use isa::config::Datapaths;

use crate::array::ArraySize;
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

/// Runs the checks; `filter` leaves only the tests whose name contains it.
pub fn run(full: bool, filter: Option<&str>) -> Result<()> {
    let mut outcomes = Vec::new();
    let mut step = |name, check: &mut dyn FnMut() -> Result<()>| {
        let start = Instant::now();
        let result = check();
        if let Err(error) = &result {
            eprintln!("error: {error:#}");
        }
        outcomes.push(Outcome {
            name,
            time: start.elapsed(),
            passed: result.is_ok(),
        });
    };
    step("setup", &mut || setup::install(&setup::BASE));
    step("model", &mut || {
        announced(&mut systole(&["model", "fetch", MODEL]))
    });
    if filter.is_none() {
        step("format", &mut || {
            announced(&mut cargo(&["fmt", "--all", "--check"]))
        });
        step("clippy", &mut || announced(&mut clippy()));
        step("docs", &mut || announced(&mut rustdoc()));
        let proofs = prove::Choice {
            quick: !full,
            mutants: full,
            ..prove::Choice::default()
        };
        step("proofs", &mut || prove::run(&proofs, false));
    }
    step("tests", &mut || announced(&mut tests(full, filter)));
    if full && filter.is_none() {
        let size = ArraySize {
            rows: 4,
            columns: 4,
        };
        let netlist = Netlist::card(size, Datapaths::ALL, false);
        step("netlist", &mut || netlist::run(&netlist, false));
        step("equiv", &mut || equiv::run(&equiv::Plan::of(size)));
    }
    report(&outcomes)
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

/// Prints the table; an error when a check failed.
fn report(outcomes: &[Outcome]) -> Result<()> {
    println!();
    for outcome in outcomes {
        let verdict = if outcome.passed { "ok" } else { "FAILED" };
        let seconds = outcome.time.as_secs_f64();
        println!("{:<8} {seconds:>8.1} s  {verdict}", outcome.name);
    }
    let passed = outcomes.iter().filter(|o| o.passed).count();
    let failed = outcomes.len() - passed;
    println!("{passed} passed, {failed} failed");
    if failed > 0 {
        bail!("the checks above that say FAILED");
    }
    Ok(())
}
