//! The pinned tools in `.tools/venv`.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::run::{announced, root};

/// A set of wheels that are installed together.
pub struct ToolSet {
    name: &'static str,
    requirements: &'static str,
}

/// What every build needs.
pub const BASE: ToolSet = ToolSet {
    name: "base",
    requirements: include_str!("../requirements.txt"),
};

/// What synthesis needs.
pub const SYNTH: ToolSet = ToolSet {
    name: "synth",
    requirements: include_str!("../requirements-synth.txt"),
};

/// A program or header of the operating system, and how to get it.
struct SystemPart {
    what: &'static str,
    needed_for: &'static str,
    package: &'static str,
    /// A command that succeeds where the part is there.
    probe: &'static [&'static str],
}

const SYSTEM_PARTS: &[SystemPart] = &[
    SystemPart {
        what: "g++",
        needed_for: "simulation",
        package: "g++",
        probe: &["g++", "--version"],
    },
    SystemPart {
        what: "zlib.h",
        needed_for: "waveforms",
        package: "zlib1g-dev",
        probe: &["g++", "-E", "-x", "c++", "-include", "zlib.h", "/dev/null"],
    },
    SystemPart {
        what: "lz4.h",
        needed_for: "waveforms",
        package: "liblz4-dev",
        probe: &["g++", "-E", "-x", "c++", "-include", "lz4.h", "/dev/null"],
    },
];

impl ToolSet {
    /// What the stamp holds once exactly these requirements are installed.
    fn fingerprint(&self) -> String {
        Sha256::digest(self.requirements)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    fn stamp(&self) -> PathBuf {
        tools().join(format!("{}.stamp", self.name))
    }

    fn is_installed(&self) -> bool {
        venv_program("python").exists()
            && fs::read_to_string(self.stamp()).is_ok_and(|stamp| stamp == self.fingerprint())
    }
}

fn tools() -> PathBuf {
    root().join(".tools")
}

/// A program of the Python environment.
pub fn venv_program(name: &str) -> PathBuf {
    tools().join("venv/bin").join(name)
}

/// Installs a set of tools, unless it is there.
pub fn install(set: &ToolSet) -> Result<()> {
    if set.is_installed() {
        return Ok(());
    }
    fs::create_dir_all(tools()).context("cannot create .tools")?;
    let lock_path = tools().join("setup.lock");
    let lock = File::create(&lock_path)
        .with_context(|| format!("cannot create {}", lock_path.display()))?;
    lock.lock().context("cannot lock .tools")?;
    if set.is_installed() {
        return Ok(());
    }
    if !venv_program("python").exists() {
        announced(
            Command::new("python3")
                .args(["-m", "venv"])
                .arg(tools().join("venv")),
        )
        .context(
            "cannot make a Python environment; install python3 (3.10 or newer) and python3-venv",
        )?;
    }
    let requirements = tools().join(format!("{}.txt", set.name));
    fs::write(&requirements, set.requirements)
        .with_context(|| format!("cannot write {}", requirements.display()))?;
    announced(
        Command::new(venv_program("python"))
            .args(["-m", "pip", "install", "--quiet"])
            .args(["--disable-pip-version-check", "--no-deps"])
            .args(["--only-binary=:all:", "--require-hashes", "-r"])
            .arg(&requirements),
    )
    .with_context(|| format!("cannot install the tools for {}", set.name))?;
    fs::write(set.stamp(), set.fingerprint()).context("cannot write the stamp in .tools")
}

/// Reports what is there; an error when something that every build needs is missing.
pub fn check() -> Result<()> {
    for part in SYSTEM_PARTS {
        match is_present(part) {
            true => println!("found    {} (for {})", part.what, part.needed_for),
            false => println!(
                "missing  {} (for {}): install the package {}",
                part.what, part.needed_for, part.package
            ),
        }
    }
    let sets = [
        (&BASE, "Verilator", "cargo xtask setup"),
        (&SYNTH, "Yosys", "cargo xtask synth, on first use"),
    ];
    for (set, what, how) in sets {
        match set.is_installed() {
            true => println!("found    {what} in .tools"),
            false => println!("missing  {what}: installed by `{how}`"),
        }
    }
    if !is_present(&SYSTEM_PARTS[0]) || !BASE.is_installed() {
        bail!("not ready to build; the lines that say `missing` name what to do");
    }
    Ok(())
}

fn is_present(part: &SystemPart) -> bool {
    Command::new(part.probe[0])
        .args(&part.probe[1..])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
