//! Memory of lines whose words are reached one by one.

use std::fmt::Write as _;

use rust_hdl_core::prelude::*;

/// A memory of lines; each 32-bit word of a line is a bank of its own, with its own addresses.
///
/// ```text
///                             +-------+
/// write[i], write_line[i]   ->|       |<- read, read_line[i]
/// write_data[i]             ->| Banks |-> read_data[i]   (1 cycle after `read`)
///                             +-------+
/// ```
///
/// Consecutive words lie in consecutive banks, so that a run of words that begins anywhere in a
/// line is written or read in one cycle. What is read in the cycle in which it is written is
/// undefined. The words read stay until the next read. One block memory of an FPGA a bank.
#[derive(LogicBlock)]
pub struct Banks {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Write into this bank.
    pub write: Vec<Signal<In, Bit>>,
    /// At this line.
    pub write_line: Vec<Signal<In, Bits<10>>>,
    /// The word.
    pub write_data: Vec<Signal<In, Bits<32>>>,
    /// Read all banks.
    pub read: Signal<In, Bit>,
    /// This bank at this line.
    pub read_line: Vec<Signal<In, Bits<10>>>,
    /// The words.
    pub read_data: Vec<Signal<Out, Bits<32>>>,
    _lines: usize,
}

impl Banks {
    /// A memory of `lines` lines (a power of two, at most 1,024) of `words` words.
    pub fn new(lines: usize, words: usize) -> Self {
        Self {
            clock: Default::default(),
            write: (0..words).map(|_| Signal::default()).collect(),
            write_line: (0..words).map(|_| Signal::default()).collect(),
            write_data: (0..words).map(|_| Signal::default()).collect(),
            read: Default::default(),
            read_line: (0..words).map(|_| Signal::default()).collect(),
            read_data: (0..words).map(|_| Signal::default()).collect(),
            _lines: lines,
        }
    }
}

impl Logic for Banks {
    fn update(&mut self) {}

    fn hdl(&self) -> Verilog {
        let bits = self._lines.ilog2();
        let mut code = String::new();
        for bank in 0..self.write.len() {
            let _ = writeln!(code, "logic [31:0] bank_{bank} [0:{}];", self._lines - 1);
            let _ = writeln!(code, "always @(posedge clock) begin");
            let _ = writeln!(
                code,
                "  if (write_{bank}) bank_{bank}[write_line_{bank}[0 +: {bits}]] <= write_data_{bank};"
            );
            let _ = writeln!(
                code,
                "  if (read) read_data_{bank} <= bank_{bank}[read_line_{bank}[0 +: {bits}]];"
            );
            let _ = writeln!(code, "end");
        }
        Verilog::Custom(code)
    }
}
