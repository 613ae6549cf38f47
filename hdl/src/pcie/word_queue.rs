//! Queue of words that come in any number and leave in rows.

use std::fmt::Write as _;

use rust_hdl_core::prelude::*;

/// Appends up to a row of words in a cycle and gives them back row by row, run by run.
///
/// ```text
/// push, push_first, push_count ->|           |-> valid, data[W]
/// push_data[W]                 ->|           |<- pop
/// start, start_lane            ->| WordQueue |
/// commit, drop                 ->|           |-> room
/// ```
///
/// * A run begins in a row of its own, at lane `start_lane`, with a push that has `start`.
/// * A push appends the `push_count` words from `push_data[push_first]` on; 0 is allowed.
/// * `commit` ends the run and shows it to the reader, `drop` forgets it; both take the words of a
///   push of the same cycle along. The lanes of a run's first and last row that no word was put to
///   hold anything.
/// * `room`: this many rows are free beyond those that the run has begun; a push takes part of
///   two rows at most.
///
/// Built of one 32-bit memory a lane with a registered output, as block memories of FPGAs want it.
#[derive(LogicBlock)]
pub struct WordQueue {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Drop everything.
    pub reset: Signal<In, Bit>,
    /// Append words.
    pub push: Signal<In, Bit>,
    /// The first of `push_data` that counts.
    pub push_first: Signal<In, Bits<2>>,
    /// How many words count.
    pub push_count: Signal<In, Bits<3>>,
    /// The words.
    pub push_data: Vec<Signal<In, Bits<32>>>,
    /// This push begins a run.
    pub start: Signal<In, Bit>,
    /// Lane of the run's first word.
    pub start_lane: Signal<In, Bits<2>>,
    /// The run is complete.
    pub commit: Signal<In, Bit>,
    /// The run is not wanted.
    pub drop: Signal<In, Bit>,
    /// There is room.
    pub room: Signal<Out, Bit>,
    /// There is an oldest row.
    pub valid: Signal<Out, Bit>,
    /// The oldest row.
    pub data: Vec<Signal<Out, Bits<32>>>,
    /// Drop the oldest row.
    pub pop: Signal<In, Bit>,
    _rows: usize,
    _room_rows: usize,
}

impl WordQueue {
    /// A queue of `rows` rows (a power of two) of `words` words, 2 or 4, that has room while
    /// `room_rows` are free.
    ///
    /// # Panics
    /// If one of the numbers is not as told here.
    pub fn new(words: usize, rows: usize, room_rows: usize) -> Self {
        assert!(words == 2 || words == 4, "a row has 2 or 4 words");
        assert!(rows.is_power_of_two(), "a queue's depth is a power of two");
        assert!((2..=rows).contains(&room_rows), "a push takes two rows");
        Self {
            clock: Default::default(),
            reset: Default::default(),
            push: Default::default(),
            push_first: Default::default(),
            push_count: Default::default(),
            push_data: (0..words).map(|_| Signal::default()).collect(),
            start: Default::default(),
            start_lane: Default::default(),
            commit: Default::default(),
            drop: Default::default(),
            room: Default::default(),
            valid: Default::default(),
            data: (0..words).map(|_| Signal::default()).collect(),
            pop: Default::default(),
            _rows: rows,
            _room_rows: room_rows,
        }
    }
}

impl Logic for WordQueue {
    fn update(&mut self) {}

