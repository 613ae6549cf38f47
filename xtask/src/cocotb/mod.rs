//! The PCI Express endpoint against a root complex that others wrote: cocotbext-pcie around the
//! emitted Verilog, in the pinned Verilator.

mod python;
mod results;
mod simulator;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use isa::config::Config;
use isa::pci;

use crate::run::{root, target_dir};
use crate::{emit, setup};
use python::Python;
use results::Case;

/// The modules of `tests/cocotb` that hold tests, in the order in which they run.
const MODULES: [&str; 6] = [
    "test_registers",
    "test_dma",
    "test_interrupts",
    "test_requests",
    "test_faults",
    "test_resets",
];

/// Tags of the endpoint rest for twice this at least. Short, because tests wait for that.
pub const REST_TIMEOUT: u32 = 4000;

/// Lines at the end of the simulator's output that are shown when it failed.
const SHOWN: usize = 80;

/// The sizes of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Doublewords that the streams carry in a cycle.
    pub words: u32,
    /// Bytes of a line of the card.
    pub port_bytes: u32,
}

const SHAPES: [Shape; 4] = [
    Shape {
        words: 2,
        port_bytes: 16,
    },
    Shape {
        words: 4,
        port_bytes: 32,
    },
    Shape {
        words: 2,
        port_bytes: 32,
    },
    Shape {
        words: 4,
        port_bytes: 16,
    },
];

/// How many of [`SHAPES`], from the first on, are tested in the short tier, and in the long one
/// with all lengths.
const MAIN: usize = 2;

/// What is run, and how.
pub struct Plan<'a> {
    /// All lengths, and more sizes of the endpoint.
    pub full: bool,
    /// Decides everything that is random.
    pub seed: u64,
    /// Only the tests whose name contains this.
    pub filter: Option<&'a str>,
}

/// Builds the simulators and runs the tests in all of them; an error when one fails.
pub fn run(plan: &Plan<'_>) -> Result<()> {
    setup::install(&setup::BASE)?;
    setup::install(&setup::COCOTB)?;
    let python = Python::find()?;
    let shapes = if plan.full {
        &SHAPES[..]
    } else {
        &SHAPES[..MAIN]
    };
    let folders = shapes
        .iter()
        .map(|shape| {
            let name = format!("x{}-{}", shape.words, shape.port_bytes);
            let folder = target_dir().join("cocotb").join(name);
            emit::endpoint(*shape, &folder)?;
            Ok(folder)
        })
        .collect::<Result<Vec<_>>>()?;
    println!(
        "cocotbext-pcie around the endpoint, seed {}, {} at a time",
        plan.seed,
        shapes.len()
    );
    // As many simulators as shapes: each takes one core.
    let outcomes: Vec<Result<bool>> = thread::scope(|scope| {
        let running: Vec<_> = shapes
            .iter()
            .zip(&folders)
            .map(|(shape, folder)| scope.spawn(|| one(plan, &python, *shape, folder)))
            .collect();
        running
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(anyhow!("the thread of a simulator panicked")))
            })
            .collect()
    });
    let mut passed = true;
    for outcome in outcomes {
        passed &= outcome?;
    }
    if !passed {
        bail!(
            "tests failed; the same again: `cargo xtask test --cocotb --seed {}{}`",
            plan.seed,
            if plan.full { " --full" } else { "" }
        );
    }
    Ok(())
}

