//! Tells the library where Cargo has put the headers and archives of zlib and LZ4, which
//! Verilator's writer of waveforms needs: so nobody has to install them.

use std::error::Error;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    for (name, package, archive) in [("ZLIB", "Z", "libz.a"), ("LZ4", "LZ4", "liblz4.a")] {
        let told = |what: &str| std::env::var(format!("DEP_{package}_{what}"));
        let archive = find(&PathBuf::from(told("ROOT")?), archive)?;
        println!("cargo::rustc-env={name}_INCLUDE={}", told("INCLUDE")?);
        println!("cargo::rustc-env={name}_ARCHIVE={}", archive.display());
    }
    Ok(())
}

/// The archive in the folder of its package, or in `lib` below it.
fn find(root: &Path, archive: &str) -> Result<PathBuf, String> {
    [root.join(archive), root.join("lib").join(archive)]
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| format!("there is no {archive} in {}", root.display()))
}
