//! Queue of lines in block memory.

use std::fmt::Write as _;

use rust_hdl_core::prelude::*;

/// A queue as [`super::LineFifo`], deep enough for block memory, with four bits beside each line.
///
/// ```text
/// push              ->|           |-> valid, data, mark
/// push_data         ->| LineQueue |<- pop
/// push_mark         ->|           |
/// ```
///
/// A pushed line is valid three cycles later when the queue was empty, since a register follows
/// the block memory, whose own output comes late in a cycle. `pop` only when `valid`; whoever pushes
/// has seen to the room: the queue holds `depth` lines and one that is valid. No line is read in the
/// cycle in which it is written (`hdl/proofs/line_queue.sv`), so synthesisers need not add what
/// block memories do not promise.
#[derive(LogicBlock)]
pub struct LineQueue {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Drop everything.
    pub reset: Signal<In, Bit>,
    /// Take the line.
    pub push: Signal<In, Bit>,
    /// Newest line.
    pub push_data: Vec<Signal<In, Bits<32>>>,
    /// What stands beside it.
    pub push_mark: Signal<In, Bits<4>>,
    /// Drop the oldest line.
    pub pop: Signal<In, Bit>,
    /// There is an oldest line.
    pub valid: Signal<Out, Bit>,
    /// Oldest line.
    pub data: Vec<Signal<Out, Bits<32>>>,
    /// What stands beside it.
    pub mark: Signal<Out, Bits<4>>,
    _depth: usize,
}

impl LineQueue {
    /// A queue of `depth` lines (a power of two) of `words` words.
    pub fn new(depth: usize, words: usize) -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            push: Default::default(),
            push_data: (0..words).map(|_| Signal::default()).collect(),
            push_mark: Default::default(),
            pop: Default::default(),
            valid: Default::default(),
            data: (0..words).map(|_| Signal::default()).collect(),
            mark: Default::default(),
            _depth: depth,
        }
    }
}

impl Logic for LineQueue {
    fn update(&mut self) {}

    fn hdl(&self) -> Verilog {
        let bits = self._depth.ilog2();
        let words = self.data.len();
        let width = 32 * words + 4;
        let mut code = String::new();
        let _ = writeln!(
            code,
            "(* no_rw_check *)\nlogic [{}:0] store [0:{}];",
            width - 1,
            self._depth - 1
        );
        let _ = writeln!(code, "logic [{}:0] fetched, line;", width - 1);
        let _ = writeln!(code, "logic [{bits}:0] head, tail;");
        let _ = writeln!(code, "logic arrived, full;");
        let _ = writeln!(code, "initial begin");
        let _ = writeln!(code, "  head = {0}'d0;\n  tail = {0}'d0;", bits + 1);
        let _ = writeln!(code, "  arrived = 1'd0;\n  full = 1'd0;\nend");
        let _ = writeln!(code, "logic move, fetch;");
        let _ = writeln!(code, "assign move = arrived && (!full || pop);");
        let _ = writeln!(code, "assign fetch = (head != tail) && (!arrived || move);");
        let _ = writeln!(code, "assign valid = full;");
        for word in 0..words {
            let _ = writeln!(code, "assign data_{word} = line[{} +: 32];", 32 * word);
        }
        let _ = writeln!(code, "assign mark = line[{} +: 4];", 32 * words);
        let inputs: Vec<String> = (0..words)
            .rev()
            .map(|word| format!("push_data_{word}"))
            .collect();
        let _ = writeln!(code, "always @(posedge clock) begin");
        let _ = writeln!(
            code,
            "  if (push) store[tail[{}:0]] <= {{push_mark, {}}};",
            bits - 1,
            inputs.join(", ")
        );
        let _ = writeln!(code, "  if (fetch) fetched <= store[head[{}:0]];", bits - 1);
        let _ = writeln!(code, "  if (move) line <= fetched;");
        let _ = writeln!(code, "  if (reset) begin");
        let _ = writeln!(
            code,
            "    head <= {0}'d0;\n    tail <= {0}'d0;\n    arrived <= 1'd0;\n    full <= 1'd0;",
            bits + 1
        );
        let _ = writeln!(code, "  end else begin");
        let _ = writeln!(code, "    if (push) tail <= tail + {}'d1;", bits + 1);
        let _ = writeln!(code, "    if (fetch) head <= head + {}'d1;", bits + 1);
        let _ = writeln!(code, "    arrived <= fetch || (arrived && !move);");
        let _ = writeln!(code, "    full <= move || (full && !pop);");
        let _ = writeln!(code, "  end\nend");
        Verilog::Custom(code)
    }
}