/// Builds and runs one simulator and prints what came of it; whether all tests passed.
fn one(plan: &Plan<'_>, python: &Python, shape: Shape, folder: &Path) -> Result<bool> {
    let simulator = simulator::build(python, folder)?;
    let all = plan.full && SHAPES[..MAIN].contains(&shape);
    let results = folder.join("results.xml");
    let log = folder.join("log.txt");
    if results.exists() {
        fs::remove_file(&results)
            .with_context(|| format!("cannot remove {}", results.display()))?;
    }
    let output = File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
    let mut command = Command::new(&simulator);
    command
        .current_dir(folder)
        .stdout(output.try_clone().context("cannot share the log")?)
        .stderr(output)
        .env("PYTHONPATH", tests())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONWARNINGS", "ignore::DeprecationWarning")
        .env("PYGPI_PYTHON_BIN", setup::venv_program("python"))
        .env("GPI_USERS", python.users())
        .env("TOPLEVEL_LANG", "verilog")
        .env("COCOTB_TOPLEVEL", simulator::TOP)
        .env("COCOTB_TRUST_INERTIAL_WRITES", "1")
        .env("COCOTB_TEST_MODULES", MODULES.join(","))
        .env("COCOTB_RESULTS_FILE", &results)
        .env("COCOTB_ANSI_OUTPUT", "0")
        .env("COCOTB_RANDOM_SEED", plan.seed.to_string())
        .env("SYSTOLE_FULL", if all { "1" } else { "0" })
        .env("SYSTOLE_CARD", card());
    if let Some(filter) = plan.filter {
        command.env("COCOTB_TEST_FILTER", literal(filter));
    }
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", simulator.display()))?;
    let cases = match fs::read_to_string(&results) {
        Ok(text) => results::parse(&text)?,
        Err(_) => vec![],
    };
    let passed = status.success() && !cases.is_empty() && cases.iter().all(|case| case.passed);
    let text = report(shape, &cases);
    if passed {
        println!("{text}");
    } else {
        let tail = fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = tail.lines().collect();
        println!(
            "{}\n{text}\n  the simulator ended with {status}; all of its output: {}",
            lines[lines.len().saturating_sub(SHOWN)..].join("\n"),
            log.display()
        );
    }
    Ok(passed)
}

/// The tests of a simulator as a table.
fn report(shape: Shape, cases: &[Case]) -> String {
    let mut text = format!(
        "endpoint of {} bits, lines of {} bytes",
        shape.words * 32,
        shape.port_bytes
    );
    for case in cases {
        let verdict = if case.passed { "ok" } else { "FAILED" };
        text += &format!("\n  {:<52} {:>7.1} s  {verdict}", case.name, case.seconds);
    }
    let passed = cases.iter().filter(|case| case.passed).count();
    text + &format!("\n  {passed} passed, {} failed", cases.len() - passed)
}

/// The folder of the tests.
fn tests() -> PathBuf {
    root().join("tests/cocotb")
}

/// What the tests must know of the contract.
fn card() -> String {
    let config = Config::default();
    serde_json::json!({
        "vendor": pci::VENDOR_ID,
        "device": pci::DEVICE_ID,
        "subsystem_vendor": pci::SUBSYSTEM_VENDOR_ID,
        "subsystem": pci::SUBSYSTEM_ID,
        "class": pci::CLASS,
        "revision": pci::REVISION,
        "register_bar": pci::REGISTER_BAR,
        "register_bytes": pci::REGISTER_BAR_BYTES,
        "msix_table": pci::MSIX_TABLE,
        "msix_pending": pci::MSIX_PENDING,
        "memory_bar": pci::MEMORY_BAR,
        "memory_bytes": u64::from(config.card_memory_mib) << 20,
        "vectors": config.queues,
        "rest_timeout": REST_TIMEOUT,
    })
    .to_string()
}

/// A regular expression that finds exactly this text.
fn literal(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        if !character.is_alphanumeric() && character != '_' {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_of_tests_is_run() {
        let mut found: Vec<String> = fs::read_dir(tests())
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
            .filter_map(|name| Some(name.strip_suffix(".py")?.to_string()))
            .filter(|name| name.starts_with("test_"))
            .collect();
        found.sort();
        let mut known = MODULES.map(String::from).to_vec();
        known.sort();
        assert_eq!(found, known);
    }

    #[test]
    fn names_are_taken_literally() {
        assert_eq!(literal("reads/shape=0"), r"reads\/shape\=0");
    }
}
