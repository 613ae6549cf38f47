//! The seam to the emitter. The build script reads this file too.

use isa::config::Config;

/// The Verilog of a card.
pub struct Rtl {
    /// Name of the top module.
    pub top: String,
    /// Text of all modules.
    pub verilog: String,
}

/// Emits the card of this shape.
///
/// # Errors
/// Says what the emitter could not do.
pub fn emit(config: &Config) -> Result<Rtl, String> {
    let card = hdl::emit_card(config).map_err(|error| error.to_string())?;
    Ok(Rtl {
        verilog: card.verilog(),
        top: card.top,
    })
}
