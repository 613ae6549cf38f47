//! Constraints for nextpnr-himbaechel-xilinx, which reads one property a line.

use std::fmt::Write as _;

use crate::boards::{Clock, Pins, Pull};

/// The text of an XDC file that constrains these pins and this clock.
pub fn xdc(pins: &[&Pins], clock: &Clock) -> String {
    let mut text = String::new();
    for pins in pins {
        for (name, site) in pins.bits() {
            let mut set = |property: &str, value: &str| {
                let _ = writeln!(
                    text,
                    "set_property {property} {value} [get_ports {{{name}}}]"
                );
            };
            set("LOC", site);
            if let Some(standard) = pins.standard {
                set("IOSTANDARD", standard);
            }
            match pins.pull {
                Pull::None => {}
                Pull::Up => set("PULLTYPE", "PULLUP"),
                Pull::Down => set("PULLTYPE", "PULLDOWN"),
            }
            if let Some(drive) = pins.drive {
                set("DRIVE", &drive.to_string());
                set("SLEW", if pins.fast { "FAST" } else { "SLOW" });
            }
        }
    }
    let _ = writeln!(
        text,
        "create_clock -period {:.3} [get_ports {}]",
        1e3 / clock.mhz,
        clock.port
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boards::Board;

    #[test]
    fn every_bit_has_a_place_and_a_standard() {
        let board = Board::Artix7200t;
        let pins: Vec<&Pins> = board.pins().iter().collect();
        let text = xdc(&pins, &board.clock());
        let bits: usize = pins.iter().map(|pins| pins.sites.len()).sum();
        assert_eq!(text.matches("set_property LOC ").count(), bits);
        assert_eq!(text.matches("set_property IOSTANDARD ").count(), bits);
        for line in [
            "set_property LOC T14 [get_ports {led[0]}]",
            "set_property IOSTANDARD LVCMOS15 [get_ports {cpu_resetn}]",
            "set_property PULLTYPE PULLUP [get_ports {uart_rx}]",
            "create_clock -period 10.000 [get_ports clk100]",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn pads_of_transceivers_have_a_place_only() {
        let board = Board::AcornCle215;
        let pins: Vec<&Pins> = board.pins().iter().collect();
        let text = xdc(&pins, &board.clock());
        for pad in ["pcie_clk_p", "pcie_rx_n", "pcie_tx_p"] {
            let about = format!("[get_ports {{{pad}}}]");
            let lines: Vec<_> = text.lines().filter(|line| line.ends_with(&about)).collect();
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].starts_with("set_property LOC "), "{lines:?}");
        }
        assert!(text.contains("set_property IOSTANDARD LVCMOS33 [get_ports {pcie_rst_n}]"));
    }
}
