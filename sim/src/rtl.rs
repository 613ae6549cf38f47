//! The seam to the emitter. The build script reads this file too.

use isa::config::Config;

/// Doublewords of a beat of the link, unless asked otherwise.
pub const DEFAULT_WORDS: usize = 2;

/// The Verilog of a card.
pub struct Rtl {
    /// Name of the top module.
    pub top: String,
    /// Text of all modules.
    pub verilog: String,
}

impl Rtl {
    /// What was emitted.
    ///
    /// # Errors
    /// Says what the emitter could not do.
    pub fn of(card: Result<hdl::emit::Emitted, hdl::EmitCardError>) -> Result<Self, String> {
        let card = card.map_err(|error| error.to_string())?;
        Ok(Self {
            verilog: card.verilog(),
            top: card.top,
        })
    }
}

/// Emits the card of this shape.
///
/// # Errors
/// Says what the emitter could not do.
pub fn emit(config: &Config) -> Result<Rtl, String> {
    Rtl::of(hdl::emit_card(config))
}

/// Emits the card of this shape behind a PCIe endpoint whose beats have `words` doublewords.
///
/// # Errors
/// Says what the emitter could not do.
pub fn emit_link(config: &Config, words: usize) -> Result<Rtl, String> {
    let link = hdl::LinkConfig {
        words,
        ..hdl::LinkConfig::default()
    };
    Rtl::of(hdl::emit_pcie_card(config, &link))
}
