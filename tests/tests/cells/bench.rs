//! A cell behind a module with whole buses.

use std::path::PathBuf;

use verilate::{Design, Error, Library, Options};

/// Where models are kept.
fn cache() -> PathBuf {
    sim::library::cache_folder().expect("a folder for models")
}

/// Pins `NAME0` to `NAMEn` connected to a bus.
pub fn pins(name: &str, bus: &str, count: usize) -> String {
    let pins = (0..count).map(|at| format!(".{name}{at}({bus}[{at}])"));
    pins.collect::<Vec<_>>().join(", ")
}

/// Builds a module around a cell.
pub fn build(module: String, cell: &str) -> Result<Library, Error> {
    let design = Design::from_verilog("bench", module + cell)?;
    verilate::build(&design, &Options::default(), &cache())
}

/// Says that a cell refuses these parameters, and that it names what it refuses.
pub fn refuses(module: String, cell: &str, names: &str) {
    let error = build(module, cell).expect_err("it is refused").to_string();
    assert!(error.contains(names), "{error}");
}
