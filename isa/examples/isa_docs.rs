//! Writes `docs/isa.md`, or the file named by the first argument.

use std::path::PathBuf;
use systole_isa as isa;

fn main() -> std::io::Result<()> {
    let path = std::env::args_os().nth(1).map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/isa.md")),
        PathBuf::from,
    );
    std::fs::write(path, isa::doc::page())
}
