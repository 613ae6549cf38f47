//! The cache of built files, safe under concurrent processes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::compile::Compiler;
use crate::{Design, Error, Library, Options, Verilator, shim};

/// Builds `design` if the cache does not hold it yet, and loads it.
///
/// A build that is in `cache_dir` already costs only the loading. Several threads and processes may
/// share the folder.
pub fn build(design: &Design, options: &Options, cache_dir: &Path) -> Result<Library, Error> {
    let path = so_path(design, options, cache_dir)?;
    // SAFETY: the file is a shared object that this crate made from its own shim and has not been
    // opened for writing since it was moved to its final name.
    unsafe { Library::open(&path) }
}

/// Builds `design` if the cache does not hold it yet; gives the path of the shared object.
///
/// For build scripts that embed the file and load it with [`Library::from_bytes`].
pub fn so_path(design: &Design, options: &Options, cache_dir: &Path) -> Result<PathBuf, Error> {
    design.check()?;
    let verilator = Verilator::find()?;
    let compiler = Compiler::new(&verilator, options)?;
    let shim = shim::source(design, options);
    let hash = hash(&[&design.top, &design.verilog, &shim, &compiler.key(design)]);
    get_or_make(cache_dir, &format!("lib{hash}.so"), |work| {
        compiler.shared_object(design, &shim, cache_dir, work)
    })
}

/// The SHA-256 of `parts`, in hexadecimal. Lengths go in too: no two lists of parts are alike.
pub(crate) fn hash(parts: &[&str]) -> String {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_le_bytes());
        sha.update(part);
    }
    sha.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// The path of `name` in `cache_dir`. If it is not there, `make` builds a file in a fresh folder,
/// which is then moved to that name; meanwhile others that need the same file wait.
pub(crate) fn get_or_make(
    cache_dir: &Path,
    name: &str,
    make: impl FnOnce(&Path) -> Result<PathBuf, Error>,
) -> Result<PathBuf, Error> {
    let cache_dir = std::path::absolute(cache_dir).map_err(Error::io("resolve", cache_dir))?;
    let path = cache_dir.join(name);
    if path.exists() {
        return Ok(path);
    }
    fs::create_dir_all(&cache_dir).map_err(Error::io("create", &cache_dir))?;
    let lock_path = cache_dir.join(format!("{name}.lock"));
    let lock = File::create(&lock_path).map_err(Error::io("create", &lock_path))?;
    lock.lock().map_err(Error::io("lock", &lock_path))?;
    if !path.exists() {
        let work = tempfile::Builder::new()
            .prefix("build-")
            .tempdir_in(&cache_dir)
            .map_err(Error::io("create a folder in", &cache_dir))?;
        let made = make(work.path())?;
        fs::rename(&made, &path).map_err(Error::io("move into place", &path))?;
    }
    Ok(path)
}
