//! Block memory of bytes.

use std::fmt::Write as _;

use rust_hdl_core::prelude::*;

/// Bytes that are written and read at once.
///
/// ```text
/// write, write_at, write_data ->+------------+<- read_at
///                               | ByteMemory |-> read_data  (2 cycles later)
///                               +------------+
/// ```
///
/// 2048 of them: one block memory of an FPGA, whose output is registered once more. A byte that is
/// read in the cycle in which it is written may be the old or the new one.
#[derive(LogicBlock, Default)]
pub struct ByteMemory {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Keep a byte.
    pub write: Signal<In, Bit>,
    /// Where.
    pub write_at: Signal<In, Bits<11>>,
    /// The byte.
    pub write_data: Signal<In, Bits<8>>,
    /// Byte to show.
    pub read_at: Signal<In, Bits<11>>,
    /// It.
    pub read_data: Signal<Out, Bits<8>>,
}

impl Logic for ByteMemory {
    fn update(&mut self) {}

    fn hdl(&self) -> Verilog {
        let mut code = String::new();
        let _ = writeln!(code, "(* no_rw_check *)\nlogic [7:0] store [0:2047];");
        let _ = writeln!(code, "logic [7:0] fetched;");
        let _ = writeln!(code, "always @(posedge clock) begin");
        let _ = writeln!(code, "  if (write) store[write_at] <= write_data;");
        let _ = writeln!(code, "  fetched <= store[read_at];");
        let _ = writeln!(code, "  read_data <= fetched;\nend");
        Verilog::Custom(code)
    }
}
