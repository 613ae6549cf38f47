//! Programs out of Debian's packages, unpacked beside the other tools: nothing is installed and
//! nobody needs to be root.
//!
//! Which packages, in which version and with which hash stands in `xtask/debian.lock`. They come
//! from the mirror that this machine's apt uses, or from the one that [`MIRROR`] names.

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

/// The pinned packages: QEMU with all that it is linked to, and a kernel.
const LOCK: &str = include_str!("../../debian.lock");

/// Where [`LOCK`] stands, from the root of the workspace.
const LOCK_PATH: &str = "xtask/debian.lock";

/// Names another mirror, such as a dated snapshot that still has what the lock pins.
const MIRROR: &str = "SYSTOLE_DEBIAN_MIRROR";

/// Fetches and unpacks the packages unless they are there; the folder that holds them.
pub fn install() -> Result<PathBuf> {
    let folder = tools().join("debian");
    let stamp = Stamp::new("debian", LOCK);
    if stamp.holds() && folder.exists() {
        return Ok(folder);
    }
    let _lock = locked()?;
    if stamp.holds() && folder.exists() {
        return Ok(folder);
    }
    if cfg!(not(target_arch = "x86_64")) {
        bail!("the pinned packages are for x86-64");
    }
    let packages = lock::parse(LOCK).with_context(|| format!("{LOCK_PATH} is damaged"))?;
    let fresh = tools().join("debian.new");
    clear(&fresh)?;
    fetch(&packages, &fresh)?;
    unpack(&packages, &fresh)?;
    clear(&folder)?;
    fs::rename(&fresh, &folder)
        .with_context(|| format!("cannot rename {} to {}", fresh.display(), folder.display()))?;
    stamp.write()?;
    Ok(folder)
}

/// Whether what the lock pins is there.
pub fn is_installed() -> bool {
    Stamp::new("debian", LOCK).holds() && tools().join("debian").exists()
}

fn clear(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

/// Downloads the packages into `folder`. The downloader of apt checks the hashes.
fn fetch(packages: &[Package], folder: &Path) -> Result<()> {
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
    bail!(refusal(&String::from_utf8_lossy(&output.stderr)))
}

/// What to do when apt could not fetch everything and says `errors`.
fn refusal(errors: &str) -> String {
    let errors: Vec<&str> = errors.lines().filter(|line| !line.is_empty()).collect();
    let gone = errors
        .iter()
        .any(|line| line.starts_with("E: Failed to fetch") && line.contains(" 404 "));
    let advice = match gone {
        true => format!(
            "the mirror has moved on and no longer has every version that {LOCK_PATH} pins: run \
             `cargo xtask lock` to pin what it has now, or set {MIRROR} to a dated snapshot of \
             Debian's archive"
        ),
        false => format!("the packages of {LOCK_PATH} cannot be fetched"),
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
    fn the_lock_of_the_repository_is_well_formed() {
        let packages = lock::parse(LOCK).unwrap();
        for wanted in ["qemu-system-x86_", "linux-image-", "libc6_"] {
            let found = packages
                .iter()
                .filter(|package| package.file_name().starts_with(wanted));
            assert_eq!(found.count(), 1, "{wanted}");
        }
    }

    #[test]
    fn a_mirror_that_moved_on_is_told_from_other_troubles() {
        let gone = "E: Failed to fetch http://mirror/pool/a.deb  404  Not Found [IP: 10.0.0.1 80]";
        assert!(refusal(gone).contains("cargo xtask lock"));
        let mismatch = "E: Failed to fetch http://mirror/pool/a.deb  Hash Sum mismatch";
        let text = refusal(mismatch);
        assert!(!text.contains("cargo xtask lock"), "{text}");
        assert!(text.contains("Hash Sum mismatch"), "{text}");
    }
}
