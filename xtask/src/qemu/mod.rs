//! The driver inside a virtual machine: Linux with vfio-pci between it and the card.

mod card;
mod cpio;
mod guest;
mod kernel;
mod machine;
mod model;
mod verdict;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::debian;
use crate::run::target_dir;
use card::{Card, SOCKET};
use kernel::Kernel;
use machine::{Machine, Plan};
use model::Model;
use verdict::Verdict;

/// The kernel that starts, and the first file system of the guest.
const KERNEL: &str = "vmlinux";
const FILE_SYSTEM: &str = "initramfs";

/// How long a machine may run.
const LIMIT: Duration = Duration::from_secs(300);

/// How long QEMU waits for an answer of the card, which may be a slow simulation.
const MESSAGE_LIMIT_MS: u32 = 60_000;

/// The checks that the guest runs, in their order.
const CHECKS: [&str; 9] = [
    "edu",
    "bind",
    "roads",
    "products",
    "interrupts",
    "rounds",
    "reset",
    "embed",
    "unbind",
];

/// A card to run with.
struct Kind {
    name: &'static str,
    /// Options of its server. QEMU stops a machine for good when the error interrupt comes.
    options: &'static [&'static str],
    /// Whether it has a clock, so that programs take their time.
    clocked: bool,
}

const VERILATED: Kind = Kind {
    name: "verilated",
    options: &["--no-error-interrupt"],
    clocked: true,
};

const FUNCTIONAL: Kind = Kind {
    name: "functional",
    options: &["--no-error-interrupt", "--functional"],
    clocked: false,
};

/// Fetches what is missing, builds the guest, runs it on the Verilated card and judges what it
/// reports; with `full`, on the functional card too. `kernel` is another root folder to take the
/// kernel from.
pub fn run(full: bool, kernel: Option<&Path>) -> Result<()> {
    let packages = debian::MACHINE.install()?;
    let programs = guest::build()?;
    let work = target_dir().join("qemu");
    fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
    let kernel = Kernel::find(kernel.unwrap_or(&packages))?;
    let model = Model::prepare(&work)?;
    write(&work.join(KERNEL), &kernel.vmlinux()?)?;
    let mut file_system = guest::file_system(&programs, &kernel)?;
    file_system.extend(&model.archive);
    write(&work.join(FILE_SYSTEM), &file_system)?;
    run_with(&VERILATED, &packages, &work, &model)?;
    if full {
        run_with(&FUNCTIONAL, &packages, &work, &model)?;
    }
    Ok(())
}

/// One run, in a folder of its own below `work`, which keeps what it said.
fn run_with(kind: &Kind, packages: &Path, work: &Path, model: &Model) -> Result<()> {
    let folder = work.join(kind.name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let _card = Card::serve(&folder, kind.options)?;
    println!("a machine with the {} card:", kind.name);
    judge(kind, packages, work, &folder, model)
        .with_context(|| format!("what was said is in {}", folder.display()))
}

fn judge(kind: &Kind, packages: &Path, work: &Path, folder: &Path, model: &Model) -> Result<()> {
    let plan = Plan {
        packages,
        kernel: &work.join(KERNEL),
        file_system: &work.join(FILE_SYSTEM),
        devices: &[
            "pcie-root-port,id=edu-port,chassis=1",
            "edu,bus=edu-port",
            "pcie-root-port,id=card-port,chassis=2",
            &format!(
                r#"{{"driver":"vfio-user-pci","bus":"card-port","x-msg-timeout":{MESSAGE_LIMIT_MS},"socket":{{"type":"unix","path":"{SOCKET}"}}}}"#
            ),
        ],
        folder,
    };
    let mut machine = Machine::start(&plan, LIMIT)?;
    let mut verdict = Verdict::new(&CHECKS);
    let mut reports = String::new();
    while let Some(line) = machine.line()? {
        reports += &format!("{line}\n");
        write(&folder.join("reports.jsonl"), reports.as_bytes())?;
        println!("  {}", verdict.line(&line)?);
    }
    let found = verdict.end()?;
    model.check(&found["embed"], kind.clocked)?;
    ensure!(
        !kind.clocked || found["reset"]["in_time"] == true,
        "the card was not reset while a program was under way"
    );
    Ok(())
}

fn write(path: &Path, contents: &[u8]) -> Result<()> {
    fs::write(path, contents).with_context(|| format!("cannot write {}", path.display()))
}

/// A whole file.
fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// What a folder holds, sorted.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = || {
        let paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
        paths.collect::<std::io::Result<Vec<_>>>()
    };
    let mut paths = list().with_context(|| format!("cannot list {}", folder.display()))?;
    paths.sort();
    Ok(paths)
}

/// All files below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in entries(folder)? {
        match path.is_dir() {
            true => files.extend(self::files(&path)?),
            false => files.push(path),
        }
    }
    Ok(files)
}
