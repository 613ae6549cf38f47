//! First-in first-out queue.

use std::fmt::Write as _;

use rust_hdl_core::prelude::*;

/// A queue of `depth` values whose oldest stands at `data` before it is taken.
///
/// ```text
///           +--------+
/// push    ->|        |-> valid, data
/// push_data>|  Fifo  |<- pop
/// room    <-|        |
///           +--------+
/// ```
///
/// `push` only when `room`, `pop` only when `valid`; both may come in one cycle. A pushed value
/// is valid in the next cycle. `reset` empties the queue.
#[derive(LogicBlock)]
pub struct Fifo<T: Synth> {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Drop everything.
    pub reset: Signal<In, Bit>,
    /// Take `push_data`.
    pub push: Signal<In, Bit>,
    /// Newest value.
    pub push_data: Signal<In, T>,
    /// One more fits.
    pub room: Signal<Out, Bit>,
    /// Drop the oldest value.
    pub pop: Signal<In, Bit>,
    /// There is an oldest value.
    pub valid: Signal<Out, Bit>,
    /// Oldest value.
    pub data: Signal<Out, T>,
    _depth: usize,
}

impl<T: Synth> Fifo<T> {
    /// A queue of `depth` values, a power of two.
    ///
    /// # Panics
    /// If `depth` is not a power of two of at least 2.
    pub fn new(depth: usize) -> Self {
        assert!(
            depth.is_power_of_two() && depth >= 2,
            "a queue's depth is a power of two"
        );
        Self {
            clock: Default::default(),
            reset: Default::default(),
            push: Default::default(),
            push_data: Default::default(),
            room: Default::default(),
            pop: Default::default(),
            valid: Default::default(),
            data: Default::default(),
            _depth: depth,
        }
    }
}

impl<T: Synth> Logic for Fifo<T> {
    fn update(&mut self) {}

    fn hdl(&self) -> Verilog {
        let bits = self._depth.ilog2();
        let (depth, width) = (self._depth, T::BITS);
        let mut code = String::new();
        let _ = writeln!(code, "logic [{}:0] store [0:{}];", width - 1, depth - 1);
        let _ = writeln!(code, "logic [{bits}:0] head, tail;");
        let _ = writeln!(code, "initial begin");
        let _ = writeln!(code, "  head = {0}'d0;\n  tail = {0}'d0;\nend", bits + 1);
        let _ = writeln!(code, "assign valid = head != tail;");
        let _ = writeln!(
            code,
            "assign room = !((head[{bits}] != tail[{bits}]) && (head[{0}:0] == tail[{0}:0]));",
            bits - 1
        );
        let _ = writeln!(code, "assign data = store[head[{}:0]];", bits - 1);
        let _ = writeln!(code, "always @(posedge clock) begin");
        let _ = writeln!(
            code,
            "  if (push) store[tail[{}:0]] <= push_data;",
            bits - 1
        );
        let _ = writeln!(code, "  if (reset) begin");
        let _ = writeln!(code, "    head <= {0}'d0;\n    tail <= {0}'d0;", bits + 1);
        let _ = writeln!(code, "  end else begin");
        let _ = writeln!(code, "    if (push) tail <= tail + {}'d1;", bits + 1);
        let _ = writeln!(code, "    if (pop) head <= head + {}'d1;", bits + 1);
        let _ = writeln!(code, "  end\nend");
        Verilog::Custom(code)
    }
}
