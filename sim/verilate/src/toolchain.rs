//! Finds the pinned Verilator and runs it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::Error;

/// The variable that overrides the search.
const ROOT_VARIABLE: &str = "SYSTOLE_VERILATOR_ROOT";

/// An installed Verilator.
#[derive(Clone, Debug)]
pub struct Verilator {
    root: PathBuf,
}

impl Verilator {
    /// Finds Verilator: the folder in `SYSTOLE_VERILATOR_ROOT`, else what `cargo xtask setup` put
    /// into `.tools` at or above the current folder or this crate's source.
    ///
    /// A Verilator on `PATH` is never taken: other versions are slower and lint differently.
    pub fn find() -> Result<Verilator, Error> {
        if let Some(root) = env::var_os(ROOT_VARIABLE) {
            return Verilator::at(PathBuf::from(root));
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        let here = env::current_dir().unwrap_or_default();
        [here.as_path(), source]
            .iter()
            .flat_map(|start| start.ancestors())
            .find_map(|folder| in_venv(&folder.join(".tools/venv")))
            .map(|root| Verilator { root })
            .ok_or_else(|| Error::NoVerilator {
                searched: format!("{} or {}", here.display(), source.display()),
            })
    }

    /// Takes the Verilator at `root`, the folder that holds `bin/verilator_bin` and `include/`.
    pub fn at(root: PathBuf) -> Result<Verilator, Error> {
        let verilator = Verilator { root };
        for file in [verilator.binary(), verilator.include().join("verilated.h")] {
            if !file.is_file() {
                return Err(Error::BadVerilatorRoot {
                    root: verilator.root,
                    missing: file,
                });
            }
        }
        Ok(verilator)
    }

    /// The folder of Verilator's C++ runtime.
    pub(crate) fn include(&self) -> PathBuf {
        self.root.join("include")
    }

    /// What identifies this build of Verilator: two that differ here may generate different code.
    pub(crate) fn version(&self) -> Result<String, Error> {
        let mut command = self.command();
        command.arg("--version");
        let output = self.run(command)?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
    }

    /// A command that runs Verilator itself, without the Perl and Python wrappers around it.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(self.binary());
        command.env("VERILATOR_ROOT", &self.root);
        command
    }

    /// Runs `command` to its end.
    pub(crate) fn run(&self, mut command: Command) -> Result<Output, Error> {
        command.output().map_err(|source| Error::Start {
            program: command.get_program().to_string_lossy().into_owned(),
            hint: "run `cargo xtask setup`",
            source,
        })
    }

    fn binary(&self) -> PathBuf {
        self.root.join("bin/verilator_bin")
    }
}

/// The `verilator` package of a Python environment.
fn in_venv(venv: &Path) -> Option<PathBuf> {
    std::fs::read_dir(venv.join("lib"))
        .ok()?
        .flatten()
        .map(|python| python.path().join("site-packages/verilator"))
        .find(|root| root.join("bin/verilator_bin").is_file())
}
