//! Pinning anew: apt works out, in folders of its own, what the mirror has now.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::lock::{self, Package};
use super::{FPGA, MACHINE, Packages, clear, mirror};
use crate::run::root;
use crate::setup::tools;

/// Where the packages of the virtual machine come from; the later release wins.
const RELEASES: [&str; 2] = ["trixie", "trixie-backports"];

/// The first release with nextpnr for the 7 series.
const FPGA_RELEASE: &str = "forky";

/// Place and route for ECP5 and the 7 series, and what makes bitstreams of both.
const FPGA_TOOLS: [&str; 5] = [
    "nextpnr-ecp5",
    "nextpnr-himbaechel-xilinx",
    "nextpnr-himbaechel-xilinx-chipdb",
    "prjxray",
    "prjxray-database",
];

/// Signs the releases. Part of every Debian.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The emulator, taken from the backports: the first with `vfio-user-pci` is 10.1.
const EMULATOR: &str = "qemu-system-x86";

/// Depends on the newest kernel of the release that is meant for virtual machines.
const KERNEL: &str = "linux-image-cloud-amd64";

/// Writes the locks anew from what the mirror has now.
pub fn update() -> Result<()> {
    let mirror = mirror()?;
    machine(&mirror)?;
    let apt = Apt::new(&mirror, &[FPGA_RELEASE])?;
    let purpose = "cargo xtask bitstream";
    write(
        &FPGA,
        "Tools for FPGAs",
        &[FPGA_RELEASE],
        purpose,
        apt.closure(&FPGA_TOOLS)?,
    )?;
    clear(&apt.folder)
}

fn machine(mirror: &str) -> Result<()> {
    let apt = Apt::new(mirror, &RELEASES)?;
    let mut packages = apt.closure(&[EMULATOR, "-t", RELEASES[1]])?;
    // The kernel is only booted: what its package needs to be installed is not needed.
    let kernels = apt.closure(&[KERNEL])?;
    let image = |package: &Package| {
        let name = package.file_name();
        name.starts_with("linux-image-") && !name.starts_with(&format!("{KERNEL}_"))
    };
    packages.extend(kernels.into_iter().filter(image));
    let purpose = "cargo xtask test --qemu";
    write(&MACHINE, "QEMU and a kernel", &RELEASES, purpose, packages)
}

/// Writes the lock of a set.
fn write(
    set: &Packages,
    what: &str,
    releases: &[&str],
    purpose: &str,
    mut packages: Vec<Package>,
) -> Result<()> {
    packages.sort_by(|a, b| a.path.cmp(&b.path));
    let comment = format!(
        "{what} from Debian {}, for `{purpose}`; written by `cargo xtask lock`.",
        releases.join(" and ")
    );
    let path = root().join(set.lock_path);
    fs::write(&path, lock::print(&comment, &packages))
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("{} packages in {}", packages.len(), set.lock_path);
    Ok(())
}

/// An apt with folders of its own, in which nothing is installed.
struct Apt {
    folder: PathBuf,
    mirror: String,
}

impl Apt {
    fn new(mirror: &str, releases: &[&str]) -> Result<Self> {
        let folder = tools().join("apt");
        clear(&folder)?;
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            let parent = path.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(parent)
                .and_then(|()| fs::write(&path, text))
                .with_context(|| format!("cannot write {}", path.display()))
        };
        let sources: Vec<String> = releases
            .iter()
            .map(|release| format!("deb [signed-by={KEYRING} arch=amd64] {mirror} {release} main"))
            .collect();
        write("etc/sources.list", &sources.join("\n"))?;
        write("state/status", "")?;
        // Folders that apt expects; the files in them say nothing.
        for empty in [
            "state/lists/partial",
            "cache/archives/partial",
            "etc/apt.conf.d",
            "etc/preferences.d",
        ] {
            write(&format!("{empty}/.keep"), "")?;
        }
        let apt = Self {
            folder,
            mirror: mirror.into(),
        };
        apt.run(&["update"])?;
        Ok(apt)
    }

    fn run(&self, args: &[&str]) -> Result<String> {
        let mut command = Command::new("apt-get");
        for (key, place) in [
            ("Dir::State", "state"),
            ("Dir::State::status", "state/status"),
            ("Dir::Cache", "cache"),
            ("Dir::Etc", "etc"),
        ] {
            let place = self.folder.join(place);
            command.arg("-o").arg(format!("{key}={}", place.display()));
        }
        for setting in [
            "Acquire::Languages=none",
            "Acquire::ForceHash=SHA256",
            "APT::Architecture=amd64",
            "APT::Architectures=amd64",
            "APT::Install-Recommends=false",
            "APT::Sandbox::User=root",
            "quiet=2",
        ] {
            command.args(["-o", setting]);
        }
        let output = command
            .args(args)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("cannot start apt-get; this needs a Debian with apt")?;
        if !output.status.success() {
            bail!("`apt-get {}` failed with {}", args.join(" "), output.status);
        }
        String::from_utf8(output.stdout).context("apt-get printed no UTF-8")
    }

    /// What an installation in an empty system would download.
    fn closure(&self, packages: &[&str]) -> Result<Vec<Package>> {
        let printed = self.run(&[&["install", "--yes", "--print-uris"], packages].concat())?;
        printed
            .lines()
            .map(|line| {
                package(line, &self.mirror).with_context(|| format!("apt-get printed `{line}`"))
            })
            .collect()
    }
}

/// Reads a line of `apt-get --print-uris`: `'ADDRESS' FILE BYTES SHA256:HASH`.
fn package(line: &str, mirror: &str) -> Result<Package> {
    let mut parts = line.split(' ');
    let path = parts
        .next()
        .and_then(|uri| uri.strip_prefix('\'')?.strip_suffix('\''))
        .and_then(|uri| uri.strip_prefix(mirror)?.strip_prefix('/'))
        .context("the address is not below the mirror")?;
    let bytes = parts.nth(1).and_then(|bytes| bytes.parse().ok());
    let sha256 = parts.next().and_then(|hash| hash.strip_prefix("SHA256:"));
    Ok(Package {
        path: path.into(),
        bytes: bytes.context("there is no size")?,
        sha256: sha256.context("there is no SHA-256")?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_apt_are_read() {
        let line = "'http://mirror/debian/pool/main/a/a_1%2b1_all.deb' a_1+1_all.deb 12 SHA256:ab";
        let read = package(line, "http://mirror/debian").unwrap();
        assert_eq!(read.path, "pool/main/a/a_1%2b1_all.deb");
        assert_eq!((read.bytes, read.sha256.as_str()), (12, "ab"));
        assert!(package(line, "http://other/debian").is_err());
        assert!(package(&line.replace("SHA256", "MD5Sum"), "http://mirror/debian").is_err());
        assert!(package("Reading package lists...", "http://mirror/debian").is_err());
    }
}
