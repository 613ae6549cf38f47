//! How a board is.

use sdram::DataSheet;

/// What is around the FPGA.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Bits a second of the serial port on USB.
    pub baud: u32,
    /// By how much its bits are too long, in parts of a million: two oscillators are never alike.
    pub skew_ppm: i32,
    /// The SDRAM that is fitted.
    pub sdram: DataSheet,
    /// Picoseconds from a register of the FPGA through its pad, and from a pad to its register,
    /// together: what the data of the SDRAM is later for, since its clock goes the first way and
    /// they the second.
    pub pads: u64,
}

impl Default for Options {
    /// The port at the rate of the link, the slowest of the parts that boards have, and the delay
    /// that `docs/fpga.md` counts with.
    fn default() -> Self {
        Self {
            baud: 3_000_000,
            skew_ppm: 0,
            sdram: DataSheet::IS42S16160G_7,
            pads: 2_700,
        }
    }
}
