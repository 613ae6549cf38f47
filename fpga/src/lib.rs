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

pub mod boards;
pub mod constraints;
pub mod flow;
pub mod frames;
pub mod pictures;
