//! The card's own memory where the board has no other that open tools can drive: block memories of
//! the FPGA.

use std::fmt::Write as _;

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// Lines of a bank: deeper ones would be made of two block memories in a cascade, which stand side
/// by side on the chip, and nextpnr does not place them so.
const BANK_LINES: usize = 32768;

/// What the memory is about.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum MemoryState {
    /// It would take a read.
    LookRead,
    /// It would take a write.
    LookWrite,
    /// Lines of a burst are read.
    Read,
    /// Lines of a burst are written.
    Write,
    /// The answer to a write.
    Answer,
}

/// Lines of 16 bytes in block memories.
///
/// ```text
/// at                          -->+-------+
/// write, write_data, strobes  -->| Lines |--> read_data   (3 cycles after `at`)
///                                +-------+
/// ```
///
/// A byte lane is a memory of its own. What is written is kept for a cycle, as addresses are.
#[derive(LogicBlock)]
pub struct Lines {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Write.
    pub write: Signal<In, Bit>,
    /// Line.
    pub at: Signal<In, Bits<28>>,
    /// What to write.
    pub write_data: Vec<Signal<In, Bits<32>>>,
    /// Bytes of each word that count.
    pub strobes: Vec<Signal<In, Bits<4>>>,
    /// Line of three cycles ago.
    pub read_data: Vec<Signal<Out, Bits<32>>>,
    _depth: usize,
}

impl Lines {
    fn new(depth: usize) -> Self {
        Self {
            clock: Default::default(),
            write: Default::default(),
            at: Default::default(),
            write_data: (0..4).map(|_| Signal::default()).collect(),
            strobes: (0..4).map(|_| Signal::default()).collect(),
            read_data: (0..4).map(|_| Signal::default()).collect(),
            _depth: depth,
        }
    }
}

impl Logic for Lines {
    fn update(&mut self) {}

    fn hdl(&self) -> Verilog {
        let (banks, bank_lines) = (
            self._depth.div_ceil(BANK_LINES),
            self._depth.min(BANK_LINES),
        );
        let (bits, bank_bits) = (self._depth.ilog2(), bank_lines.ilog2());
        let mut code = format!("logic [{}:0] line;\n", bits - 1);
        let at_line = format!("line[{}:0]", bank_bits - 1);
        // What chooses a bank to write to and to read from; nothing where there is only one.
        let choices: Vec<(String, String)> = match banks {
            1 => vec![Default::default()],
            _ => (0..banks)
                .map(|bank| {
                    let number = format!("{}'d{bank}", bits - bank_bits);
                    (
                        format!(" && line[{}:{bank_bits}] == {number}", bits - 1),
                        format!("if (fetched_from == {number}) "),
                    )
                })
                .collect(),
        };
        for word in 0..4 {
            let _ = writeln!(
                code,
                "logic [31:0] kept_{word};\nlogic [3:0] kept_strobes_{word};"
            );
        }
        for lane in 0..16 {
            for bank in 0..banks {
                let _ = writeln!(
                    code,
                    "(* no_rw_check *)\nlogic [7:0] store_{lane}_{bank} [0:{}];\n\
                     logic [7:0] fetched_{lane}_{bank};",
                    bank_lines - 1
                );
            }
        }
        if banks > 1 {
            let _ = writeln!(code, "logic [{}:0] fetched_from;", bits - bank_bits - 1);
        }
        let _ = writeln!(
            code,
            "always @(posedge clock) begin\n  line <= at[{}:0];",
            bits - 1
        );
        if banks > 1 {
            let _ = writeln!(code, "  fetched_from <= line[{}:{bank_bits}];", bits - 1);
        }
        for word in 0..4 {
            let _ = writeln!(code, "  kept_{word} <= write_data_{word};");
            let _ = writeln!(
                code,
                "  kept_strobes_{word} <= write ? strobes_{word} : 4'd0;"
            );
        }
        for lane in 0..16 {
            let (word, byte) = (lane / 4, lane % 4);
            let range = format!("[{} +: 8]", byte * 8);
            for (bank, (here, from)) in choices.iter().enumerate() {
                let _ = writeln!(
                    code,
                    "  if (kept_strobes_{word}[{byte}]{here}) \
                     store_{lane}_{bank}[{at_line}] <= kept_{word}{range};\n  \
                     fetched_{lane}_{bank} <= store_{lane}_{bank}[{at_line}];\n  \
                     {from}read_data_{word}{range} <= fetched_{lane}_{bank};"
                );
            }
        }
        code.push_str("end");
        Verilog::Custom(code)
    }
}

