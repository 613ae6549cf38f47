//! What the Python of `.tools` says of cocotb.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::setup;

/// Prints a path a line; an empty line for a library that is not there.
const QUESTION: &str = "\
import pathlib, find_libpython, cocotb_tools.config as config, verilator
print(find_libpython.find_libpython() or '')
print(config.pygpi_entry_point())
print(config.libs_dir)
print(config.share_dir)
print(pathlib.Path(verilator.__file__).parent)
";

/// Where things are.
pub struct Python {
    libpython: String,
    entry: String,
    /// cocotb's libraries.
    pub libraries: PathBuf,
    /// cocotb's sources for simulators.
    pub share: PathBuf,
    /// The folder of Verilator.
    pub verilator: PathBuf,
}

impl Python {
    /// Asks the Python of `.tools`.
    pub fn find() -> Result<Self> {
        let output = Command::new(setup::venv_program("python"))
            .args(["-c", QUESTION])
            .output()
            .context("cannot start the Python of .tools")?;
        if !output.status.success() {
            bail!(
                "cocotb in .tools is damaged; remove .tools/cocotb.stamp and try again:\n{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lines = text.lines().map(str::to_string);
        let mut next = || {
            lines
                .next()
                .context("cocotb names fewer paths than asked for")
        };
        let libpython = next()?;
        if libpython.is_empty() {
            bail!(
                "python3 has no shared library, which cocotb loads into the simulator: install \
                 the package libpython3-dev, or a Python that is built with --enable-shared, \
                 remove .tools and try again"
            );
        }
        Ok(Self {
            libpython,
            entry: next()?,
            libraries: next()?.into(),
            share: next()?.into(),
            verilator: next()?.into(),
        })
    }

    /// What cocotb loads into the simulator, as `GPI_USERS` names it.
    pub fn users(&self) -> String {
        format!("{};{}", self.libpython, self.entry)
    }
}
