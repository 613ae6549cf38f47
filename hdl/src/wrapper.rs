//! The card as FPGA tools expect it: whole buses and complete AXI4 channels.

use isa::config::{Config, ConfigError};
use isa::regs::LINK_TIMEOUT_RESET;

use crate::buses::{Added, bursts, wrap};
use crate::card::Card;
use crate::emit::{EmitError, Emitted, emit};
use crate::pcie::PcieCard;
use crate::serial::{SerialCard, Uart};

/// Name of the top module of a card alone.
pub const TOP: &str = "systole_card";

/// Name of the top module of a card behind PCIe.
pub const PCIE_TOP: &str = "systole_pcie";

/// Name of the top module of a card behind a serial link.
pub const SERIAL_TOP: &str = "systole_serial";

/// Name of the top module of what stands between a serial link and its wires.
pub const UART_TOP: &str = "systole_uart";

/// Why a card could not be emitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmitCardError {
    /// No card can have this shape.
    #[error("bad configuration: {0}")]
    Config(#[from] ConfigError),
    /// No link has beats of so many doublewords.
    #[error("a beat of the link must have 2 or 4 doublewords, not {0}")]
    Link(usize),
    /// Nobody can tell bits apart that last so few cycles.
    #[error(
        "a bit must last at least 4 cycles: {baud} bits a second need a clock of 4 * {baud} Hz or \
         more, not {clock_hz} Hz"
    )]
    Baud {
        /// Cycles a second.
        clock_hz: u32,
        /// Bits a second.
        baud: u32,
    },
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

/// The serial link of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SerialConfig {
    /// Cycles after which messages are sent anew that the host does not acknowledge. It must have
    /// time for a frame and its answer, through all that is between card and host.
    pub resend_cycles: u32,
}

impl Default for SerialConfig {
    /// 50 ms at 100 MHz: three times what adapters to USB wait for more bytes.
    fn default() -> Self {
        Self {
            resend_cycles: 5_000_000,
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

/// Verilog of a card of this shape behind a serial link; the top module is [`SERIAL_TOP`].
///
/// The wrapper joins words to buses and adds the AXI4 signals of the card's own memory that never
/// change. The link is bytes; [`emit_uart`] makes wires of them.
///
/// # Errors
/// A shape that no card can have.
pub fn emit_serial_card(shape: &Config, link: &SerialConfig) -> Result<Emitted, EmitCardError> {
    let (shape, link) = (*shape, *link);
    let card = elaborate(move || {
        let card = Box::new(SerialCard::new(&shape, &link)?);
        Ok(emit(card.as_ref(), "serial_card")?)
    })?;
    Ok(wrap(
        card,
        SERIAL_TOP,
        &bursts("l", shape.port_bytes as usize),
    ))
}

/// Verilog of a UART for a clock of `clock_hz` and `baud` bits a second; the top module is
/// [`UART_TOP`].
///
/// # Errors
/// A bit that lasts less than 4 cycles, or for ever.
pub fn emit_uart(clock_hz: u32, baud: u32) -> Result<Emitted, EmitCardError> {
    if baud == 0 || clock_hz / 4 < baud {
        return Err(EmitCardError::Baud { clock_hz, baud });
    }
    Ok(emit(&Uart::new(clock_hz, baud), UART_TOP)?)
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