/// AXI4 memory of 16-byte lines in block memories.
///
/// ```text
///          +-------------+
/// l_ar* -->|             |--> l_r*
/// l_aw* -->| BlockMemory |
/// l_w*  -->|             |--> l_b*
///          +-------------+
/// ```
///
/// * One burst after the other; reads and writes are looked for in turns. A line a cycle, the first
///   four cycles after its address was taken.
/// * The master takes every line and every answer at once. Data that comes before its address
///   waits.
/// * Lines beyond the memory are answered with DECERR and not written.
/// * No output depends on an input of the same cycle.
#[derive(LogicBlock)]
pub struct BlockMemory {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget the burst under way.
    pub reset: Signal<In, Bit>,
    /// Read address channel.
    pub l_arvalid: Signal<In, Bit>,
    /// The address is taken.
    pub l_arready: Signal<Out, Bit>,
    /// Byte address.
    pub l_araddr: Signal<In, Bits<64>>,
    /// Lines less one.
    pub l_arlen: Signal<In, Bits<8>>,
    /// Id of the burst.
    pub l_arid: Signal<In, Bits<4>>,
    /// Read data channel.
    pub l_rvalid: Signal<Out, Bit>,
    /// Line.
    pub l_rdata: Vec<Signal<Out, Bits<32>>>,
    /// Id of its burst.
    pub l_rid: Signal<Out, Bits<4>>,
    /// Not 0: there is no such line.
    pub l_rresp: Signal<Out, Bits<2>>,
    /// Last line of its burst.
    pub l_rlast: Signal<Out, Bit>,
    /// Write address channel.
    pub l_awvalid: Signal<In, Bit>,
    /// The address is taken.
    pub l_awready: Signal<Out, Bit>,
    /// Byte address.
    pub l_awaddr: Signal<In, Bits<64>>,
    /// Lines less one.
    pub l_awlen: Signal<In, Bits<8>>,
    /// Id of the burst.
    pub l_awid: Signal<In, Bits<4>>,
    /// Write data channel.
    pub l_wvalid: Signal<In, Bit>,
    /// The line is taken.
    pub l_wready: Signal<Out, Bit>,
    /// Line.
    pub l_wdata: Vec<Signal<In, Bits<32>>>,
    /// Bytes of each word that count.
    pub l_wstrb: Vec<Signal<In, Bits<4>>>,
    /// Write response channel.
    pub l_bvalid: Signal<Out, Bit>,
    /// Id of the burst.
    pub l_bid: Signal<Out, Bits<4>>,
    /// Not 0: a line was not written.
    pub l_bresp: Signal<Out, Bits<2>>,
    lines: Lines,
    state: DFF<MemoryState>,
    line: DFF<Bits<60>>,
    left: DFF<Bits<8>>,
    id: DFF<Bits<4>>,
    failed: DFF<Bit>,
    outside: Signal<Local, Bit>,
    valid: Vec<DFF<Bit>>,
    last: Vec<DFF<Bit>>,
    error: Vec<DFF<Bit>>,
    ids: Vec<DFF<Bits<4>>>,
    depth: Constant<Bits<60>>,
}

impl BlockMemory {
    /// Memory of so many lines.
    ///
    /// # Panics
    /// If it is no power of two of at least 2.
    pub fn new(depth: usize) -> Self {
        assert!(
            depth.is_power_of_two() && depth >= 2,
            "the lines of a memory are a power of two"
        );
        let stages = || (0..3).map(|_| DFF::default()).collect();
        Self {
            clock: Default::default(),
            reset: Default::default(),
            l_arvalid: Default::default(),
            l_arready: Default::default(),
            l_araddr: Default::default(),
            l_arlen: Default::default(),
            l_arid: Default::default(),
            l_rvalid: Default::default(),
            l_rdata: (0..4).map(|_| Signal::default()).collect(),
            l_rid: Default::default(),
            l_rresp: Default::default(),
            l_rlast: Default::default(),
            l_awvalid: Default::default(),
            l_awready: Default::default(),
            l_awaddr: Default::default(),
            l_awlen: Default::default(),
            l_awid: Default::default(),
            l_wvalid: Default::default(),
            l_wready: Default::default(),
            l_wdata: (0..4).map(|_| Signal::default()).collect(),
            l_wstrb: (0..4).map(|_| Signal::default()).collect(),
            l_bvalid: Default::default(),
            l_bid: Default::default(),
            l_bresp: Default::default(),
            lines: Lines::new(depth),
            state: Default::default(),
            line: Default::default(),
            left: Default::default(),
            id: Default::default(),
            failed: Default::default(),
            outside: Default::default(),
            valid: stages(),
            last: stages(),
            error: stages(),
            ids: (0..3).map(|_| DFF::default()).collect(),
            depth: Constant::new((depth as u64).into()),
        }
    }
}

