//! LOAD: memory to an on-chip buffer.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::LoadEntry;
use super::burst::BurstCutter;
use crate::mem::Fifo;

/// What the receiving half must know of a command.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Receipt {
    index: Bits<16>,
    gives: Bits<16>,
    buffer: Bits<2>,
    dst_line: Bits<24>,
    row_lines: Bits<16>,
    rows: Bits<16>,
}

/// Reads pieces of memory and writes them to consecutive lines of a buffer.
///
/// ```text
/// entry_valid, entry ->|            |-> ar_valid, ar_line, ar_lines
/// entry_ready        <-|            |<- ar_ready
/// done, done_gives   <-| LoadEngine |<- r_valid, r_fault
/// fault, fault_index <-|            |-> write, write_buffer, write_line
/// ```
///
/// * Two halves: one makes bursts ([`BurstCutter`]), the other counts the lines that come back, so
///   that up to five commands and any number of bursts are under way.
/// * Data go past the engine straight into the buffer that `write` names; it never waits.
/// * `done` comes one cycle after the last line was written. A line that memory answers with an
///   error turns the `done` of its command into `fault`.
#[derive(LogicBlock)]
pub struct LoadEngine {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget all commands.
    pub reset: Signal<In, Bit>,
    /// A command may start.
    pub entry_valid: Signal<In, Bit>,
    /// The command.
    pub entry: Signal<In, LoadEntry>,
    /// The command is taken.
    pub entry_ready: Signal<Out, Bit>,
    /// A burst is offered.
    pub ar_valid: Signal<Out, Bit>,
    /// First line of the burst.
    pub ar_line: Signal<Out, Bits<53>>,
    /// Lines of the burst.
    pub ar_lines: Signal<Out, Bits<8>>,
    /// The burst is taken.
    pub ar_ready: Signal<In, Bit>,
    /// A line arrives.
    pub r_valid: Signal<In, Bit>,
    /// Not 0: memory could not read it.
    pub r_fault: Signal<In, Bits<3>>,
    /// Write the line.
    pub write: Signal<Out, Bit>,
    /// Into this buffer.
    pub write_buffer: Signal<Out, Bits<2>>,
    /// At this line.
    pub write_line: Signal<Out, Bits<24>>,
    /// A command has ended well.
    pub done: Signal<Out, Bit>,
    /// Tokens that it gives.
    pub done_gives: Signal<Out, Bits<16>>,
    /// Its index.
    pub done_index: Signal<Out, Bits<16>>,
    /// Not 0: a command has ended badly; the fault of its first line that could not be read.
    pub fault: Signal<Out, Bits<3>>,
    /// Its index.
    pub fault_index: Signal<Out, Bits<16>>,
    /// No command is under way.
    pub idle: Signal<Out, Bit>,
    issuing: DFF<Bit>,
    piece: DFF<Bits<53>>,
    stride: DFF<Bits<29>>,
    row_lines: DFF<Bits<16>>,
    rows_left: DFF<Bits<16>>,
    cutter: BurstCutter,
    receipts: Fifo<Receipt>,
    receipt: Signal<Local, Receipt>,
    filling: DFF<Bit>,
    fill_index: DFF<Bits<16>>,
    fill_gives: DFF<Bits<16>>,
    fill_buffer: DFF<Bits<2>>,
    fill_line: DFF<Bits<24>>,
    fill_row_lines: DFF<Bits<16>>,
    fill_lines_left: DFF<Bits<16>>,
    fill_rows_left: DFF<Bits<16>>,
    bad: DFF<Bits<3>>,
    first_bad: Signal<Local, Bits<3>>,
    ended: DFF<Bit>,
    failed: DFF<Bits<3>>,
    last_gives: DFF<Bits<16>>,
    last_index: DFF<Bits<16>>,
}

impl LoadEngine {
    /// An engine for lines of `port_bytes`.
    pub fn new(port_bytes: usize) -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            entry_valid: Default::default(),
            entry: Default::default(),
            entry_ready: Default::default(),
            ar_valid: Default::default(),
            ar_line: Default::default(),
            ar_lines: Default::default(),
            ar_ready: Default::default(),
            r_valid: Default::default(),
            r_fault: Default::default(),
            write: Default::default(),
            write_buffer: Default::default(),
            write_line: Default::default(),
            done: Default::default(),
            done_gives: Default::default(),
            done_index: Default::default(),
            fault: Default::default(),
            fault_index: Default::default(),
            idle: Default::default(),
            issuing: Default::default(),
            piece: Default::default(),
            stride: Default::default(),
            row_lines: Default::default(),
            rows_left: Default::default(),
            cutter: BurstCutter::new(port_bytes),
            receipts: Fifo::new(4),
            receipt: Default::default(),
            filling: Default::default(),
            fill_index: Default::default(),
            fill_gives: Default::default(),
            fill_buffer: Default::default(),
            fill_line: Default::default(),
            fill_row_lines: Default::default(),
            fill_lines_left: Default::default(),
            fill_rows_left: Default::default(),
            bad: Default::default(),
            first_bad: Default::default(),
            ended: Default::default(),
            failed: Default::default(),
            last_gives: Default::default(),
            last_index: Default::default(),
        }
    }
}

