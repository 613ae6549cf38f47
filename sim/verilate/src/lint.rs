//! Verilator's lint over a design.

use crate::{Design, Error, Verilator};

/// The warning classes that [`lint`] leaves out: what rust-hdl's printer always causes and what
/// says nothing about behaviour. Classes that may change a result (WIDTH*, LATCH, CASEINCOMPLETE,
/// UNOPTFLAT, MULTIDRIVEN, BLKSEQ, ...) never belong here.
pub const STYLE_CLASSES_OFF: &[&str] = &[
    // The file is not named after the module: designs are text, not files.
    "DECLFILENAME",
    // rust-hdl declares every atom of a block and passes whole bundles on.
    "UNUSEDSIGNAL",
    "UNUSEDPARAM",
    // The emitter ends a file as it likes.
    "EOFNEWLINE",
];

/// One accepted warning: this class, in this module only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiver<'a> {
    /// The warning class, as `WIDTHTRUNC`.
    pub class: &'a str,
    /// The module in which it is accepted.
    pub module: &'a str,
}

/// Why a design does not pass [`lint`].
#[derive(Debug, thiserror::Error)]
pub enum LintError {
    /// Verilator could not be run.
    #[error(transparent)]
    Tool(#[from] Error),
    /// Verilator has something to say.
    #[error("lint of `{top}` gives {} message(s):\n{}", messages.len(), messages.join("\n"))]
    Messages {
        /// The top module.
        top: String,
        /// One text a warning: class, module, line, message, and the lines that it points to.
        messages: Vec<String>,
    },
}

/// Runs `verilator --lint-only -Wall` on `design`.
///
/// Every warning fails, but for the classes in [`STYLE_CLASSES_OFF`] and the `waivers`.
pub fn lint(design: &Design, waivers: &[Waiver<'_>]) -> Result<(), LintError> {
    let verilator = Verilator::find()?;
    let folder = tempfile::tempdir().map_err(Error::io("create", std::env::temp_dir()))?;
    let input = folder.path().join("design.v");
    std::fs::write(&input, &design.verilog).map_err(Error::io("write", &input))?;
    let mut command = verilator.command();
    command
        .current_dir(folder.path())
        .args(["--lint-only", "-Wall", "-Wno-fatal", "--no-timing"])
        .args(["--error-limit", "0", "--top-module", &design.top])
        .args(STYLE_CLASSES_OFF.iter().map(|c| format!("-Wno-{c}")))
        .arg("design.v");
    let output = verilator.run(command)?;
    let text = String::from_utf8_lossy(&output.stderr);
    let modules = module_lines(&design.verilog);
    let messages: Vec<String> = findings(&text)
        .into_iter()
        .filter_map(|finding| finding.unless_waived(&modules, waivers))
        .collect();
    if !messages.is_empty() {
        return Err(LintError::Messages {
            top: design.top.clone(),
            messages,
        });
    }
    if !output.status.success() {
        return Err(LintError::Tool(Error::Verilator {
            top: design.top.clone(),
            messages: text.into_owned(),
        }));
    }
    Ok(())
}

/// One warning or error of Verilator.
struct Finding {
    /// The class; empty for an error.
    class: String,
    /// The line in the design, if it names one.
    line: Option<usize>,
    /// The whole text.
    text: String,
}

impl Finding {
    /// The message, unless a waiver covers it.
    fn unless_waived(self, modules: &[(usize, &str)], waivers: &[Waiver<'_>]) -> Option<String> {
        let module = self.line.and_then(|line| {
            modules
                .iter()
                .rev()
                .find(|(start, _)| *start <= line)
                .map(|(_, name)| *name)
        });
        let waived = waivers
            .iter()
            .any(|w| w.class == self.class && Some(w.module) == module);
        if waived {
            return None;
        }
        Some(match module {
            Some(module) => format!("in module `{module}`: {}", self.text),
            None => self.text,
        })
    }
}

/// Splits Verilator's output into findings, each with the lines of source that it shows.
fn findings(text: &str) -> Vec<Finding> {
    let mut out: Vec<Finding> = Vec::new();
    for line in text.lines() {
        let class = if line.starts_with("%Error: Exiting due to") {
            continue;
        } else if let Some(rest) = line.strip_prefix("%Warning-") {
            rest.split(':').next().unwrap_or_default()
        } else if line.starts_with("%Error") {
            ""
        } else {
            // Advice on how to switch the warning off is no help here.
            if let Some(last) = out.last_mut()
                && line.starts_with(' ')
                && !line.contains("... ")
            {
                last.text += &format!("\n{line}");
            }
            continue;
        };
        out.push(Finding {
            class: class.to_string(),
            line: line
                .split("design.v:")
                .nth(1)
                .and_then(|rest| rest.split(':').next()?.parse().ok()),
            text: line.to_string(),
        });
    }
    out
}

/// The first line of each module, from 1, with its name.
fn module_lines(verilog: &str) -> Vec<(usize, &str)> {
    verilog
        .lines()
        .enumerate()
        .filter_map(|(i, line)| {
            let rest = line.trim_start().strip_prefix("module ")?;
            let name = rest.split(['(', ';', '#', ' ']).next()?;
            Some((i + 1, name))
        })
        .collect()
}
