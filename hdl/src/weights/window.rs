//! Two rows of a stream, and eight units from anywhere in the first on.

use std::fmt::Write as _;

use rust_hdl_core::prelude::*;

/// Takes eight units out of the row in front and the one behind it.
///
/// ```text
/// row ->|        |-> bytes[], planes[], header    (1 later)
///       | Window |<- shift, take, position
/// ```
///
/// A row is eight units of `2 * cols` bits. `shift`: `row` becomes the row in front. `take`: the
/// eight units from unit `position` of the row in front on, together with `row` behind it, are what
/// the outputs show from the next cycle on, in three ways: byte by byte, by planes (bit `u` of
/// `planes[v]` is bit `v` of unit `u`), and the first 16 bits. Positions are multiples of a step
/// that the window is built for; lower bits of `position` count as zero.
#[derive(LogicBlock)]
pub struct Window {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// The row behind, 32-bit words.
    pub row: Vec<Signal<In, Bits<32>>>,
    /// It becomes the row in front.
    pub shift: Signal<In, Bit>,
    /// Take eight units.
    pub take: Signal<In, Bit>,
    /// The first of them.
    pub position: Signal<In, Bits<3>>,
    /// The units as bytes.
    pub bytes: Vec<Signal<Out, Bits<8>>>,
    /// The units as planes.
    pub planes: Vec<Signal<Out, Bits<8>>>,
    /// The first 16 bits.
    pub header: Signal<Out, Bits<16>>,
    _step: usize,
}

impl Window {
    /// A window for an array of `cols` columns, with positions that are multiples of `step`: 1, 2, 4
    /// or 8.
    pub fn new(cols: usize, step: usize) -> Self {
        Self {
            clock: Default::default(),
            row: (0..cols / 2).map(|_| Signal::default()).collect(),
            shift: Default::default(),
            take: Default::default(),
            position: Default::default(),
            bytes: (0..2 * cols).map(|_| Signal::default()).collect(),
            planes: (0..2 * cols).map(|_| Signal::default()).collect(),
            header: Default::default(),
            _step: step,
        }
    }
}

impl Logic for Window {
    fn update(&mut self) {}

    fn hdl(&self) -> Verilog {
        let unit = self.bytes.len();
        let bits = 8 * unit;
        let mut code = String::new();
        let words: Vec<String> = (0..self.row.len())
            .rev()
            .map(|word| format!("row_{word}"))
            .collect();
        let _ = writeln!(code, "logic [{}:0] front;", bits - 1);
        let _ = writeln!(code, "logic [{}:0] taken;", bits - 1);
        let _ = writeln!(code, "logic [{}:0] behind;", bits - 1);
        let _ = writeln!(code, "assign behind = {{{}}};", words.join(", "));
        let _ = writeln!(code, "logic [{}:0] from_8;", 2 * bits - 1);
        let _ = writeln!(code, "assign from_8 = {{behind, front}};");
        // The highest bit of the position moves first: what the others can still reach is little.
        let mut wider = 8;
        for bit in (0..3).rev().filter(|bit| 1 << bit >= self._step) {
            let by = 1 << bit;
            let wide = bits + (by - 1) * unit;
            let _ = writeln!(code, "logic [{}:0] from_{by};", wide - 1);
            let _ = writeln!(
                code,
                "assign from_{by} = position[{bit}] ? from_{wider}[{} +: {wide}] : from_{wider}[0 +: {wide}];",
                by * unit
            );
            wider = by;
        }
        let _ = writeln!(code, "always @(posedge clock) begin");
        let _ = writeln!(code, "  if (shift) front <= behind;");
        let _ = writeln!(code, "  if (take) taken <= from_{wider}[0 +: {bits}];");
        let _ = writeln!(code, "end");
        let _ = writeln!(code, "assign header = taken[15:0];");
        for value in 0..unit {
            let _ = writeln!(code, "assign bytes_{value} = taken[{} +: 8];", 8 * value);
            let planes: Vec<String> = (0..8)
                .rev()
                .map(|plane| format!("taken[{}]", plane * unit + value))
                .collect();
            let _ = writeln!(code, "assign planes_{value} = {{{}}};", planes.join(", "));
        }
        Verilog::Custom(code)
    }
}
