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

use anyhow::{Context, Result};

use crate::debian;
use crate::run::target_dir;
use card::{Card, SOCKET};
use kernel::Kernel;
use machine::{Machine, Plan};
use model::Model;
use verdict::Verdict;

/// How long a machine may run.
const LIMIT: Duration = Duration::from_secs(240);

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

/// Fetches what is missing, builds the guest, runs it and judges what it reports.
pub fn run() -> Result<()> {
    let packages = debian::install()?;
    let programs = guest::build()?;
    let work = target_dir().join("qemu");
    fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
    let kernel = Kernel::find(&packages)?;
    let put = |name: &str, contents: Vec<u8>| {
        let path = work.join(name);
        fs::write(&path, contents)
            .with_context(|| format!("cannot write {}", path.display()))
            .map(|()| path)
    };
    let model = Model::prepare(&work)?;
    let image = put("vmlinux", kernel.vmlinux()?)?;
    let mut file_system = guest::file_system(&programs, &kernel)?;
    file_system.extend(&model.archive);
    let file_system = put("initramfs", file_system)?;
    let card = format!(
        r#"{{"driver":"vfio-user-pci","bus":"card-port","socket":{{"type":"unix","path":"{SOCKET}"}},"x-msg-timeout":{MESSAGE_LIMIT_MS}}}"#
    );
    let plan = Plan {
        packages: &packages,
        kernel: &image,
        file_system: &file_system,
        devices: &[
            "pcie-root-port,id=edu-port,chassis=1",
            "edu,bus=edu-port",
            "pcie-root-port,id=card-port,chassis=2",
            &card,
        ],
        work: &work,
    };
    let _card = Card::serve(&work, &["--functional", "--no-error-interrupt"])?;
    let mut machine = Machine::start(&plan, LIMIT)?;
    let mut verdict = Verdict::new(&CHECKS);
    while let Some(line) = machine.line()? {
        println!("{}", verdict.line(&line)?);
    }
    let found = verdict.end()?;
    model.check(&found["embed"], "device")
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
