//! A virtual machine: QEMU out of its unpacked package, without hardware support, with an IOMMU.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Memory of the machine in MiB.
const MEMORY_MIB: u32 = 1024;

/// What the kernel is told. Quiet and without what costs time under emulation or makes two starts
/// differ; `panic=-1` ends the machine when the kernel or the first program fails.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 intel_iommu=on panic=-1 quiet mitigations=off \
                                nokaslr tsc=reliable no_timer_check random.trust_cpu=on";

/// What a machine starts from.
pub struct Plan<'a> {
    /// The folder of the unpacked packages.
    pub packages: &'a Path,
    /// An ELF file with a PVH entry point.
    pub kernel: &'a Path,
    /// The first file system.
    pub file_system: &'a Path,
    /// Devices, as QEMU names them.
    pub devices: &'a [&'a str],
    /// The folder in which QEMU runs, and where the console of the kernel and the messages of QEMU
    /// are kept.
    pub folder: &'a Path,
}

/// A machine that runs. It ends when this is dropped.
pub struct Machine {
    qemu: Child,
    lines: Receiver<String>,
    deadline: Instant,
    console: PathBuf,
}

impl Machine {
    /// Starts a machine that has until `limit` from now to end.
    pub fn start(plan: &Plan<'_>, limit: Duration) -> Result<Self> {
        let console = plan.folder.join("console.log");
        let messages = plan.folder.join("qemu.log");
        let messages = File::create(&messages)
            .with_context(|| format!("cannot create {}", messages.display()))?;
        let mut qemu = emulator(plan.packages)
            .current_dir(plan.folder)
            .args(["-nodefaults", "-no-user-config", "-no-reboot"])
            .args(["-display", "none", "-monitor", "none"])
            .args(["-machine", "q35,kernel-irqchip=split,memory-backend=memory"])
            .args(["-accel", "tcg,thread=single", "-cpu", "max"])
            .args(["-m", &MEMORY_MIB.to_string()])
            // Shared, so that the card's server can map the memory of the guest.
            .arg("-object")
            .arg(format!(
                "memory-backend-memfd,id=memory,size={MEMORY_MIB}M,share=on"
            ))
            .args(["-device", "intel-iommu,intremap=on,caching-mode=on"])
            .args(plan.devices.iter().flat_map(|device| ["-device", device]))
            .arg("-serial")
            .arg(format!("file:{}", console.display()))
            .args(["-serial", "stdio"])
            .arg("-kernel")
            .arg(plan.kernel)
            .arg("-initrd")
            .arg(plan.file_system)
            .args(["-append", KERNEL_ARGUMENTS])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(messages)
            .spawn()
            .context("cannot start QEMU")?;
        let output = qemu.stdout.take().context("QEMU has no output")?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            qemu,
            lines,
            deadline: Instant::now() + limit,
            console,
        })
    }

    /// The next line that the guest reports; none once the machine has ended.
    pub fn line(&mut self) -> Result<Option<String>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.qemu.wait().context("cannot wait for QEMU")?;
                if !status.success() {
                    bail!("QEMU ended with {status}");
                }
                Ok(None)
            }
            Err(RecvTimeoutError::Timeout) => bail!(
                "the machine did not end in time; its console is in {}",
                self.console.display()
            ),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about other errors here.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// QEMU in its unpacked package, started by the loader of that package on its libraries.
fn emulator(packages: &Path) -> Command {
    let libraries = packages.join("usr/lib/x86_64-linux-gnu");
    let data = packages.join("usr/share");
    let mut search = libraries.clone().into_os_string();
    for further in [libraries.join("pulseaudio"), packages.join("usr/lib")] {
        search.push(":");
        search.push(further);
    }
    let mut command = Command::new(libraries.join("ld-linux-x86-64.so.2"));
    command
        .arg("--library-path")
        .arg(search)
        .arg(packages.join("usr/bin/qemu-system-x86_64"))
        .arg("-L")
        .arg(data.join("qemu"))
        .arg("-L")
        .arg(data.join("seabios"))
        .env("QEMU_MODULE_DIR", libraries.join("qemu"));
    command
}