    fn hdl(&self) -> Verilog {
        let words = self.push_data.len();
        let lane_bits = words.ilog2();
        let row_bits = self._rows.ilog2();
        let (lane_top, row_top) = (lane_bits - 1, row_bits - 1);
        let mut code = String::new();
        // Rows from `head` on are for the reader, those from `done` on belong to the open run,
        // whose next word goes to `row` and `lane`.
        let _ = writeln!(
            code,
            "logic [{row_bits}:0] head, done, row, row_next, end_row;"
        );
        let _ = writeln!(code, "logic [{lane_top}:0] lane, at;");
        let _ = writeln!(code, "logic [{lane_bits}:0] count, sum;");
        let _ = writeln!(code, "logic [{row_bits}:0] used;");
        let _ = writeln!(code, "logic fetch;");
        let _ = writeln!(code, "initial begin");
        for name in ["head", "done", "row"] {
            let _ = writeln!(code, "  {name} = {}'d0;", row_bits + 1);
        }
        let _ = writeln!(code, "  lane = {lane_bits}'d0;\n  valid = 1'd0;\nend");
        let _ = writeln!(
            code,
            "assign count = push ? push_count[{lane_bits}:0] : {}'d0;",
            lane_bits + 1
        );
        let _ = writeln!(
            code,
            "assign at = (push && start) ? start_lane[{lane_top}:0] : lane;"
        );
        let _ = writeln!(code, "assign sum = {{1'd0, at}} + count;");
        let _ = writeln!(
            code,
            "assign row_next = row + {{{row_bits}'d0, sum[{lane_bits}]}};"
        );
        let _ = writeln!(
            code,
            "assign end_row = row_next + {{{row_bits}'d0, |sum[{lane_top}:0]}};"
        );
        let _ = writeln!(code, "assign used = row - head;");
        let _ = writeln!(
            code,
            "assign room = used <= {}'d{};",
            row_bits + 1,
            self._rows - self._room_rows
        );
        let _ = writeln!(code, "assign fetch = (head != done) && (!valid || pop);");
        for bank in 0..words {
            let _ = writeln!(code, "logic [31:0] bank_{bank} [0:{}];", self._rows - 1);
            let _ = writeln!(code, "logic [{lane_top}:0] order_{bank}, source_{bank};");
            let _ = writeln!(code, "logic [{row_top}:0] row_{bank};");
            let _ = writeln!(code, "logic [31:0] word_{bank};");
            let _ = writeln!(code, "assign order_{bank} = {lane_bits}'d{bank} - at;");
            let _ = writeln!(
                code,
                "assign source_{bank} = push_first[{lane_top}:0] + order_{bank};"
            );
            // A lane before the first one of the push takes a word of the next row.
            let wraps = match bank + 1 == words {
                true => "1'd0".to_string(),
                false => format!("at > {lane_bits}'d{bank}"),
            };
            let _ = writeln!(
                code,
                "assign row_{bank} = row[{row_top}:0] + {{{row_top}'d0, {wraps}}};"
            );
            let _ = writeln!(code, "always_comb begin\n  case (source_{bank})");
            for source in 0..words {
                let label = match source + 1 == words {
                    true => "default".to_string(),
                    false => format!("{lane_bits}'d{source}"),
                };
                let _ = writeln!(code, "    {label}: word_{bank} = push_data_{source};");
            }
            let _ = writeln!(code, "  endcase\nend");
            let _ = writeln!(code, "always @(posedge clock) begin");
            let _ = writeln!(
                code,
                "  if ({{1'd0, order_{bank}}} < count) bank_{bank}[row_{bank}] <= word_{bank};"
            );
            let _ = writeln!(
                code,
                "  if (fetch) data_{bank} <= bank_{bank}[head[{row_top}:0]];\nend"
            );
        }
        let _ = writeln!(code, "always @(posedge clock) begin");
        let _ = writeln!(code, "  lane <= sum[{lane_top}:0];");
        let _ = writeln!(code, "  row <= drop ? done : commit ? end_row : row_next;");
        let _ = writeln!(code, "  if (commit && !drop) done <= end_row;");
        let _ = writeln!(
            code,
            "  if (fetch) head <= head + {}'d1;\n  valid <= fetch || (valid && !pop);",
            row_bits + 1
        );
        let _ = writeln!(code, "  if (reset) begin");
        for name in ["head", "done", "row"] {
            let _ = writeln!(code, "    {name} <= {}'d0;", row_bits + 1);
        }
        let _ = writeln!(code, "    valid <= 1'd0;\n  end\nend");
        Verilog::Custom(code)
    }
}