impl Logic for BlockMemory {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, state, line, left, id, failed);
        for i in 0..3usize {
            self.valid[i].clock.next = self.clock.val();
            self.last[i].clock.next = self.clock.val();
            self.error[i].clock.next = self.clock.val();
            self.ids[i].clock.next = self.clock.val();
        }
        self.lines.clock.next = self.clock.val();
        for i in 0..4usize {
            self.lines.write_data[i].next = self.l_wdata[i].val();
            self.lines.strobes[i].next = self.l_wstrb[i].val();
            self.l_rdata[i].next = self.lines.read_data[i].val();
        }
        self.outside.next = self.line.q.val() >= self.depth.val();
        self.lines.at.next = self.line.q.val().get_bits::<28>(0);
        self.lines.write.next = false;
        self.l_arready.next = false;
        self.l_awready.next = false;
        self.l_wready.next = false;
        self.l_bvalid.next = false;
        self.l_bid.next = self.id.q.val();
        self.l_bresp.next = 0.into();
        if self.failed.q.val() {
            self.l_bresp.next = 3.into();
        }

        // What becomes of the line that is asked for now.
        self.valid[0].d.next = false;
        self.last[0].d.next = self.left.q.val() == 0;
        self.error[0].d.next = self.outside.val();
        self.ids[0].d.next = self.id.q.val();
        for i in 1..3usize {
            self.valid[i].d.next = self.valid[i - 1].q.val();
            self.last[i].d.next = self.last[i - 1].q.val();
            self.error[i].d.next = self.error[i - 1].q.val();
            self.ids[i].d.next = self.ids[i - 1].q.val();
        }
        self.l_rvalid.next = self.valid[2].q.val();
        self.l_rlast.next = self.last[2].q.val();
        self.l_rid.next = self.ids[2].q.val();
        self.l_rresp.next = 0.into();
        if self.error[2].q.val() {
            self.l_rresp.next = 3.into();
        }

        match self.state.q.val() {
            MemoryState::LookRead => {
                self.l_arready.next = true;
                self.line.d.next = self.l_araddr.val().get_bits::<60>(4);
                self.left.d.next = self.l_arlen.val();
                self.id.d.next = self.l_arid.val();
                self.state.d.next = MemoryState::LookWrite;
                if self.l_arvalid.val() {
                    self.state.d.next = MemoryState::Read;
                }
            }
            MemoryState::LookWrite => {
                self.l_awready.next = true;
                self.line.d.next = self.l_awaddr.val().get_bits::<60>(4);
                self.left.d.next = self.l_awlen.val();
                self.id.d.next = self.l_awid.val();
                self.failed.d.next = false;
                self.state.d.next = MemoryState::LookRead;
                if self.l_awvalid.val() {
                    self.state.d.next = MemoryState::Write;
                }
            }
            MemoryState::Read => {
                self.valid[0].d.next = true;
                self.line.d.next = self.line.q.val() + 1;
                self.left.d.next = self.left.q.val() - 1;
                if self.left.q.val() == 0 {
                    self.state.d.next = MemoryState::LookWrite;
                }
            }
            MemoryState::Write => {
                self.l_wready.next = true;
                if self.l_wvalid.val() {
                    self.lines.write.next = !self.outside.val();
                    self.failed.d.next = self.failed.q.val() | self.outside.val();
                    self.line.d.next = self.line.q.val() + 1;
                    self.left.d.next = self.left.q.val() - 1;
                    if self.left.q.val() == 0 {
                        self.state.d.next = MemoryState::Answer;
                    }
                }
            }
            MemoryState::Answer => {
                self.l_bvalid.next = true;
                self.state.d.next = MemoryState::LookRead;
            }
            _ => {}
        }
        if self.reset.val() {
            self.state.d.next = MemoryState::LookRead;
            self.valid[0].d.next = false;
            self.valid[1].d.next = false;
            self.valid[2].d.next = false;
        }
    }
}
