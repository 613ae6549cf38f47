//! What the tests share.

use std::path::PathBuf;

/// The cache that all tests use, so that the runtime is compiled once.
pub fn cache_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("verilated")
}
