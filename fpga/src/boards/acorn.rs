//! SQRL Acorn CLE-215 and CLE-215+, which RHS Research sells as NiteFury: an M.2 card with an
//! XC7A200T. Pins as LiteX's table of the board has them; lane 0 of the slot, which is that of the
//! SATA pins of an M.2 socket. The CLE-215+ has speed grade 3, which does what 2 does.

use super::{Clock, Direction, Part, Pins, Pull};

pub const PART: Part = Part::Xc7 {
    die: "xc7a200t",
    device: "xc7a200tfbg484-2",
};

/// The reference clock of the slot. The board has one of its own, which nothing here uses.
pub const CLOCK: Clock = Clock {
    port: "pcie_clk_p",
    mhz: 100.0,
};

pub const PINS: [Pins; 9] = [
    Pins::transceiver("pcie_clk_p", &["F6"], Direction::In),
    Pins::transceiver("pcie_clk_n", &["E6"], Direction::In),
    Pins::transceiver("pcie_rx_p", &["B10"], Direction::In),
    Pins::transceiver("pcie_rx_n", &["A10"], Direction::In),
    Pins::transceiver("pcie_tx_p", &["B6"], Direction::Out),
    Pins::transceiver("pcie_tx_n", &["A6"], Direction::Out),
    // PERST#, low while the slot is in reset.
    Pins::input("pcie_rst_n", &["J1"], Pull::Up),
    // CLKREQ#, low to ask for the reference clock.
    Pins::output("pcie_clkreq_n", &["G1"]),
    Pins::output("led", &["G3", "H3", "G4", "H4"]).driven(12),
];
