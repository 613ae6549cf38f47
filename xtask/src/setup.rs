//! The pinned tools in `.tools/venv`.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::debian;
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

/// What bitstreams for ECP5 need beside synthesis.
pub const FPGA: ToolSet = ToolSet {
    name: "fpga",
    requirements: include_str!("../requirements-fpga.txt"),
};

/// What the tests with a root complex that others wrote need.
pub const COCOTB: ToolSet = ToolSet {
    name: "cocotb",
    requirements: include_str!("../requirements-cocotb.txt"),
};

impl ToolSet {
    fn stamp(&self) -> Stamp {
        Stamp::new(self.name, self.requirements)
    }

    /// The list of its wheels, with versions and hashes.
    pub fn requirements(&self) -> &'static str {
        self.requirements
    }

    fn is_installed(&self) -> bool {
        venv_program("python").exists() && self.stamp().holds()
    }
}

/// A file in `.tools` that says which list of tools is there.
pub struct Stamp {
    path: PathBuf,
    fingerprint: String,
}

impl Stamp {
    /// The stamp of what `name` calls, once exactly what `list` says is there.
    pub fn new(name: &str, list: &str) -> Self {
        Self {
            path: tools().join(format!("{name}.stamp")),
            fingerprint: Sha256::digest(list)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        }
    }

    /// Whether exactly this list was written down last.
    pub fn holds(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|stamp| stamp == self.fingerprint)
    }

    /// Writes down that everything of the list is there.
    pub fn write(&self) -> Result<()> {
        fs::write(&self.path, &self.fingerprint).context("cannot write the stamp in .tools")
    }
}

/// The folder of everything that is fetched.
pub fn tools() -> PathBuf {
    root().join(".tools")
}

/// Makes the folder of tools and keeps others from it until the file is closed.
pub fn locked() -> Result<File> {
    fs::create_dir_all(tools()).context("cannot create .tools")?;
    let path = tools().join("setup.lock");
    let lock = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    lock.lock().context("cannot lock .tools")?;
    Ok(lock)
}

/// A program of the Python environment.
pub fn venv_program(name: &str) -> PathBuf {
    tools().join("venv/bin").join(name)
}

/// A call of a program that a wheel offers as a function of its arguments.
///
/// The scripts that pip writes beside Python name the folder of the project that installed them,
/// and end with "no such file" once it moves.
pub fn python_tool(module: &str, function: &str) -> Command {
    let mut command = Command::new(venv_program("python"));
    command.args(python_call(module, function));
    command
}

/// The arguments of Python in such a call.
pub fn python_call(module: &str, function: &str) -> [String; 2] {
    let call = format!("import sys, {module}; sys.exit({module}.{function}(sys.argv[1:]))");
    ["-c".into(), call]
}

/// Installs a set of tools, unless it is there.
pub fn install(set: &ToolSet) -> Result<()> {
    if set.is_installed() {
        return Ok(());
    }
    let _lock = locked()?;
    if set.is_installed() {
        return Ok(());
    }
    // Not only whether it exists: what was interrupted while it was made has no pip.
    let pip = Command::new(venv_program("python"))
        .args(["-m", "pip", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !pip.is_ok_and(|status| status.success()) {
        announced(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
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
    set.stamp().write()
}

/// Reports what is there; an error when something that every build needs is missing.
pub fn check() -> Result<()> {
    let compiler = has_compiler();
    match compiler {
        true => println!("found    g++ (for simulation)"),
        false => println!("missing  g++ (for simulation): install the package g++"),
    }
    let sets = [
        (BASE.is_installed(), "Verilator", "cargo xtask setup"),
        (
            SYNTH.is_installed(),
            "Yosys",
            "cargo xtask synth or prove, on first use",
        ),
        (
            FPGA.is_installed(),
            "nextpnr for ECP5",
            "cargo xtask bitstream --board ulx3s-85f, on first use",
        ),
        (
            debian::FPGA.is_installed(),
            "nextpnr and prjxray for the 7 series",
            "cargo xtask bitstream --board artix7-200t, on first use",
        ),
        (
            COCOTB.is_installed(),
            "cocotb and cocotbext-pcie",
            "cargo xtask test --cocotb, on first use",
        ),
        (
            debian::MACHINE.is_installed(),
            "QEMU and a kernel",
            "cargo xtask test --qemu, on first use",
        ),
    ];
    for (installed, what, how) in sets {
        match installed {
            true => println!("found    {what} in .tools"),
            false => println!("missing  {what}: installed by `{how}`"),
        }
    }
    if !compiler || !BASE.is_installed() {
        bail!("not ready to build; the lines that say `missing` name what to do");
    }
    Ok(())
}

fn has_compiler() -> bool {
    Command::new("g++")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
