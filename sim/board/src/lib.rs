//! A board in simulation: the whole top that its bitstream is made of, and what hangs at its pins.
//!
//! ```text
//!                 +--------------------------------------------+
//!  25 MHz ------->| top, in Verilator                          |      +-------+
//!                 |  EHXPLLL --> clock, and a quarter of a     |----->| SDRAM |
//!  +-----------+  |              period before it, of the chip |      | wired |
//!  | Usb       |->|  ODDRX1F OFS1P3DX OFS1P3BX BB IFS1P3DX     |<====>| chip  |
//!  | bytes     |<-|  core: UART, card, SDRAM controller        |      +-------+
//!  +-----------+  +--------------------------------------------+
//! ```
//!
//! The top is the text that [`fpga::tops::emit_top`] gives to synthesis, unchanged; cells of the
//! FPGA in it have models of ours (`cells/`), and a bench (`bench.sv`) stands for the board. Both of
//! its clocks come from the parameters of the PLL. [`Usb`] is the other end of the serial port,
//! [`sdram::WiredChip`] the memory, both in plain Rust, in picoseconds, and without a line of code
//! in common with the RTL.

mod noise;
mod options;
mod pins;
mod random;
mod time;
mod ulx3s;
mod usb;

pub use noise::Noise;
pub use options::Options;
pub use ulx3s::{Error, Ulx3s};
pub use usb::Usb;
