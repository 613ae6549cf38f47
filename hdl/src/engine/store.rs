//! STORE: accumulators to memory, requantised on the way.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::StoreEntry;
use super::burst::BurstCutter;
use super::join::{JoinHalves, JoinQuarters};
use super::requant::{REQUANT_LATENCY, RequantLane};
use crate::array::Delay;
use crate::mem::{Fifo, LineFifo};

/// Groups that may be under way between the accumulators and memory.
const GROUPS: usize = 32;

/// Bursts that memory may not have answered yet.
const UNANSWERED: usize = 32;

/// What travels beside a group of values through the pipeline.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct GroupTag {
    /// There is a group.
    pub valid: Bit,
    /// Last group of a command.
    pub last: Bit,
    /// Code of the output format.
    pub format: Bits<2>,
    /// Sums count as zero.
    pub zero: Bit,
    /// Which group of its row.
    pub part: Bits<4>,
}

/// Reads rows of accumulators in groups as wide as the port, requantises them, packs them into
/// lines and writes these in bursts.
///
/// ```text
/// entry_valid, entry ->|             |-> acc_read, acc_row     <- acc_ready, acc_data (2 later)
/// entry_ready        <-|             |-> column_row, scale_row <- column, scale       (2 later)
/// done, done_gives   <-| StoreEngine |-> aw_valid, aw_line, aw_lines    <- aw_ready
/// fault, fault_index <-|             |-> w_valid, w_data, w_quarters, w_last <- w_ready
/// idle               <-|             |<- b_valid, b_fault
/// ```
///
/// * One group (`port_bytes / 4` values) is read a cycle while the accumulators are free and
///   fewer than 32 groups are on their way. Sums that count as zero are not read. A line holds one group of int32, two of int16, four
///   of int8; the last line of a command may hold fewer: `w_quarters` tells which quarters count.
/// * Bursts come from a [`BurstCutter`].
/// * `done` comes when the accumulators have been read (`release`), or when memory has answered
///   every write; `idle` only when it has answered all. A `fault` does not hold `done` back: it
///   ends the program, and with it the tokens that `done` gives.
#[derive(LogicBlock)]
pub struct StoreEngine {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget all commands. Hold it until the groups that are on their way have left the pipeline.
    pub reset: Signal<In, Bit>,
    /// A command may start.
    pub entry_valid: Signal<In, Bit>,
    /// The command.
    pub entry: Signal<In, StoreEntry>,
    /// The command is taken.
    pub entry_ready: Signal<Out, Bit>,
    /// Read a row of accumulators.
    pub acc_read: Signal<Out, Bit>,
    /// The row.
    pub acc_row: Signal<Out, Bits<16>>,
    /// The read is taken.
    pub acc_ready: Signal<In, Bit>,
    /// The row, two cycles later.
    pub acc_data: Vec<Signal<In, Bits<32>>>,
    /// Read parameters: as `acc_read`, when taken.
    pub params_read: Signal<Out, Bit>,
    /// Group of column parameters.
    pub column_row: Signal<Out, Bits<24>>,
    /// Scale and bias of each value of the group, two cycles later.
    pub column: Vec<Signal<In, Bits<32>>>,
    /// Row scale.
    pub scale_row: Signal<Out, Bits<24>>,
    /// The row scale, two cycles later.
    pub scale: Signal<In, Bits<32>>,
    /// A burst is offered.
    pub aw_valid: Signal<Out, Bit>,
    /// First line of the burst.
    pub aw_line: Signal<Out, Bits<53>>,
    /// Lines of the burst.
    pub aw_lines: Signal<Out, Bits<8>>,
    /// The burst is taken.
    pub aw_ready: Signal<In, Bit>,
    /// A line is offered.
    pub w_valid: Signal<Out, Bit>,
    /// The line, 32-bit words.
    pub w_data: Vec<Signal<Out, Bits<32>>>,
    /// Quarters of the line that count.
    pub w_quarters: Signal<Out, Bits<4>>,
    /// Last line of its burst.
    pub w_last: Signal<Out, Bit>,
    /// The line is taken.
    pub w_ready: Signal<In, Bit>,
    /// Memory answers a burst.
    pub b_valid: Signal<In, Bit>,
    /// Not 0: it could not write it.
    pub b_fault: Signal<In, Bits<3>>,
    /// A command has ended.
    pub done: Signal<Out, Bit>,
    /// Tokens that it gives.
    pub done_gives: Signal<Out, Bits<16>>,
    /// Its index.
    pub done_index: Signal<Out, Bits<16>>,
    /// Not 0: a write was answered with an error.
    pub fault: Signal<Out, Bits<3>>,
    /// Index of its command.
    pub fault_index: Signal<Out, Bits<16>>,
    /// Nothing is under way and memory has answered everything.
    pub idle: Signal<Out, Bit>,
    /// A command is being read or written.
    pub active: Signal<Out, Bit>,
    // Reading half.
    reading: DFF<Bit>,
    waiting: DFF<Bit>,
    index: DFF<Bits<16>>,
    gives: DFF<Bits<16>>,
    release: DFF<Bit>,
    format: DFF<Bits<2>>,
    zero: DFF<Bit>,
    row: DFF<Bits<16>>,
    rows_left: DFF<Bits<16>>,
    // That one is left: known with the count, so that nobody compares it.
    row_ends: DFF<Bit>,
    part: DFF<Bits<4>>,
    column_base: DFF<Bits<24>>,
    column_first: Signal<Local, Bits<24>>,
    scale_next: DFF<Bits<24>>,
    last_part: Constant<Bits<4>>,
    part_number: Vec<Constant<Bits<4>>>,
    quarter_number: Vec<Constant<Bits<2>>>,
    credits: DFF<Bits<8>>,
    all_credits: Constant<Bits<8>>,
    credit_back: Signal<Local, Bit>,
    // Those that came back, a cycle late.
    credits_back: DFF<Bits<8>>,
    completes: Signal<Local, Bit>,
    free: Signal<Local, Bit>,
    may_read: Signal<Local, Bit>,
    taken: Signal<Local, Bit>,
    row_end: Signal<Local, Bit>,
    read_end: Signal<Local, Bit>,
    tag_now: Signal<Local, GroupTag>,
    tag_read: Delay<GroupTag>,
    tag_done: Delay<GroupTag>,
    read_tag: Signal<Local, GroupTag>,
    tag: Signal<Local, GroupTag>,
    lane: Vec<RequantLane>,
    chosen: Vec<Signal<Local, Bits<32>>>,
    value: Vec<Signal<Local, Bits<32>>>,
    // Packing.
    quarter: DFF<Bits<2>>,
    packed: Vec<DFF<Bits<32>>>,
    halves: Vec<JoinHalves>,
    quarters: Vec<JoinQuarters>,
    line_done: DFF<Bit>,
    line_quarters: DFF<Bits<4>>,
    lines: LineFifo,
    // Writing half.
    groups: Signal<Local, Bits<24>>,
    run_lines: Signal<Local, Bits<24>>,
    cutting: DFF<Bit>,
    run_line: DFF<Bits<53>>,
    run_length: DFF<Bits<24>>,
    cutter: BurstCutter,
    may_burst: Signal<Local, Bit>,
    aw_taken: Signal<Local, Bit>,
    bursts: Fifo<Bits<8>>,
    sending: DFF<Bit>,
    beats_left: DFF<Bits<8>>,
    w_taken: Signal<Local, Bit>,
    run_index: DFF<Bits<16>>,
    owners: Fifo<Bits<16>>,
    unanswered: DFF<Bits<16>>,
    drained: Signal<Local, Bit>,
    ended: DFF<Bit>,
    ended_gives: DFF<Bits<16>>,
    ended_index: DFF<Bits<16>>,
    failed: DFF<Bits<3>>,
    failed_index: DFF<Bits<16>>,
    _lanes: usize,
    _lanes_end: usize,
    _half: usize,
    _half_end: usize,
    _quarter: usize,
    _quarter_end: usize,
    _parts: usize,
    _part_bits: u64,
    _part_bits_end: u64,
}

