//! The ports of a top, each of which must be one of the board's.

use serde_json::Value;

use crate::boards::{Board, Direction, Pins};

/// A port of a top module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Which way.
    pub direction: Direction,
    /// Bits.
    pub width: usize,
}

/// Why the ports of a top do not fit a board.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// The netlist cannot be read.
    #[error("the netlist has no top module `{0}` with ports")]
    NoTop(String),
    /// A port has no pin.
    #[error("port `{port}` of the top has no pin on {board}: name it as one of {known}")]
    Unconstrained {
        /// The port.
        port: String,
        /// The board.
        board: &'static str,
        /// Ports that have pins.
        known: String,
    },
    /// A port is wider or narrower than its pins.
    #[error("port `{port}` has {width} bits, but {board} has {pins} pins of that name")]
    Width {
        /// The port.
        port: String,
        /// Its bits.
        width: usize,
        /// The board.
        board: &'static str,
        /// Pins that there are.
        pins: usize,
    },
    /// A port drives what the board drives, or reads what nobody drives.
    #[error("port `{port}` is {is}, but on {board} the pin is {wanted}")]
    Direction {
        /// The port.
        port: String,
        /// What it is.
        is: &'static str,
        /// The board.
        board: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// No clock comes in.
    #[error("the top has no port `{port}`, the clock of {board}")]
    NoClock {
        /// The port of the clock.
        port: &'static str,
        /// The board.
        board: &'static str,
    },
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "an input",
        Direction::Out => "an output",
        Direction::InOut => "an inout",
    }
}

/// The ports of `top` in a netlist in the JSON of Yosys, by name.
///
/// # Errors
/// There is no such module.
pub fn ports(netlist: &Value, top: &str) -> Result<Vec<Port>, PortError> {
    let none = || PortError::NoTop(top.to_string());
    let module = netlist.get("modules").and_then(|modules| modules.get(top));
    let ports = module.and_then(|module| module.get("ports")?.as_object());
    let ports = ports.ok_or_else(none)?.iter().map(|(name, port)| {
        let direction = match port.get("direction").and_then(Value::as_str) {
            Some("input") => Direction::In,
            Some("output") => Direction::Out,
            Some("inout") => Direction::InOut,
            _ => return Err(none()),
        };
        let bits = port.get("bits").and_then(Value::as_array);
        Ok(Port {
            name: name.clone(),
            direction,
            width: bits.ok_or_else(none)?.len(),
        })
    });
    ports.collect()
}

/// The pins of the ports of a top.
///
/// # Errors
/// A port without a pin of its width and direction, or no clock.
pub fn bind(board: Board, ports: &[Port]) -> Result<Vec<&'static Pins>, PortError> {
    let name = board.name();
    let clock = board.clock().port;
    if !ports.iter().any(|port| port.name == clock) {
        return Err(PortError::NoClock {
            port: clock,
            board: name,
        });
    }
    let bound = ports.iter().map(|port| {
        let pins = board.pins().iter().find(|pins| pins.port == port.name);
        let Some(pins) = pins else {
            let known: Vec<&str> = board.pins().iter().map(|pins| pins.port).collect();
            return Err(PortError::Unconstrained {
                port: port.name.clone(),
                board: name,
                known: known.join(", "),
            });
        };
        if port.width != pins.sites.len() {
            return Err(PortError::Width {
                port: port.name.clone(),
                width: port.width,
                board: name,
                pins: pins.sites.len(),
            });
        }
        if port.direction != pins.direction {
            return Err(PortError::Direction {
                port: port.name.clone(),
                is: word(port.direction),
                board: name,
                wanted: word(pins.direction),
            });
        }
        Ok(pins)
    });
    bound.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn port(name: &str, direction: Direction, width: usize) -> Port {
        Port {
            name: name.into(),
            direction,
            width,
        }
    }

    #[test]
    fn ports_are_read_from_a_netlist() {
        let netlist = json!({ "modules": { "top": { "ports": {
            "led": { "direction": "output", "bits": [2, 3, "0"] },
            "clk": { "direction": "input", "bits": [4] } } } } });
        let read = ports(&netlist, "top").unwrap();
        assert!(read.contains(&port("led", Direction::Out, 3)), "{read:?}");
        assert!(read.contains(&port("clk", Direction::In, 1)), "{read:?}");
        for (netlist, top) in [(netlist.clone(), "other"), (json!({}), "top")] {
            assert!(matches!(ports(&netlist, top), Err(PortError::NoTop(_))));
        }
        let odd = json!({ "modules": { "top": { "ports": { "x": { "direction": "?" } } } } });
        assert!(ports(&odd, "top").is_err());
    }

    #[test]
    fn every_port_needs_its_pins() {
        let clock = port("clk_25mhz", Direction::In, 1);
        let bind = |others: &[Port]| {
            let all = [std::slice::from_ref(&clock), others].concat();
            super::bind(Board::Ulx3s85f, &all)
        };
        let bound = bind(&[port("led", Direction::Out, 8)]).unwrap();
        assert_eq!(bound[1].sites[7], "H3");
        let error = |port| bind(&[port]).unwrap_err().to_string();
        let text = error(port("leds", Direction::Out, 8));
        assert!(text.contains("`leds`") && text.contains("led"), "{text}");
        let text = error(port("led", Direction::Out, 9));
        assert!(text.contains("9 bits") && text.contains("8 pins"), "{text}");
        let text = error(port("ftdi_txd", Direction::Out, 1));
        assert!(text.contains("is an output") && text.contains("is an input"));
        let text = super::bind(Board::Ulx3s85f, &[]).unwrap_err().to_string();
        assert!(text.contains("clk_25mhz"), "{text}");
    }
}
