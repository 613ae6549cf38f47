//! What the guest starts from: programs that need no library, and the first file system.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::cpio::Archive;
use super::kernel::Kernel;
use super::read;
use crate::run::{announced, cargo, target_dir};

/// The target for which the programs are built. Named, so that the flags below hold for them and
/// not for what runs during the build.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds the programs of the guest; the folder that holds them.
pub fn build() -> Result<PathBuf> {
    announced(
        cargo(&["build", "--profile=guest", "--target", TARGET])
            .args(["--package=systole-guest", "--package=systole"])
            .args(["--no-default-features", "--features=systole/cli"])
            .env("RUSTFLAGS", "-C target-feature=+crt-static"),
    )?;
    Ok(target_dir().join(TARGET).join("guest"))
}

/// The first file system: the programs in `programs` and the modules of `kernel`.
pub fn file_system(programs: &Path, kernel: &Kernel) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for folder in ["bin", "dev", "modules", "proc", "sys", "tmp"] {
        archive.folder(folder);
    }
    // The kernel opens it for the first program, before anything is mounted.
    archive.device("dev/console", 5, 1);
    archive.program("init", &read(&programs.join("guest"))?);
    archive.program("bin/systole", &read(&programs.join("systole"))?);
    for (order, (name, module)) in kernel.modules()?.iter().enumerate() {
        archive.file(&format!("modules/{order}-{name}.ko"), module);
    }
    Ok(archive.finish())
}