impl StoreEngine {
    /// An engine for rows of `cols` accumulators and lines of `port_bytes`.
    pub fn new(cols: usize, port_bytes: usize) -> Self {
        let lanes = port_bytes / 4;
        let parts = cols / lanes;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            entry_valid: Default::default(),
            entry: Default::default(),
            entry_ready: Default::default(),
            acc_read: Default::default(),
            acc_row: Default::default(),
            acc_ready: Default::default(),
            acc_data: (0..cols).map(|_| Default::default()).collect(),
            params_read: Default::default(),
            column_row: Default::default(),
            column: (0..2 * lanes).map(|_| Default::default()).collect(),
            scale_row: Default::default(),
            scale: Default::default(),
            aw_valid: Default::default(),
            aw_line: Default::default(),
            aw_lines: Default::default(),
            aw_ready: Default::default(),
            w_valid: Default::default(),
            w_data: (0..lanes).map(|_| Default::default()).collect(),
            w_quarters: Default::default(),
            w_last: Default::default(),
            w_ready: Default::default(),
            b_valid: Default::default(),
            b_fault: Default::default(),
            done: Default::default(),
            done_gives: Default::default(),
            done_index: Default::default(),
            fault: Default::default(),
            fault_index: Default::default(),
            idle: Default::default(),
            active: Default::default(),
            reading: Default::default(),
            waiting: Default::default(),
            index: Default::default(),
            gives: Default::default(),
            release: Default::default(),
            format: Default::default(),
            zero: Default::default(),
            row: Default::default(),
            rows_left: Default::default(),
            row_ends: Default::default(),
            part: Default::default(),
            column_base: Default::default(),
            column_first: Default::default(),
            scale_next: Default::default(),
            part_number: (0..parts as u64)
                .map(|part| Constant::new(part.into()))
                .collect(),
            quarter_number: (0..4).map(|part: u64| Constant::new(part.into())).collect(),
            last_part: Constant::new((parts as u64 - 1).into()),
            credits: Default::default(),
            all_credits: Constant::new((GROUPS as u64).into()),
            credit_back: Default::default(),
            credits_back: Default::default(),
            completes: Default::default(),
            free: Default::default(),
            may_read: Default::default(),
            taken: Default::default(),
            row_end: Default::default(),
            read_end: Default::default(),
            tag_now: Default::default(),
            tag_read: Delay::new(2),
            tag_done: Delay::new(REQUANT_LATENCY),
            read_tag: Default::default(),
            tag: Default::default(),
            lane: (0..lanes).map(|_| Default::default()).collect(),
            chosen: (0..lanes).map(|_| Default::default()).collect(),
            value: (0..lanes).map(|_| Default::default()).collect(),
            quarter: Default::default(),
            packed: (0..lanes).map(|_| Default::default()).collect(),
            halves: (0..lanes / 2).map(|_| Default::default()).collect(),
            quarters: (0..lanes / 4).map(|_| Default::default()).collect(),
            line_done: Default::default(),
            line_quarters: Default::default(),
            lines: LineFifo::new(GROUPS, lanes),
            groups: Default::default(),
            run_lines: Default::default(),
            cutting: Default::default(),
            run_line: Default::default(),
            run_length: Default::default(),
            cutter: BurstCutter::new(port_bytes),
            may_burst: Default::default(),
            aw_taken: Default::default(),
            bursts: Fifo::new(4),
            sending: Default::default(),
            beats_left: Default::default(),
            w_taken: Default::default(),
            run_index: Default::default(),
            owners: Fifo::new(UNANSWERED),
            unanswered: Default::default(),
            drained: Default::default(),
            ended: Default::default(),
            ended_gives: Default::default(),
            ended_index: Default::default(),
            failed: Default::default(),
            failed_index: Default::default(),
            _lanes: lanes,
            _lanes_end: lanes + 1,
            _half: lanes / 2,
            _half_end: lanes / 2 + 1,
            _quarter: lanes / 4,
            _quarter_end: lanes / 4 + 1,
            _parts: parts,
            _part_bits: u64::from(parts.ilog2()),
            _part_bits_end: u64::from(parts.ilog2()) + 1,
        }
    }
}

