//! Small memory that is read at once.

use std::fmt::Write as _;

use rust_hdl_core::prelude::*;

/// Number of tags, and of all that is kept for each of them.
pub const TAGS: usize = 32;

/// One value for each tag: written at the clock, read within the cycle.
///
/// ```text
///                     +-------+
/// write, write_tag  ->|       |<- read_tag
/// write_data        ->| Table |-> data
///                     +-------+
/// ```
///
/// What is written shows in the next cycle. Values that were never written mean nothing. Small
/// enough for the look-up tables of an FPGA.
#[derive(LogicBlock, Default)]
pub struct Table<T: Synth> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Keep `write_data`.
    pub write: Signal<In, Bit>,
    /// For this tag.
    pub write_tag: Signal<In, Bits<5>>,
    /// Value to keep.
    pub write_data: Signal<In, T>,
    /// Show the value of this tag.
    pub read_tag: Signal<In, Bits<5>>,
    /// The value.
    pub data: Signal<Out, T>,
}

impl<T: Synth> Logic for Table<T> {
    fn update(&mut self) {}

    fn hdl(&self) -> Verilog {
        let mut code = String::new();
        let _ = writeln!(code, "logic [{}:0] store [0:{}];", T::BITS - 1, TAGS - 1);
        let _ = writeln!(code, "assign data = store[read_tag];");
        let _ = writeln!(code, "always @(posedge clock) begin");
        let _ = writeln!(code, "  if (write) store[write_tag] <= write_data;");
        let _ = writeln!(code, "end");
        Verilog::Custom(code)
    }
}
