//! ULX3S with an LFE5U-85F, as the constraints of its maker have it (`ulx3s_v20.lpf`, boards of
//! versions 2 and 3). Directions are those of the FPGA; names of the serial port are those of the
//! FTDI chip, which receives what the FPGA transmits.

use super::{Clock, Direction, Part, Pins, Pull};

pub const PART: Part = Part::Ecp5 {
    die: "85k",
    package: "CABGA381",
    speed: "6",
};

pub const CLOCK: Clock = Clock {
    port: "clk_25mhz",
    mhz: 25.0,
};

pub const PINS: [Pins; 16] = [
    Pins::input("clk_25mhz", &["G2"], Pull::None),
    Pins::output("ftdi_rxd", &["L4"]),
    Pins::input("ftdi_txd", &["M1"], Pull::Up),
    Pins::output("led", &["B2", "C2", "C1", "D2", "D1", "E2", "E1", "H3"]),
    // High while pressed.
    Pins::input("btn_fire1", &["R1"], Pull::Down),
    // Held high, or the WiFi module loads a bitstream of its own.
    Pins::output("wifi_gpio0", &["L2"]),
    Pins::output("sdram_clk", &["F19"]),
    Pins::output("sdram_cke", &["F20"]),
    Pins::output("sdram_csn", &["P20"]),
    Pins::output("sdram_wen", &["T20"]),
    Pins::output("sdram_rasn", &["R20"]),
    Pins::output("sdram_casn", &["T19"]),
    Pins::output(
        "sdram_a",
        &[
            "M20", "M19", "L20", "L19", "K20", "K19", "K18", "J20", "J19", "H20", "N19", "G20",
            "G19",
        ],
    ),
    Pins::output("sdram_ba", &["P19", "N20"]),
    Pins::output("sdram_dqm", &["U19", "E20"]),
    Pins {
        direction: Direction::InOut,
        ..Pins::output(
            "sdram_d",
            &[
                "J16", "L18", "M18", "N18", "P18", "T18", "T17", "U20", "E19", "D20", "D19", "C20",
                "E18", "F18", "J18", "J17",
            ],
        )
    },
];
