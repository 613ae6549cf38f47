//! Programs out of Debian's packages, unpacked beside the other tools: nothing is installed and
//! nobody needs to be root.
//!
//! Which packages, in which version and with which hash stands in a lock beside `xtask/Cargo.toml`
//! for each set. They come from the mirror that this machine's apt uses, or from the one that
//! [`MIRROR`] names.

mod lock;
mod update;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::run::quietly;
use crate::setup::{Stamp, locked, tools};
use lock::Package;

pub use update::update;

/// Packages that are unpacked together into a folder of their own.
pub struct Packages {
    /// Of the folder and of the stamp.
    name: &'static str,
    lock: &'static str,
    /// Where the lock stands, from the root of the workspace.
    lock_path: &'static str,
    /// Parts of paths that nobody needs and that would take much room.
    unneeded: &'static [&'static str],
}

/// QEMU with all that it is linked to, and a kernel.
pub const MACHINE: Packages = Packages {
    name: "debian",
    lock: include_str!("../../debian.lock"),
    lock_path: "xtask/debian.lock",
    unneeded: &[],
};

/// Tools for FPGAs with all that they are linked to.
pub const FPGA: Packages = Packages {
    name: "debian-fpga",
    lock: include_str!("../../debian-fpga.lock"),
    lock_path: "xtask/debian-fpga.lock",
    unneeded: &[
        "usr/share/doc",
        "usr/share/prjxray/database/kintex7",
        "usr/share/prjxray/database/spartan7",
        "usr/share/prjxray/database/zynq7",
        "usr/share/nextpnr/himbaechel/xilinx/chipdb-xc7a100t.bin",
        "usr/share/nextpnr/himbaechel/xilinx/chipdb-xc7a50t.bin",
        "usr/share/nextpnr/himbaechel/xilinx/chipdb-xc7s50.bin",
        "usr/share/nextpnr/himbaechel/xilinx/chipdb-xc7z010.bin",
        "usr/share/nextpnr/himbaechel/xilinx/chipdb-xc7z020.bin",
        "usr/share/nextpnr/ecp5/chipdb-25k.bin",
        "usr/share/nextpnr/ecp5/chipdb-45k.bin",
    ],
};

/// Names another mirror, such as a dated snapshot that still has what the lock pins.
const MIRROR: &str = "SYSTOLE_DEBIAN_MIRROR";

impl Packages {
    fn stamp(&self) -> Stamp {
        Stamp::new(self.name, self.lock)
    }

    fn folder(&self) -> PathBuf {
        tools().join(self.name)
    }

    /// The version of a package of the lock.
    pub fn version(&self, name: &str) -> Result<String> {
        let packages = lock::parse(self.lock)?;
        let version = packages.iter().find_map(|package| {
            let rest = package.file_name().strip_prefix(name)?.strip_prefix('_')?;
            Some(
                rest.split('_')
                    .next()?
                    .replace("%2b", "+")
                    .replace("%7e", "~"),
            )
        });
        version.with_context(|| format!("{} has no {name}", self.lock_path))
    }

    /// Whether what the lock pins is there.
    pub fn is_installed(&self) -> bool {
        self.stamp().holds() && self.folder().exists()
    }

    /// Fetches and unpacks the packages unless they are there; the folder that holds them.
    pub fn install(&self) -> Result<PathBuf> {
        let folder = self.folder();
        if self.is_installed() {
            return Ok(folder);
        }
        let _lock = locked()?;
        if self.is_installed() {
            return Ok(folder);
        }
        if cfg!(not(target_arch = "x86_64")) {
            bail!("the pinned packages are for x86-64");
        }
        let packages =
            lock::parse(self.lock).with_context(|| format!("{} is damaged", self.lock_path))?;
        let fresh = tools().join(format!("{}.new", self.name));
        clear(&fresh)?;
        fetch(&packages, &fresh, self.lock_path)?;
        unpack(&packages, &fresh)?;
        for path in self.unneeded {
            remove(&fresh.join(path))?;
        }
        clear(&folder)?;
        fs::rename(&fresh, &folder).with_context(|| {
            format!("cannot rename {} to {}", fresh.display(), folder.display())
        })?;
        self.stamp().write()?;
        Ok(folder)
    }
}

/// Removes a file or a folder, if it is there.
fn remove(path: &Path) -> Result<()> {
    match path.is_dir() {
        true => clear(path),
        false if path.exists() => {
            fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))
        }
        false => Ok(()),
    }
}

