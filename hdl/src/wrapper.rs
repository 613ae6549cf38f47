//! The card as FPGA tools expect it: whole buses and complete AXI4 channels.

use std::fmt::Write as _;

use isa::config::{Config, ConfigError};

use crate::card::Card;
use crate::emit::{EmitError, Emitted, Port, emit};

/// Name of the top module.
pub const TOP: &str = "systole_card";

/// Why a card could not be emitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmitCardError {
    /// No card can have this shape.
    #[error("bad configuration: {0}")]
    Config(#[from] ConfigError),
    /// A kernel cannot be printed.
    #[error(transparent)]
    Emit(#[from] EmitError),
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
    // Elaboration recurses through thousands of blocks.
    let shape = *shape;
    let built = std::thread::Builder::new()
        .stack_size(256 << 20)
        .spawn(move || {
            let card = Box::new(Card::new(&shape)?);
            Ok::<_, EmitCardError>(emit(card.as_ref(), "card")?)
        });
    let card = built
        .and_then(|thread| {
            thread
                .join()
                .map_err(|_| std::io::Error::other("the elaboration thread panicked"))
        })
        .map_err(|error| EmitError {
            module: "card".into(),
            message: error.to_string(),
        })??;
    Ok(wrap(card, shape.port_bytes as usize))
}

fn wrap(card: Emitted, port_bytes: usize) -> Emitted {
    let bus = port_bytes * 8;
    let is_word = |name: &str| name.starts_with("m_rdata_") || name.starts_with("m_wdata_");
    let mut ports: Vec<Port> = card
        .ports
        .iter()
        .filter(|port| !is_word(&port.name) && port.name != "m_wquarters")
        .cloned()
        .collect();
    let mut add = |name: &str, width: usize, is_input: bool| {
        ports.push(Port {
            name: name.into(),
            width,
            is_input,
        });
    };
    add("m_rdata", bus, true);
    add("m_wdata", bus, false);
    add("m_wstrb", port_bytes, false);
    for channel in ["ar", "aw"] {
        add(&format!("m_{channel}size"), 3, false);
        add(&format!("m_{channel}burst"), 2, false);
    }
    let mut text = format!("module {TOP} (\n");
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
    let _ = writeln!(text, ");\n  logic [3:0] quarters;");
    let size = port_bytes.ilog2();
    for channel in ["ar", "aw"] {
        let _ = writeln!(text, "  assign m_{channel}size = 3'd{size};");
        let _ = writeln!(text, "  assign m_{channel}burst = 2'd1;");
    }
    let part = port_bytes / 4;
    let marks: Vec<String> = (0..4)
        .rev()
        .map(|quarter| format!("{{{part}{{quarters[{quarter}]}}}}"))
        .collect();
    let _ = writeln!(text, "  assign m_wstrb = {{{}}};", marks.join(", "));
    let _ = writeln!(text, "  card card (");
    let connections: Vec<String> = card
        .ports
        .iter()
        .map(|port| {
            let name = &port.name;
            let outer = match name.rsplit_once('_') {
                Some((base, word)) if is_word(name) => {
                    format!("{base}[{} +: 32]", word.parse::<usize>().unwrap_or(0) * 32)
                }
                _ if name == "m_wquarters" => "quarters".to_string(),
                _ => name.clone(),
            };
            format!("    .{name}({outer})")
        })
        .collect();
    let _ = writeln!(text, "{}\n  );\nendmodule", connections.join(",\n"));
    let mut modules = card.modules;
    modules.push((TOP.to_string(), text));
    Emitted {
        top: TOP.to_string(),
        ports,
        modules,
    }
}
