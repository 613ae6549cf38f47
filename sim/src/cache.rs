//! Where built cards are kept. The build script reads this file too.

use std::env;
use std::path::PathBuf;

/// `cards` in `SYSTOLE_CACHE`, else in `systole` in `XDG_CACHE_HOME` or in `.cache` of the home
/// folder; `None` when no variable names a folder.
pub fn cache_folder() -> Option<PathBuf> {
    let folder = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    folder("SYSTOLE_CACHE")
        .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("systole")))
        .or_else(|| folder("HOME").map(|home| home.join(".cache/systole")))
        .map(|cache| cache.join("cards"))
}
