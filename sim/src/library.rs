//! Models of cards by their shape.

use std::path::PathBuf;

use isa::config::Config;
use verilate::Design;
pub use verilate::Library;

use crate::rtl::{self, DEFAULT_WORDS, Rtl};
use crate::{Error, cache};

/// The model of the default card as the build script made it; empty when it could not.
const EMBEDDED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/card.so"));

/// The same behind PCIe, with beats of [`DEFAULT_WORDS`].
const EMBEDDED_LINK: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/link.so"));

/// The processor that it was compiled for.
const EMBEDDED_FOR: &str = include_str!(concat!(env!("OUT_DIR"), "/processor.txt"));

/// The model of a card of this shape.
///
/// The default one is part of this library, if Verilator was there when the library was built, and
/// is used on the kind of processor that built it.
/// Every other is taken from the cache, or built into it.
///
/// # Errors
/// A wrong configuration, and what can go wrong while the model is built.
pub fn for_config(config: &Config, fst: bool) -> Result<Library, Error> {
    config.check()?;
    let embedded = (*config == Config::default()).then_some(EMBEDDED);
    prepare(config, fst, embedded, || rtl::emit(config))
}

/// The model of a card of this shape behind PCIe, whose beats have `words` doublewords, 2 or 4.
///
/// # Errors
/// As [`for_config`].
pub fn for_link(config: &Config, words: usize, fst: bool) -> Result<Library, Error> {
    config.check()?;
    let is_default = *config == Config::default() && words == DEFAULT_WORDS;
    let embedded = is_default.then_some(EMBEDDED_LINK);
    prepare(config, fst, embedded, || rtl::emit_link(config, words))
}

/// The model of a card of this shape behind a serial link, without its UART.
///
/// # Errors
/// As [`for_config`].
pub fn for_serial(config: &Config) -> Result<Library, Error> {
    config.check()?;
    let serial = hdl::SerialConfig::default();
    prepare(config, false, None, || {
        Rtl::of(hdl::emit_serial_card(config, &serial))
    })
}

/// The model of a card that was synthesised: its netlist, with the models of all cells in it.
///
/// # Errors
/// What can go wrong while the model is built: for a card of 4x4 that takes minutes.
pub fn for_netlist(verilog: String) -> Result<Library, Error> {
    let design = Design::from_verilog(hdl::TOP, verilog)?;
    let options = verilate::Options::default();
    Ok(verilate::build(&design, &options, &cache_folder()?)?)
}

fn prepare(
    config: &Config,
    fst: bool,
    embedded: Option<&'static [u8]>,
    emit: impl FnOnce() -> Result<Rtl, String>,
) -> Result<Library, Error> {
    let fits = !fst && EMBEDDED_FOR == verilate::processor();
    if let Some(bytes) = embedded.filter(|bytes| fits && !bytes.is_empty()) {
        // SAFETY: the build script wrote these bytes from a file that `so_path` made.
        return Ok(unsafe { Library::from_bytes(bytes) }?);
    }
    let rtl = emit().map_err(Error::Rtl)?;
    let design = Design::from_verilog(rtl.top, rtl.verilog)?;
    let folder = cache_folder()?;
    tracing::info!(
        rows = config.rows,
        cols = config.cols,
        fst,
        ?folder,
        "preparing the simulation model; the first time this takes tens of seconds"
    );
    let options = verilate::Options { fst, native: true };
    Ok(verilate::build(&design, &options, &folder)?)
}

/// Where built cards are kept: `cards` in `SYSTOLE_CACHE`, else in `systole` in
/// `XDG_CACHE_HOME` or in `.cache` of the home folder.
///
/// # Errors
/// [`Error::NoCache`].
pub fn cache_folder() -> Result<PathBuf, Error> {
    cache::cache_folder().ok_or(Error::NoCache)
}
