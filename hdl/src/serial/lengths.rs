//! How long the messages are.

use std::fmt::Write as _;

use isa::serial::WINDOW;
use rust_hdl_core::prelude::*;

/// A length for each slot: written at the clock, read within the cycle.
///
/// ```text
/// write, write_slot, write_length -> Lengths <- slot
///                                            -> length
/// ```
#[derive(LogicBlock, Default)]
pub struct Lengths {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Keep a length.
    pub write: Signal<In, Bit>,
    /// Of this slot.
    pub write_slot: Signal<In, Bits<3>>,
    /// The length.
    pub write_length: Signal<In, Bits<8>>,
    /// Show the length of this slot.
    pub slot: Signal<In, Bits<3>>,
    /// It.
    pub length: Signal<Out, Bits<8>>,
}

impl Logic for Lengths {
    fn update(&mut self) {}

    fn hdl(&self) -> Verilog {
        let mut code = String::new();
        let _ = writeln!(code, "logic [7:0] store [0:{}];", WINDOW - 1);
        let _ = writeln!(code, "assign length = store[slot];");
        let _ = writeln!(code, "always @(posedge clock) begin");
        let _ = writeln!(code, "  if (write) store[write_slot] <= write_length;\nend");
        Verilog::Custom(code)
    }
}
