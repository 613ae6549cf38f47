//! The folder for what was fetched or computed once.

use std::path::{Path, PathBuf};

use super::ModelError;
use crate::output;

/// The cache folder: `SYSTOLE_CACHE`, or else `systole` in the cache folder of the user
/// (`XDG_CACHE_HOME`, or else `~/.cache`). It need not exist.
///
/// # Errors
/// When none of the variables is set, nor `HOME`.
pub fn folder() -> Result<PathBuf, ModelError> {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    variable("SYSTOLE_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("systole")))
        .or_else(|| Some(variable("HOME")?.join(".cache").join("systole")))
        .ok_or_else(|| ModelError::Missing {
            path: "the cache folder".into(),
            hint: "set SYSTOLE_CACHE to a folder that can be written".into(),
        })
}

/// Writes a file so that others see all of it or nothing, and makes its folders.
///
/// # Errors
/// When the folder cannot be made or written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    let io = |source| ModelError::Io {
        path: path.into(),
        source,
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(io)?;
    output::write(path, |file| file.write_all(bytes)).map_err(ModelError::Write)
}
