//! Memory with one write port and one read port of different widths.

use std::fmt::Write as _;

use rust_hdl_core::prelude::*;

use super::blocks::Blocks;

/// Bytes are written in lines and read in rows; either may be the wider one.
///
/// ```text
///                +----------+
/// write, line  ->|          |<- read, read_row
/// write_data   ->|  Buffer  |<- advance
///                |          |-> read_data   (2 cycles after `read`)
///                +----------+
/// ```
///
/// Line `l` is the bytes from `l * write_bytes` on, row `r` those from `r * read_bytes` on. A row
/// that is read in the cycle in which a part of it is written is not defined (in simulation it is
/// the old one): block memories of FPGAs do not say, and the tokens of the commands keep both apart.
/// Address bits beyond the depth are ignored. Where `advance` is not always high, a row waits in
/// front of the output register until it is, or until the next is read.
///
/// Built of 32-bit lanes with a registered output, as block memories of FPGAs want it. Synthesisers
/// take those for memories, but for ECP5 not the register inside them, without which data comes 5 ns
/// later, and choose among lanes with look-up tables where the ports differ. With the define
/// `SYSTOLE_ECP5` the text instantiates DP16KD with the output register and with ports of both
/// widths (Lattice FPGA-TN-02204), unless blocks would stay half empty.
#[derive(LogicBlock)]
pub struct Buffer {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Write a line.
    pub write: Signal<In, Bit>,
    /// Line to write.
    pub write_line: Signal<In, Bits<24>>,
    /// 32-bit words of the line, lowest address first.
    pub write_data: Vec<Signal<In, Bits<32>>>,
    /// Read a row.
    pub read: Signal<In, Bit>,
    /// Row to read.
    pub read_row: Signal<In, Bits<24>>,
    /// The output register takes the row that was read last.
    pub advance: Signal<In, Bit>,
    /// 32-bit words of the row, lowest address first.
    pub read_data: Vec<Signal<Out, Bits<32>>>,
    _bytes: usize,
}

impl Buffer {
    /// A memory of `bytes`; all three sizes are powers of two and `bytes` is at least twice the
    /// wider port.
    pub fn new(bytes: usize, write_bytes: usize, read_bytes: usize) -> Self {
        Self {
            clock: Default::default(),
            write: Default::default(),
            write_line: Default::default(),
            write_data: (0..write_bytes / 4).map(|_| Signal::default()).collect(),
            read: Default::default(),
            read_row: Default::default(),
            advance: Default::default(),
            read_data: (0..read_bytes / 4).map(|_| Signal::default()).collect(),
            _bytes: bytes,
        }
    }
}

/// `name[high:low]`, or nothing when the range is empty.
fn bits(name: &str, low: u32, count: u32) -> String {
    format!("{name}[{low} +: {count}]")
}

impl Logic for Buffer {
    fn update(&mut self) {}

    fn hdl(&self) -> Verilog {
        let (write_words, read_words) = (self.write_data.len(), self.read_data.len());
        let lanes = write_words.max(read_words);
        let depth = self._bytes / (lanes * 4);
        let depth_bits = depth.ilog2();
        let parts_bits = |words: usize| (lanes / words).ilog2();
        let (write_parts, read_parts) = (parts_bits(write_words), parts_bits(read_words));
        let write_address = bits("write_line", write_parts, depth_bits);
        let read_address = bits("read_row", read_parts, depth_bits);
        let mut code = String::new();
        let blocks = Blocks::fit(self._bytes * 8, write_words * 32, read_words * 32);
        if let Some(blocks) = blocks {
            let _ = write!(code, "`ifdef SYSTOLE_ECP5\n{}`else\n", blocks.verilog());
        }
        for lane in 0..lanes {
            let _ = writeln!(code, "logic [31:0] lane_{lane} [0:{}];", depth - 1);
            let _ = writeln!(code, "logic [31:0] fetched_{lane};");
        }
        let _ = writeln!(code, "always @(posedge clock) begin");
        for lane in 0..lanes {
            let part = lane / write_words;
            let chosen = if write_parts == 0 {
                "write".to_string()
            } else {
                format!(
                    "write && ({} == {write_parts}'d{part})",
                    bits("write_line", 0, write_parts)
                )
            };
            let _ = writeln!(
                code,
                "  if ({chosen}) lane_{lane}[{write_address}] <= write_data_{};",
                lane % write_words
            );
        }
        let _ = writeln!(code, "  if (read) begin");
        for lane in 0..lanes {
            let _ = writeln!(code, "    fetched_{lane} <= lane_{lane}[{read_address}];");
        }
        let _ = writeln!(code, "  end\nend");
        if read_parts == 0 {
            let _ = writeln!(code, "always @(posedge clock) if (advance) begin");
            for lane in 0..lanes {
                let _ = writeln!(code, "  read_data_{lane} <= fetched_{lane};");
            }
            let _ = writeln!(code, "end");
        } else {
            let _ = writeln!(code, "logic [{}:0] part;", read_parts - 1);
            let _ = writeln!(code, "always @(posedge clock) begin");
            let _ = writeln!(
                code,
                "  if (read) part <= {};",
                bits("read_row", 0, read_parts)
            );
            let _ = writeln!(code, "  if (advance) case (part)");
            for part in 0..lanes / read_words {
                let label = if part + 1 == lanes / read_words {
                    "default".to_string()
                } else {
                    format!("{read_parts}'d{part}")
                };
                let _ = writeln!(code, "    {label}: begin");
                for word in 0..read_words {
                    let lane = part * read_words + word;
                    let _ = writeln!(code, "      read_data_{word} <= fetched_{lane};");
                }
                let _ = writeln!(code, "    end");
            }
            let _ = writeln!(code, "  endcase\nend");
        }
        if blocks.is_some() {
            let _ = writeln!(code, "`endif");
        }
        Verilog::Custom(code)
    }
}