impl Logic for LoadEngine {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            issuing,
            piece,
            stride,
            row_lines,
            rows_left,
            filling,
            fill_index,
            fill_gives,
            fill_buffer,
            fill_line,
            fill_row_lines,
            fill_lines_left,
            fill_rows_left,
            bad,
            ended,
            failed,
            last_gives,
            last_index
        );
        self.receipts.clock.next = self.clock.val();
        self.receipts.reset.next = self.reset.val();
        self.receipts.push.next = false;
        self.receipts.pop.next = false;
        self.receipt.next.index = self.entry.val().index;
        self.receipt.next.gives = self.entry.val().gives;
        self.receipt.next.buffer = self.entry.val().buffer;
        self.receipt.next.dst_line = self.entry.val().dst_line;
        self.receipt.next.row_lines = self.entry.val().row_lines;
        self.receipt.next.rows = self.entry.val().rows;
        self.receipts.push_data.next = self.receipt.val();

        // The address half: one run a piece.
        self.cutter.clock.next = self.clock.val();
        self.cutter.reset.next = self.reset.val();
        self.cutter.run_valid.next = self.issuing.q.val();
        self.cutter.run_line.next = self.piece.q.val();
        self.cutter.run_lines.next = bit_cast::<24, 16>(self.row_lines.q.val());
        self.cutter.burst_ready.next = self.ar_ready.val();
        self.ar_valid.next = self.cutter.burst_valid.val();
        self.ar_line.next = self.cutter.burst_line.val();
        self.ar_lines.next = self.cutter.burst_lines.val();
        self.entry_ready.next = (!self.issuing.q.val()) & self.receipts.room.val();
        if self.issuing.q.val() & self.cutter.run_ready.val() {
            self.piece.d.next = self.piece.q.val() + bit_cast::<53, 29>(self.stride.q.val());
            self.rows_left.d.next = self.rows_left.q.val() - 1;
            self.issuing.d.next = self.rows_left.q.val() != 1;
        }
        if self.entry_valid.val() & (!self.issuing.q.val()) & self.receipts.room.val() {
            self.receipts.push.next = true;
            self.issuing.d.next = true;
            self.piece.d.next = self.entry.val().src_line;
            self.stride.d.next = self.entry.val().stride;
            self.row_lines.d.next = self.entry.val().row_lines;
            self.rows_left.d.next = self.entry.val().rows;
        }

        // The receiving half.
        self.ended.d.next = false;
        self.failed.d.next = 0.into();
        self.write.next = self.r_valid.val() & self.filling.q.val();
        self.write_buffer.next = self.fill_buffer.q.val();
        self.write_line.next = self.fill_line.q.val();
        if (!self.filling.q.val()) & self.receipts.valid.val() {
            self.receipts.pop.next = true;
            self.filling.d.next = true;
            self.fill_index.d.next = self.receipts.data.val().index;
            self.fill_gives.d.next = self.receipts.data.val().gives;
            self.fill_buffer.d.next = self.receipts.data.val().buffer;
            self.fill_line.d.next = self.receipts.data.val().dst_line;
            self.fill_row_lines.d.next = self.receipts.data.val().row_lines;
            self.fill_lines_left.d.next = self.receipts.data.val().row_lines;
            self.fill_rows_left.d.next = self.receipts.data.val().rows;
            self.bad.d.next = 0.into();
        }
        self.first_bad.next = self.bad.q.val();
        if self.bad.q.val() == 0 {
            self.first_bad.next = self.r_fault.val();
        }
        if self.filling.q.val() & self.r_valid.val() {
            self.bad.d.next = self.first_bad.val();
            self.fill_line.d.next = self.fill_line.q.val() + 1;
            self.fill_lines_left.d.next = self.fill_lines_left.q.val() - 1;
            if self.fill_lines_left.q.val() == 1 {
                self.fill_lines_left.d.next = self.fill_row_lines.q.val();
                self.fill_rows_left.d.next = self.fill_rows_left.q.val() - 1;
                if self.fill_rows_left.q.val() == 1 {
                    self.ended.d.next = true;
                    self.failed.d.next = self.first_bad.val();
                    self.last_gives.d.next = self.fill_gives.q.val();
                    self.last_index.d.next = self.fill_index.q.val();
                    self.filling.d.next = false;
                    // The next command takes over without a gap.
                    if self.receipts.valid.val() {
                        self.receipts.pop.next = true;
                        self.filling.d.next = true;
                        self.fill_index.d.next = self.receipts.data.val().index;
                        self.fill_gives.d.next = self.receipts.data.val().gives;
                        self.fill_buffer.d.next = self.receipts.data.val().buffer;
                        self.fill_line.d.next = self.receipts.data.val().dst_line;
                        self.fill_row_lines.d.next = self.receipts.data.val().row_lines;
                        self.fill_lines_left.d.next = self.receipts.data.val().row_lines;
                        self.fill_rows_left.d.next = self.receipts.data.val().rows;
                        self.bad.d.next = 0.into();
                    }
                }
            }
        }
        self.done.next = self.ended.q.val() & (self.failed.q.val() == 0);
        self.done_gives.next = self.last_gives.q.val();
        self.done_index.next = self.last_index.q.val();
        self.fault.next = self.failed.q.val();
        self.fault_index.next = self.last_index.q.val();
        self.idle.next = (!self.issuing.q.val())
            & (!self.receipts.valid.val())
            & (!self.filling.q.val())
            & (!self.ended.q.val());
        if self.reset.val() {
            self.issuing.d.next = false;
            self.filling.d.next = false;
            self.ended.d.next = false;
            self.failed.d.next = 0.into();
        }
    }
}