fn clear(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

/// Downloads the packages into `folder`. The downloader of apt checks the hashes.
fn fetch(packages: &[Package], folder: &Path, lock_path: &str) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mirror = mirror()?;
    let bytes: u64 = packages.iter().map(|package| package.bytes).sum();
    eprintln!(
        "fetching {} packages ({} MB) from {mirror}",
        packages.len(),
        bytes / 1_000_000
    );
    let mut download = Command::new("/usr/lib/apt/apt-helper");
    // As root, apt would change to a user that may not write here.
    download.args(["-o", "APT::Sandbox::User=root", "-o", "quiet=2"]);
    download.arg("download-file");
    for package in packages {
        download.arg(format!("{mirror}/{}", package.path));
        download.arg(folder.join(package.file_name()));
        download.arg(format!("SHA256:{}", package.sha256));
    }
    let output = download
        .stdin(Stdio::null())
        .output()
        .context("cannot start apt-helper; this needs a Debian or Ubuntu with apt")?;
    if output.status.success() {
        return Ok(());
    }
    bail!(refusal(&String::from_utf8_lossy(&output.stderr), lock_path))
}

/// What to do when apt could not fetch everything and says `errors`.
fn refusal(errors: &str, lock_path: &str) -> String {
    let errors: Vec<&str> = errors.lines().filter(|line| !line.is_empty()).collect();
    let gone = errors
        .iter()
        .any(|line| line.starts_with("E: Failed to fetch") && line.contains(" 404 "));
    let advice = match gone {
        true => format!(
            "the mirror has moved on and no longer has every version that {lock_path} pins: run \
             `cargo xtask lock` to pin what it has now, or set {MIRROR} to a dated snapshot of \
             Debian's archive"
        ),
        false => format!("the packages of {lock_path} cannot be fetched"),
    };
    format!("{advice}\n{}", errors.join("\n"))
}

/// Unpacks the packages in `folder` and removes them.
fn unpack(packages: &[Package], folder: &Path) -> Result<()> {
    for package in packages {
        let file = folder.join(package.file_name());
        quietly(Command::new("dpkg").arg("-x").args([&file, folder]))?;
        fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
    }
    Ok(())
}

/// The mirror to ask, without a slash at its end.
fn mirror() -> Result<String> {
    if let Ok(mirror) = std::env::var(MIRROR) {
        return Ok(mirror.trim_end_matches('/').into());
    }
    let targets = |options: &[&str]| {
        let output = Command::new("apt-get")
            .arg("indextargets")
            .args(options)
            .arg("Created-By: Packages")
            .stderr(Stdio::inherit())
            .output()
            .context("cannot start apt-get; this needs a Debian with apt")?;
        anyhow::Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    // Who signed a release is known only once its lists were fetched. Before, the name must do.
    let signed = targets(&["--format", "$(ORIGIN) $(LABEL) $(REPO_URI)"])?;
    let named = targets(&["--no-release-info", "--format", "$(REPO_URI)"])?;
    let signed = signed
        .lines()
        .find_map(|line| line.strip_prefix("Debian Debian "));
    let without_slash = |uri: &str| uri.trim_end_matches('/').to_string();
    let mut named = named.lines().map(without_slash);
    signed
        .map(without_slash)
        .or_else(|| named.find(|uri| uri.ends_with("/debian")))
        .with_context(|| {
            format!(
                "apt knows no mirror of Debian here: set {MIRROR} to the address of one, the part \
                 before `/pool`"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locks_of_the_repository_are_well_formed() {
        let machine = ["qemu-system-x86_", "linux-image-", "libc6_"];
        let fpga = ["nextpnr-himbaechel-xilinx_", "prjxray-database_", "libc6_"];
        for (set, wanted) in [(MACHINE, machine), (FPGA, fpga)] {
            let packages = lock::parse(set.lock).unwrap();
            for wanted in wanted {
                let found = packages
                    .iter()
                    .filter(|package| package.file_name().starts_with(wanted));
                assert_eq!(found.count(), 1, "{wanted}");
            }
        }
    }

    #[test]
    fn a_mirror_that_moved_on_is_told_from_other_troubles() {
        let gone = "E: Failed to fetch http://mirror/pool/a.deb  404  Not Found [IP: 10.0.0.1 80]";
        assert!(refusal(gone, "the lock").contains("cargo xtask lock"));
        let mismatch = "E: Failed to fetch http://mirror/pool/a.deb  Hash Sum mismatch";
        let text = refusal(mismatch, "the lock");
        assert!(!text.contains("cargo xtask lock"), "{text}");
        assert!(text.contains("Hash Sum mismatch"), "{text}");
    }
}
