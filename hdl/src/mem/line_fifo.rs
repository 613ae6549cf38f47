//! Queue of lines on their way to memory.

use std::fmt::Write as _;

use rust_hdl_core::prelude::*;

/// A [`super::Fifo`] whose values are lines of 32-bit words, with four bits that tell which
/// quarters of the line count.
#[derive(LogicBlock)]
pub struct LineFifo {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Drop everything.
    pub reset: Signal<In, Bit>,
    /// Take the line; whoever pushes has seen to the room.
    pub push: Signal<In, Bit>,
    /// Newest line.
    pub push_data: Vec<Signal<In, Bits<32>>>,
    /// Its quarters.
    pub push_quarters: Signal<In, Bits<4>>,
    /// Drop the oldest line.
    pub pop: Signal<In, Bit>,
    /// There is an oldest line.
    pub valid: Signal<Out, Bit>,
    /// Oldest line.
    pub data: Vec<Signal<Out, Bits<32>>>,
    /// Its quarters.
    pub quarters: Signal<Out, Bits<4>>,
    _depth: usize,
}

impl LineFifo {
    /// A queue of `depth` lines (a power of two) of `words` words.
    pub fn new(depth: usize, words: usize) -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            push: Default::default(),
            push_data: (0..words).map(|_| Signal::default()).collect(),
            push_quarters: Default::default(),
            pop: Default::default(),
            valid: Default::default(),
            data: (0..words).map(|_| Signal::default()).collect(),
            quarters: Default::default(),
            _depth: depth,
        }
    }
}

impl Logic for LineFifo {
    fn update(&mut self) {}

    fn hdl(&self) -> Verilog {
        let bits = self._depth.ilog2();
        let last = self._depth - 1;
        let (head, tail) = (
            format!("head[{}:0]", bits - 1),
            format!("tail[{}:0]", bits - 1),
        );
        let mut code = String::new();
        let _ = writeln!(code, "logic [{bits}:0] head, tail;");
        let _ = writeln!(code, "initial begin");
        let _ = writeln!(code, "  head = {0}'d0;\n  tail = {0}'d0;\nend", bits + 1);
        let _ = writeln!(code, "logic [3:0] marks [0:{last}];");
        for word in 0..self.data.len() {
            let _ = writeln!(code, "logic [31:0] word_{word} [0:{last}];");
            let _ = writeln!(code, "assign data_{word} = word_{word}[{head}];");
        }
        let _ = writeln!(code, "assign quarters = marks[{head}];");
        let _ = writeln!(code, "assign valid = head != tail;");
        let _ = writeln!(code, "always @(posedge clock) begin\n  if (push) begin");
        for word in 0..self.data.len() {
            let _ = writeln!(code, "    word_{word}[{tail}] <= push_data_{word};");
        }
        let _ = writeln!(code, "    marks[{tail}] <= push_quarters;\n  end");
        let _ = writeln!(code, "  if (reset) begin");
        let _ = writeln!(code, "    head <= {0}'d0;\n    tail <= {0}'d0;", bits + 1);
        let _ = writeln!(code, "  end else begin");
        let _ = writeln!(code, "    if (push) tail <= tail + {}'d1;", bits + 1);
        let _ = writeln!(code, "    if (pop) head <= head + {}'d1;", bits + 1);
        let _ = writeln!(code, "  end\nend");
        Verilog::Custom(code)
    }
}
