//! The card as FPGA tools expect it: whole buses and complete AXI4 channels.

use isa::config::{Config, ConfigError};
use isa::regs::LINK_TIMEOUT_RESET;

use crate::buses::{Added, bursts, wrap};
use crate::card::Card;
use crate::emit::{EmitError, Emitted, emit};
use crate::pcie::PcieCard;

/// Name of the top module of a card alone.
pub const TOP: &str = "systole_card";

/// Name of the top module of a card behind PCIe.
pub const PCIE_TOP: &str = "systole_pcie";

/// Why a card could not be emitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmitCardError {
    /// No card can have this shape.
    #[error("bad configuration: {0}")]
    Config(#[from] ConfigError),
    /// No link has beats of so many doublewords.
    #[error("a beat of the link must have 2 or 4 doublewords, not {0}")]
    Link(usize),
    /// A kernel cannot be printed.
    #[error(transparent)]
    Emit(#[from] EmitError),
}

/// The link of a card behind PCIe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkConfig {
    /// Doublewords of a beat: 2 or 4.
    pub words: usize,
    /// A tag whose answer did not come rests as if no timeout of a read had been shorter than this:
    /// for twice as many cycles at least.
    pub rest_timeout: u32,
}

impl Default for LinkConfig {
    /// Beats of 64 bits; tags rest as they do while software leaves the timeout as it was.
    fn default() -> Self {
        Self {
            words: 2,
            rest_timeout: LINK_TIMEOUT_RESET,
        }
    }
}

/// Verilog of a card of this shape; the top module is [`TOP`].
///
/// The wrapper joins the words of lines to buses, spreads the write mask over bytes and adds the
/// AXI4 signals that never change. Who has no PCIe endpoint beside the card ties `link_ticks` to 0,
/// and who has a memory that names no causes, `m_ruser` and `m_buser`.
///
/// # Errors
/// A shape that no card can have.
pub fn emit_card(shape: &Config) -> Result<Emitted, EmitCardError> {
    let shape = *shape;
    let card = elaborate(move || {
        let card = Box::new(Card::new(&shape)?);
        Ok(emit(card.as_ref(), "card")?)
    })?;
    let port_bytes = shape.port_bytes as usize;
    let mut added = bursts("m", port_bytes);
    // One strobe stands for a quarter of a line.
    added.push((
        "m_wstrb".into(),
        Added::Repeated("m_wquarters", port_bytes / 4),
    ));
    Ok(wrap(card, TOP, &added))
}

/// Verilog of a card of this shape behind a PCIe endpoint; the top module is [`PCIE_TOP`].
///
/// The wrapper joins words to buses and adds the AXI4 signals of the card's own memory that never
/// change.
///
/// # Errors
/// A shape that no card can have, or a link whose beats have neither 2 nor 4 doublewords.
pub fn emit_pcie_card(shape: &Config, link: &LinkConfig) -> Result<Emitted, EmitCardError> {
    let (shape, link) = (*shape, *link);
    if !matches!(link.words, 2 | 4) {
        return Err(EmitCardError::Link(link.words));
    }
    let card = elaborate(move || {
        let card = Box::new(PcieCard::new(&shape, &link)?);
        Ok(emit(card.as_ref(), "pcie_card")?)
    })?;
    Ok(wrap(
        card,
        PCIE_TOP,
        &bursts("l", shape.port_bytes as usize),
    ))
}

/// Runs an elaboration, which recurses through thousands of blocks, where there is room for it.
fn elaborate(
    work: impl FnOnce() -> Result<Emitted, EmitCardError> + Send + 'static,
) -> Result<Emitted, EmitCardError> {
    let thread = std::thread::Builder::new()
        .stack_size(256 << 20)
        .spawn(work);
    thread
        .and_then(|thread| {
            thread
                .join()
                .map_err(|_| std::io::Error::other("the elaboration thread panicked"))
        })
        .map_err(|error| EmitError {
            module: "card".into(),
            message: error.to_string(),
        })?
}
