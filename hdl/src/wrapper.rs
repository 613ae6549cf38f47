//! The card as FPGA tools expect it: whole buses and complete AXI4 channels.

use std::fmt::Write as _;

use isa::config::{Config, ConfigError};
use isa::regs::LINK_TIMEOUT_RESET;

use crate::card::Card;
use crate::emit::{EmitError, Emitted, Port, emit};
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
    Ok(wrap(card, TOP, "m", shape.port_bytes as usize))
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
    Ok(wrap(card, PCIE_TOP, "l", shape.port_bytes as usize))
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

/// Ports that are words of one bus on the outside: `name_0`, `name_1` and so on.
const BUSES: [&str; 7] = [
    "m_rdata", "m_wdata", "l_rdata", "l_wdata", "l_wstrb", "rx_data", "tx_data",
];

/// The bus of a port and which word of it the port is.
fn word_of(name: &str) -> Option<(&str, usize)> {
    let (bus, word) = name.rsplit_once('_')?;
    let word = word.parse().ok()?;
    BUSES.contains(&bus).then_some((bus, word))
}

/// Puts a module around a card whose memory port has names that begin with `axi`.
fn wrap(card: Emitted, top: &str, axi: &str, port_bytes: usize) -> Emitted {
    let mut ports: Vec<Port> = Vec::new();
    for port in &card.ports {
        match word_of(&port.name) {
            None if port.name == "m_wquarters" => ports.push(Port {
                name: "m_wstrb".into(),
                width: port_bytes,
                is_input: false,
            }),
            None => ports.push(port.clone()),
            Some((bus, _)) => match ports.iter_mut().find(|known| known.name == bus) {
                Some(known) => known.width += port.width,
                None => ports.push(Port {
                    name: bus.into(),
                    ..port.clone()
                }),
            },
        }
    }
    for channel in ["ar", "aw"] {
        for (signal, width) in [("size", 3), ("burst", 2)] {
            ports.push(Port {
                name: format!("{axi}_{channel}{signal}"),
                width,
                is_input: false,
            });
        }
    }
    let mut text = format!("module {top} (\n");
    for (index, port) in ports.iter().enumerate() {
        let way = if port.is_input { "input " } else { "output" };
        let range = if port.width == 1 {
            String::new()
        } else {
            format!("[{}:0] ", port.width - 1)
        };
        let comma = if index + 1 == ports.len() { "" } else { "," };
        let _ = writeln!(text, "  {way} logic {range}{}{comma}", port.name);
    }
    let _ = writeln!(text, ");");
    let size = port_bytes.ilog2();
    for channel in ["ar", "aw"] {
        let _ = writeln!(text, "  assign {axi}_{channel}size = 3'd{size};");
        let _ = writeln!(text, "  assign {axi}_{channel}burst = 2'd1;");
    }
    if card.ports.iter().any(|port| port.name == "m_wquarters") {
        let part = port_bytes / 4;
        let marks: Vec<String> = (0..4)
            .rev()
            .map(|quarter| format!("{{{part}{{quarters[{quarter}]}}}}"))
            .collect();
        let _ = writeln!(text, "  logic [3:0] quarters;");
        let _ = writeln!(text, "  assign m_wstrb = {{{}}};", marks.join(", "));
    }
    let _ = writeln!(text, "  {0} {0} (", card.top);
    let connections: Vec<String> = card
        .ports
        .iter()
        .map(|port| {
            let name = &port.name;
            let outer = match word_of(name) {
                Some((bus, word)) => format!("{bus}[{} +: {}]", word * port.width, port.width),
                None if name == "m_wquarters" => "quarters".to_string(),
                None => name.clone(),
            };
            format!("    .{name}({outer})")
        })
        .collect();
    let _ = writeln!(text, "{}\n  );\nendmodule", connections.join(",\n"));
    let mut modules = card.modules;
    modules.push((top.to_string(), text));
    Emitted {
        top: top.to_string(),
        ports,
        modules,
    }
}
