//! The driver inside a virtual machine: Linux with vfio-pci between it and the card.

mod cpio;
mod guest;
mod kernel;
mod machine;
mod verdict;

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::debian;
use crate::run::target_dir;
use kernel::Kernel;
use machine::{Machine, Plan};
use verdict::Verdict;

/// How long a machine may run.
const LIMIT: Duration = Duration::from_secs(240);

/// The checks that the guest runs, in their order.
const CHECKS: [&str; 1] = ["edu"];

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
    let image = put("vmlinux", kernel.vmlinux()?)?;
    let file_system = put("initramfs", guest::file_system(&programs, &kernel)?)?;
    let plan = Plan {
        packages: &packages,
        kernel: &image,
        file_system: &file_system,
        devices: &["-device".into(), "edu,bus=root-port".into()],
        logs: &work,
    };
    let mut machine = Machine::start(&plan, LIMIT)?;
    let mut verdict = Verdict::new(&CHECKS);
    while let Some(line) = machine.line()? {
        println!("{}", verdict.line(&line)?);
    }
    verdict.end()
}
