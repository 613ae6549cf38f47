//! From the Verilog of a card to the bitstream of a board, with open tools only.
//!
//! ```text
//!  Verilog --> yosys --> netlist --+--> nextpnr-ecp5 --> ecppack -------------------> .bit
//!                                  |
//!  table of pins --> LPF or XDC ---+--> nextpnr-himbaechel-xilinx --> FASM
//!                                                                       | frames
//!                                                                       v
//!                                              .bit <-- xc7frames2bit <-- frames
//! ```

#![allow(
    clippy::collapsible_match,
    reason = "rust-hdl's kernels know no match guards"
)]

pub mod boards;
pub mod constraints;
pub mod flow;
pub mod frames;
pub mod pictures;
#[cfg(feature = "tops")]
pub mod tops;