impl Logic for StoreEngine {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            reading,
            waiting,
            index,
            gives,
            release,
            format,
            zero,
            row,
            rows_left,
            part,
            column_base,
            scale_next,
            credits,
            credits_back,
            row_ends,
            quarter,
            line_done,
            line_quarters,
            cutting,
            run_line,
            run_length,
            sending,
            beats_left,
            unanswered,
            ended,
            ended_gives,
            ended_index,
            failed,
            failed_index,
            run_index
        );
        self.tag_read.clock.next = self.clock.val();
        self.tag_done.clock.next = self.clock.val();
        self.lines.clock.next = self.clock.val();
        self.lines.reset.next = self.reset.val();
        self.cutter.clock.next = self.clock.val();
        self.cutter.reset.next = self.reset.val();
        self.bursts.clock.next = self.clock.val();
        self.bursts.reset.next = self.reset.val();
        self.owners.clock.next = self.clock.val();
        self.owners.reset.next = self.reset.val();
        self.may_burst.next =
            self.cutter.burst_valid.val() & self.bursts.room.val() & self.owners.room.val();

        // Reading half: one group of one row a cycle.
        self.may_read.next = self.reading.q.val() & (self.credits.q.val() != 0);
        self.acc_read.next = self.may_read.val() & (!self.zero.q.val());
        self.acc_row.next = self.row.q.val();
        self.taken.next = self.may_read.val() & (self.acc_ready.val() | self.zero.q.val());
        self.params_read.next = self.taken.val();
        self.column_row.next = self.column_base.q.val() + bit_cast::<24, 4>(self.part.q.val());
        self.scale_row.next = self.scale_next.q.val();
        self.row_end.next = self.taken.val() & (self.part.q.val() == self.last_part.val());
        self.read_end.next = self.row_end.val() & self.row_ends.q.val();
        self.tag_now.next.valid = self.taken.val();
        self.tag_now.next.last = self.read_end.val();
        self.tag_now.next.format = self.format.q.val();
        self.tag_now.next.zero = self.zero.q.val();
        self.tag_now.next.part = self.part.q.val();
        if self.taken.val() {
            self.part.d.next = self.part.q.val() + 1;
        }
        if self.row_end.val() {
            self.part.d.next = 0.into();
            self.row.d.next = self.row.q.val() + 1;
            self.scale_next.d.next = self.scale_next.q.val() + 1;
            self.rows_left.d.next = self.rows_left.q.val() - 1;
            self.row_ends.d.next = self.rows_left.q.val() == 2;
        }

        // The lanes.
        self.tag_read.data_in.next = self.tag_now.val();
        self.read_tag.next = self.tag_read.data_out.val();
        self.tag_done.data_in.next = self.read_tag.val();
        self.tag.next = self.tag_done.data_out.val();
        for l in self._lanes..self._lanes_end {
            for i in 0..self._lanes {
                self.chosen[i].next = self.acc_data[i].val();
                for p in 1..self._parts {
                    if self.read_tag.val().part == self.part_number[p].val() {
                        self.chosen[i].next = self.acc_data[p * l + i].val();
                    }
                }
                if self.read_tag.val().zero {
                    self.chosen[i].next = 0.into();
                }
                self.lane[i].clock.next = self.clock.val();
                self.lane[i].acc.next = self.chosen[i].val();
                self.lane[i].row_scale.next = self.scale.val();
                self.lane[i].column_scale.next = self.column[i * 2].val();
                self.lane[i].bias.next = self.column[i * 2 + 1].val();
                self.lane[i].raw.next = self.read_tag.val().format == 0;
                self.lane[i].narrow.next = self.read_tag.val().format == 2;
                self.value[i].next = self.lane[i].value.val();
            }
        }

        // Packing: int32 fills a line at once, int16 a half, int8 a quarter.
        for i in 0..self._half {
            self.halves[i].first.next = self.value[i * 2].val();
            self.halves[i].second.next = self.value[i * 2 + 1].val();
        }
        for i in 0..self._quarter {
            self.quarters[i].first.next = self.value[i * 4].val();
            self.quarters[i].second.next = self.value[i * 4 + 1].val();
            self.quarters[i].third.next = self.value[i * 4 + 2].val();
            self.quarters[i].fourth.next = self.value[i * 4 + 3].val();
        }
        for i in 0..self._lanes {
            self.packed[i].clock.next = self.clock.val();
            self.packed[i].d.next = self.packed[i].q.val();
            self.lines.push_data[i].next = self.packed[i].q.val();
            self.w_data[i].next = self.lines.data[i].val();
        }
        self.completes.next = false;
        if self.tag.val().valid {
            if self.tag.val().format == 0 {
                for i in 0..self._lanes {
                    self.packed[i].d.next = self.value[i].val();
                }
                self.completes.next = true;
                self.line_quarters.d.next = 15.into();
            } else if self.tag.val().format == 1 {
                self.quarter.d.next = self.quarter.q.val() + 2;
                self.line_quarters.d.next = 15.into();
                self.completes.next = self.quarter.q.val().get_bit(1) | self.tag.val().last;
                for h in self._half..self._half_end {
                    for i in 0..self._half {
                        if self.quarter.q.val().get_bit(1) {
                            self.packed[h + i].d.next = self.halves[i].word.val();
                        } else {
                            self.packed[i].d.next = self.halves[i].word.val();
                        }
                    }
                }
                if !self.quarter.q.val().get_bit(1) {
                    self.line_quarters.d.next = 3.into();
                }
            } else {
                self.quarter.d.next = self.quarter.q.val() + 1;
                self.completes.next = (self.quarter.q.val() == 3) | self.tag.val().last;
                for q in self._quarter..self._quarter_end {
                    for part in 0..4usize {
                        for i in 0..self._quarter {
                            if self.quarter.q.val() == self.quarter_number[part].val() {
                                self.packed[part * q + i].d.next = self.quarters[i].word.val();
                            }
                        }
                    }
                }
                self.line_quarters.d.next = 15.into();
                if self.quarter.q.val() == 0 {
                    self.line_quarters.d.next = 1.into();
                } else if self.quarter.q.val() == 1 {
                    self.line_quarters.d.next = 3.into();
                } else if self.quarter.q.val() == 2 {
                    self.line_quarters.d.next = 7.into();
                }
            }
            if self.tag.val().last {
                self.quarter.d.next = 0.into();
            }
        }
        self.line_done.d.next = self.completes.val();
        self.credit_back.next = self.tag.val().valid & (!self.completes.val());
        self.lines.push.next = self.line_done.q.val();
        self.lines.push_quarters.next = self.line_quarters.q.val();

        // Writing half.
        self.cutter.run_valid.next = self.cutting.q.val();
        self.cutter.run_line.next = self.run_line.q.val();
        self.cutter.run_lines.next = self.run_length.q.val();
        if self.cutting.q.val() & self.cutter.run_ready.val() {
            self.cutting.d.next = false;
        }
        self.aw_valid.next = self.may_burst.val();
        self.aw_line.next = self.cutter.burst_line.val();
        self.aw_lines.next = self.cutter.burst_lines.val();
        self.aw_taken.next = self.may_burst.val() & self.aw_ready.val();
        self.cutter.burst_ready.next = self.aw_taken.val();
        self.bursts.push.next = self.aw_taken.val();
        self.bursts.push_data.next = self.cutter.burst_lines.val();
        self.owners.push.next = self.aw_taken.val();
        self.owners.push_data.next = self.run_index.q.val();
        self.owners.pop.next = self.b_valid.val();
        self.bursts.pop.next = false;
        self.w_valid.next = self.sending.q.val() & self.lines.valid.val();
        self.w_quarters.next = self.lines.quarters.val();
        self.w_last.next = self.beats_left.q.val() == 1;
        self.w_taken.next = self.sending.q.val() & self.lines.valid.val() & self.w_ready.val();
        self.lines.pop.next = self.w_taken.val();
        if self.w_taken.val() {
            self.beats_left.d.next = self.beats_left.q.val() - 1;
        }
        if (!self.sending.q.val()) | (self.w_taken.val() & (self.beats_left.q.val() == 1)) {
            self.sending.d.next = self.bursts.valid.val();
            self.bursts.pop.next = self.bursts.valid.val();
            self.beats_left.d.next = self.bursts.data.val();
        }
        if self.aw_taken.val() & (!self.b_valid.val()) {
            self.unanswered.d.next = self.unanswered.q.val() + 1;
        }
        if self.b_valid.val() & (!self.aw_taken.val()) {
            self.unanswered.d.next = self.unanswered.q.val() - 1;
        }
        self.credits_back.d.next = 0.into();
        if self.credit_back.val() != self.w_taken.val() {
            self.credits_back.d.next = 1.into();
        }
        if self.credit_back.val() & self.w_taken.val() {
            self.credits_back.d.next = 2.into();
        }
        self.credits.d.next = self.credits.q.val() + self.credits_back.q.val();
        if self.taken.val() {
            self.credits.d.next = self.credits.q.val() + self.credits_back.q.val() - 1;
        }
        self.drained.next = (self.credits.q.val() == self.all_credits.val())
            & (!self.cutting.q.val())
            & self.cutter.run_ready.val()
            & (self.unanswered.q.val() == 0);

        // Ends.
        self.ended.d.next = false;
        self.ended_gives.d.next = self.gives.q.val();
        self.ended_index.d.next = self.index.q.val();
        if self.read_end.val() {
            self.reading.d.next = false;
            self.ended.d.next = self.release.q.val();
            self.waiting.d.next = !self.release.q.val();
        }
        if self.waiting.q.val() & self.drained.val() {
            self.waiting.d.next = false;
            self.ended.d.next = true;
        }
        self.done.next = self.ended.q.val();
        self.done_gives.next = self.ended_gives.q.val();
        self.done_index.next = self.ended_index.q.val();
        self.failed.d.next = 0.into();
        if self.b_valid.val() {
            self.failed.d.next = self.b_fault.val();
        }
        self.fault.next = self.failed.q.val();
        self.failed_index.d.next = self.owners.data.val();
        self.fault_index.next = self.failed_index.q.val();
        self.active.next = !self.drained.val();
        self.idle.next = (!self.reading.q.val())
            & (!self.waiting.q.val())
            & (!self.ended.q.val())
            & (self.failed.q.val() == 0)
            & self.drained.val();

        // The next command.
        self.free.next = (!self.reading.q.val())
            & (!self.waiting.q.val())
            & (!self.cutting.q.val())
            & self.cutter.run_ready.val();
        self.entry_ready.next = self.free.val();
        for k in self._part_bits..self._part_bits_end {
            self.groups.next = bit_cast::<24, 16>(self.entry.val().m) << k;
            self.column_first.next = bit_cast::<24, 16>(self.entry.val().column_row) << k;
        }
        self.run_lines.next = self.groups.val();
        if self.entry.val().format == 1 {
            self.run_lines.next = (self.groups.val() + 1) >> 1;
        }
        if self.entry.val().format == 2 {
            self.run_lines.next = (self.groups.val() + 3) >> 2;
        }
        if self.entry_valid.val() & self.free.val() {
            self.reading.d.next = true;
            self.index.d.next = self.entry.val().index;
            self.gives.d.next = self.entry.val().gives;
            self.release.d.next = self.entry.val().release;
            self.format.d.next = self.entry.val().format;
            self.zero.d.next = self.entry.val().zero;
            self.row.d.next = self.entry.val().acc_row;
            self.rows_left.d.next = self.entry.val().m;
            self.row_ends.d.next = self.entry.val().m == 1;
            self.part.d.next = 0.into();
            self.column_base.d.next = self.column_first.val();
            self.scale_next.d.next = bit_cast::<24, 16>(self.entry.val().row_index);
            self.cutting.d.next = true;
            self.run_index.d.next = self.entry.val().index;
            self.run_line.d.next = self.entry.val().dst_line;
            self.run_length.d.next = self.run_lines.val();
        }
        if self.reset.val() {
            self.reading.d.next = false;
            self.waiting.d.next = false;
            self.cutting.d.next = false;
            self.sending.d.next = false;
            self.line_done.d.next = false;
            self.quarter.d.next = 0.into();
            self.credits.d.next = self.all_credits.val();
            self.credits_back.d.next = 0.into();
            self.unanswered.d.next = 0.into();
            self.ended.d.next = false;
            self.failed.d.next = 0.into();
        }
    }
}
