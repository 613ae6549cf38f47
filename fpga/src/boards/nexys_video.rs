//! Digilent Nexys Video with an XC7A200T, as its maker's constraints have it
//! (`Nexys-Video-Master.xdc`).

use super::{Clock, Part, Pins, Pull};

pub const PART: Part = Part::Xc7 {
    die: "xc7a200t",
    device: "xc7a200tsbg484-1",
};

pub const CLOCK: Clock = Clock {
    port: "clk100",
    mhz: 100.0,
};

pub const PINS: [Pins; 5] = [
    Pins::input("clk100", &["R4"], Pull::None),
    Pins::output("uart_tx", &["AA19"]).driven(12),
    Pins::input("uart_rx", &["V18"], Pull::Up),
    Pins::output(
        "led",
        &["T14", "T15", "T16", "U16", "V15", "W16", "W15", "Y13"],
    )
    .at("LVCMOS25")
    .driven(12),
    // Low while pressed.
    Pins::input("cpu_resetn", &["G4"], Pull::None).at("LVCMOS15"),
];
