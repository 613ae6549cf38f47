//! The whole board at the pins of its FPGA: the top of the bitstream in Verilator, an SDRAM and a
//! serial port in plain Rust, and the driver at the end of the line.

mod bench;
mod driver;
mod faults;
mod middle;
mod mutants;
mod power;
#[path = "../../../driver/tests/tiny/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod tiny;
