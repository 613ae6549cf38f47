//! Running programs in the workspace.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The root of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the workspace")
}

/// The folder of built files, as Cargo chooses it.
pub fn target_dir() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// A command that runs the same Cargo as this program, in the root of the workspace.
pub fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(args);
    command
}

/// A command that runs the program `systole`.
pub fn systole(args: &[&str]) -> Command {
    let mut command = cargo(&[
        "run",
        "--quiet",
        "--release",
        "--package=systole",
        "--bin=systole",
        "--",
    ]);
    command.args(args);
    command
}

/// Prints a command as one would type it, runs it and prints the time that it took.
pub fn announced(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", printed(command));
    let start = Instant::now();
    quietly(command)?;
    eprintln!("  ({:.1} s)", start.elapsed().as_secs_f64());
    Ok(())
}

/// Runs a command; its failure is an error that shows it.
pub fn quietly(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start `{}`", printed(command)))?;
    if !status.success() {
        bail!("`{}` failed with {status}", printed(command));
    }
    Ok(())
}

/// The command as one would type it in the root of the workspace.
fn printed(command: &Command) -> String {
    let short = |text: &str| match Path::new(text).strip_prefix(root()) {
        Ok(path) => path.display().to_string(),
        Err(_) if text.contains([' ', ';', '*']) => format!("'{text}'"),
        Err(_) => text.to_string(),
    };
    let program = Path::new(command.get_program());
    let program = match program.file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => program.display().to_string(),
    };
    command.get_args().fold(program, |line, arg| {
        format!("{line} {}", short(&arg.to_string_lossy()))
    })
}
