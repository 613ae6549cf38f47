//! GEMM: the two sequencers that keep the array busy.

use isa::config::Datapaths;
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::{GemmEntry, StreamTag};
use crate::array::Delay;
use crate::mem::{Fifo, ShownFifo};
use crate::weights::{Action, PackedFeed, PlainFeed, WeightsEntry, step_latency};

/// What the streaming half must know of a command.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Stream {
    index: Bits<16>,
    gives: Bits<16>,
    acc_row: Bits<16>,
    m: Bits<16>,
    k_tiles: Bits<16>,
    one_row: Bit,
    one_tile: Bit,
    accumulate: Bit,
    wide: Bit,
}

/// A row of activations to be read.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct ActRead {
    read: Bit,
    row: Bits<24>,
    wide: Bit,
}

/// What is told when a command has ended.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Ending {
    index: Bits<16>,
    gives: Bits<16>,
}

/// Reads weights and activations so that tiles and commands follow each other without a gap.
///
/// ```text
/// entry_valid, entry ->|            |-> wgt_read, wgt_row, advance, shift, action
/// entry_ready        <-|            |<- header
/// done, done_gives   <-| GemmEngine |-> act_read, act_row, act_wide  (`latency` - 2 later)
/// added_last         ->|            |-> load[], swap                 (`latency` later)
///                      |            |-> tag
/// ```
///
/// * A feed ([`PlainFeed`], or [`PackedFeed`] on a card with other formats) runs one tile ahead: it
///   brings the weights of the next tile as soon as the tile before it has begun. The streaming
///   half begins a tile when its weights are there, in the cycle after the last row of the tile
///   before it. A tile takes `max(m, rows / 2, 4)` cycles, packed weights more where they come with
///   headers, scales or indices that `m` does not hide.
/// * `load` (one bit for each two rows of the array) and `swap` leave [`step_latency`] cycles after
///   the steps that they belong to, with the weights; activations must reach the array three
///   cycles after `act_read` (two of the buffer and one register). `tag` leaves so that it announces
///   the sums two cycles ahead.
/// * A command that adds to some of the accumulator rows of the command before it, but begins at
///   another row, waits until the array is empty: the accumulators need four cycles between two
///   additions to one row, and only equal beginnings or other rows are sure to leave them.
/// * `done` follows `added_last`.
#[derive(LogicBlock)]
pub struct GemmEngine {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget all commands. Tags that are on their way still leave: hold it until they have.
    pub reset: Signal<In, Bit>,
    /// A command may start.
    pub entry_valid: Signal<In, Bit>,
    /// The command.
    pub entry: Signal<In, GemmEntry>,
    /// The command is taken.
    pub entry_ready: Signal<Out, Bit>,
    /// Read a row of weights.
    pub wgt_read: Signal<Out, Bit>,
    /// The row.
    pub wgt_row: Signal<Out, Bits<24>>,
    /// See [`PackedFeed`]; without it, the buffer's output register takes every row.
    pub advance: Signal<Out, Bit>,
    /// See [`PackedFeed`].
    pub shift: Signal<Out, Bit>,
    /// See [`PackedFeed`].
    pub action: Signal<Out, Action>,
    /// See [`PackedFeed`].
    pub header: Signal<In, Bits<16>>,
    /// Read a row of activations.
    pub act_read: Signal<Out, Bit>,
    /// The row.
    pub act_row: Signal<Out, Bits<24>>,
    /// The row and the one after it are one of 2:4.
    pub act_wide: Signal<Out, Bit>,
    /// To the array: these two rows take their weights.
    pub load: Vec<Signal<Out, Bit>>,
    /// To the array, one cycle before the activations.
    pub swap: Signal<Out, Bit>,
    /// To the accumulators.
    pub tag: Signal<Out, StreamTag>,
    /// From the accumulators: the last row of a command is written.
    pub added_last: Signal<In, Bit>,
    /// A command has ended.
    pub done: Signal<Out, Bit>,
    /// Tokens that it gives.
    pub done_gives: Signal<Out, Bits<16>>,
    /// Its index.
    pub done_index: Signal<Out, Bits<16>>,
    /// No command is under way.
    pub idle: Signal<Out, Bit>,
    /// A row of activations is read.
    pub busy: Signal<Out, Bit>,
    /// A command waits for weights to enter the array.
    pub starved: Signal<Out, Bit>,
    // Weights.
    plain_feed: Vec<PlainFeed>,
    packed_feed: Vec<PackedFeed>,
    weights: Signal<Local, WeightsEntry>,
    feed_ready: Signal<Local, Bit>,
    feed_idle: Signal<Local, Bit>,
    step: Signal<Local, Bit>,
    tile_done: Signal<Local, Bit>,
    tile_base: Signal<Local, Bits<24>>,
    step_mark: DFF<Bits<16>>,
    marks: Signal<Local, Bits<16>>,
    shadow_free: DFF<Bit>,
    shadow_full: DFF<Bit>,
    may_step: Signal<Local, Bit>,
    may_take: Signal<Local, Bit>,
    entry_taken: Signal<Local, Bit>,
    streams: ShownFifo<Stream>,
    stream: Signal<Local, Stream>,
    // Streaming half.
    current: DFF<Bit>,
    running: DFF<Bit>,
    act_next: DFF<Bits<24>>,
    act_now: Signal<Local, ActRead>,
    act_then: Signal<Local, ActRead>,
    wide: DFF<Bit>,
    spacing: DFF<Bits<2>>,
    spaced: DFF<Bit>,
    acc_base: DFF<Bits<16>>,
    acc_next: DFF<Bits<16>>,
    m: DFF<Bits<16>>,
    rows_left: DFF<Bits<16>>,
    tiles_left: DFF<Bits<16>>,
    // That there is one row in a tile, one left of it, and one tile left: known with the counts, so
    // that nobody compares them.
    one_row: DFF<Bit>,
    row_ends: DFF<Bit>,
    tile_ends: DFF<Bit>,
    add: DFF<Bit>,
    wait_empty: DFF<Bit>,
    tile_start: Signal<Local, Bit>,
    row_now: Signal<Local, Bit>,
    last_row: Signal<Local, Bit>,
    finish: Signal<Local, Bit>,
    take: Signal<Local, Bit>,
    old_start: Signal<Local, Bits<17>>,
    old_end: Signal<Local, Bits<17>>,
    new_start: Signal<Local, Bits<17>>,
    new_end: Signal<Local, Bits<17>>,
    tag_now: Signal<Local, StreamTag>,
    index: DFF<Bits<16>>,
    gives: DFF<Bits<16>>,
    pending: Fifo<Ending>,
    ending: Signal<Local, Ending>,
    in_flight: DFF<Bits<8>>,
    ended: DFF<Bit>,
    ended_with: DFF<Ending>,
    load_delay: Delay<Bits<16>>,
    loads: Signal<Local, Bits<16>>,
    swap_delay: Delay<Bit>,
    act_delay: Delay<ActRead>,
    tag_delay: Delay<StreamTag>,
    _plain: usize,
    _packed: usize,
    _two_four: usize,
    _pairs: usize,
}

impl GemmEngine {
    /// Sequencers for an array of this size, whose sums come `array_latency` cycles after its
    /// activations.
    pub fn new(rows: usize, cols: usize, datapaths: &Datapaths, array_latency: usize) -> Self {
        let packed = usize::from(datapaths.unpacks());
        let latency = step_latency(datapaths);
        Self {
            clock: Default::default(),
            reset: Default::default(),
            entry_valid: Default::default(),
            entry: Default::default(),
            entry_ready: Default::default(),
            wgt_read: Default::default(),
            wgt_row: Default::default(),
            advance: Default::default(),
            shift: Default::default(),
            action: Default::default(),
            header: Default::default(),
            act_read: Default::default(),
            act_row: Default::default(),
            act_wide: Default::default(),
            load: (0..rows / 2).map(|_| Signal::default()).collect(),
            swap: Default::default(),
            tag: Default::default(),
            added_last: Default::default(),
            done: Default::default(),
            done_gives: Default::default(),
            done_index: Default::default(),
            idle: Default::default(),
            busy: Default::default(),
            starved: Default::default(),
            plain_feed: (packed..1).map(|_| PlainFeed::new(rows)).collect(),
            packed_feed: (0..packed)
                .map(|_| PackedFeed::new(rows, cols, datapaths))
                .collect(),
            weights: Default::default(),
            feed_ready: Default::default(),
            feed_idle: Default::default(),
            step: Default::default(),
            tile_done: Default::default(),
            tile_base: Default::default(),
            step_mark: Default::default(),
            marks: Default::default(),
            shadow_free: Default::default(),
            shadow_full: Default::default(),
            may_step: Default::default(),
            may_take: Default::default(),
            entry_taken: Default::default(),
            streams: ShownFifo::new(2),
            stream: Default::default(),
            current: Default::default(),
            running: Default::default(),
            act_next: Default::default(),
            act_now: Default::default(),
            act_then: Default::default(),
            wide: Default::default(),
            spacing: Default::default(),
            spaced: Default::default(),
            acc_base: Default::default(),
            acc_next: Default::default(),
            m: Default::default(),
            rows_left: Default::default(),
            tiles_left: Default::default(),
            one_row: Default::default(),
            row_ends: Default::default(),
            tile_ends: Default::default(),
            add: Default::default(),
            wait_empty: Default::default(),
            tile_start: Default::default(),
            row_now: Default::default(),
            last_row: Default::default(),
            finish: Default::default(),
            take: Default::default(),
            old_start: Default::default(),
            old_end: Default::default(),
            new_start: Default::default(),
            new_end: Default::default(),
            tag_now: Default::default(),
            index: Default::default(),
            gives: Default::default(),
            ending: Default::default(),
            pending: Fifo::new(32),
            in_flight: Default::default(),
            ended: Default::default(),
            ended_with: Default::default(),
            load_delay: Delay::new(latency),
            loads: Default::default(),
            swap_delay: Delay::new(latency),
            act_delay: Delay::new(latency - 2),
            tag_delay: Delay::new(array_latency + latency - 1),
            _plain: 1 - packed,
            _packed: packed,
            _two_four: datapaths.two_four.into(),
            _pairs: rows / 2,
        }
    }
}

impl Logic for GemmEngine {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            step_mark,
            shadow_free,
            shadow_full,
            current,
            running,
            act_next,
            wide,
            spacing,
            spaced,
            acc_base,
            acc_next,
            m,
            rows_left,
            tiles_left,
            one_row,
            row_ends,
            tile_ends,
            add,
            wait_empty,
            index,
            gives,
            in_flight,
            ended,
            ended_with
        );
        self.streams.clock.next = self.clock.val();
        self.streams.reset.next = self.reset.val();
        self.pending.clock.next = self.clock.val();
        self.pending.reset.next = self.reset.val();
        self.load_delay.clock.next = self.clock.val();
        self.act_delay.clock.next = self.clock.val();
        self.swap_delay.clock.next = self.clock.val();
        self.tag_delay.clock.next = self.clock.val();

        // What the feed tells.
        self.shift.next = false;
        self.action.next.take = false;
        self.action.next.position = 0.into();
        self.action.next.scales = false;
        self.action.next.indices = false;
        self.action.next.step = false;
        self.action.next.bits = 0.into();
        self.action.next.scaled = false;
        self.action.next.two_four = false;
        for i in 0..self._plain {
            self.feed_ready.next = self.plain_feed[i].ready.val();
            self.feed_idle.next = self.plain_feed[i].idle.val();
            self.wgt_read.next = self.plain_feed[i].read.val();
            self.wgt_row.next = self.plain_feed[i].read_row.val();
            self.advance.next = true;
            self.step.next = self.plain_feed[i].step.val();
            self.tile_done.next = self.plain_feed[i].tile_done.val();
            self.tile_base.next = self.plain_feed[i].tile_base.val();
        }
        for i in 0..self._packed {
            self.feed_ready.next = self.packed_feed[i].ready.val();
            self.feed_idle.next = self.packed_feed[i].idle.val();
            self.wgt_read.next = self.packed_feed[i].read.val();
            self.wgt_row.next = self.packed_feed[i].read_row.val();
            self.advance.next = self.packed_feed[i].advance.val();
            self.shift.next = self.packed_feed[i].shift.val();
            self.action.next = self.packed_feed[i].action.val();
            self.step.next = self.packed_feed[i].step.val();
            self.tile_done.next = self.packed_feed[i].tile_done.val();
            self.tile_base.next = self.packed_feed[i].tile_base.val();
        }

        // Streaming half: a row is read in every cycle of `row_now`.
        self.tile_start.next = self.current.q.val()
            & (!self.running.q.val())
            & self.shadow_full.q.val()
            & self.spaced.q.val()
            & (!self.wait_empty.q.val());
        self.row_now.next = self.tile_start.val() | self.running.q.val();
        self.last_row.next = self.row_now.val() & self.row_ends.q.val();
        self.finish.next = self.last_row.val() & self.tile_ends.q.val();
        self.act_now.next.read = self.row_now.val();
        self.act_now.next.row = self.act_next.q.val();
        if self.tile_start.val() {
            self.act_now.next.row = self.tile_base.val();
        }
        self.act_now.next.wide = self.wide.q.val();
        self.act_delay.data_in.next = self.act_now.val();
        self.act_then.next = self.act_delay.data_out.val();
        self.act_read.next = self.act_then.val().read;
        self.act_row.next = self.act_then.val().row;
        self.act_wide.next = self.act_then.val().wide;
        if self.spacing.q.val() != 0 {
            self.spacing.d.next = self.spacing.q.val() - 1;
        }
        self.spaced.d.next = self.spacing.q.val() <= 1;
        if self.tile_start.val() {
            self.spacing.d.next = 3.into();
            self.spaced.d.next = false;
        }
        self.busy.next = self.row_now.val();
        self.starved.next = self.current.q.val() & (!self.row_now.val());
        self.tag_now.next.valid = self.row_now.val();
        self.tag_now.next.add = self.add.q.val();
        self.tag_now.next.last = self.finish.val();
        self.tag_now.next.row = self.acc_next.q.val();
        if self.row_now.val() {
            self.act_next.d.next = self.act_now.val().row + 1;
            if self.wide.q.val() {
                self.act_next.d.next = self.act_now.val().row + 2;
            }
            self.acc_next.d.next = self.acc_next.q.val() + 1;
            self.rows_left.d.next = self.rows_left.q.val() - 1;
            self.row_ends.d.next = self.rows_left.q.val() == 2;
            self.running.d.next = !self.last_row.val();
        }
        if self.last_row.val() {
            self.acc_next.d.next = self.acc_base.q.val();
            self.rows_left.d.next = self.m.q.val();
            self.row_ends.d.next = self.one_row.q.val();
            self.tiles_left.d.next = self.tiles_left.q.val() - 1;
            self.tile_ends.d.next = self.tiles_left.q.val() == 2;
            self.add.d.next = true;
        }
        self.pending.push.next = self.finish.val();
        self.ending.next.index = self.index.q.val();
        self.ending.next.gives = self.gives.q.val();
        self.pending.push_data.next = self.ending.val();
        if self.in_flight.q.val() == 0 {
            self.wait_empty.d.next = false;
        }
        self.old_start.next = bit_cast::<17, 16>(self.acc_base.q.val());
        self.old_end.next = self.old_start.val() + bit_cast::<17, 16>(self.m.q.val());
        self.new_start.next = bit_cast::<17, 16>(self.streams.data.val().acc_row);
        self.new_end.next = self.new_start.val() + bit_cast::<17, 16>(self.streams.data.val().m);
        self.take.next = self.streams.valid.val() & ((!self.current.q.val()) | self.finish.val());
        self.streams.pop.next = self.take.val();
        if self.finish.val() {
            self.current.d.next = false;
        }
        if self.take.val() {
            self.current.d.next = true;
            self.index.d.next = self.streams.data.val().index;
            self.gives.d.next = self.streams.data.val().gives;
            for _i in 0..self._two_four {
                self.wide.d.next = self.streams.data.val().wide;
            }
            self.acc_base.d.next = self.streams.data.val().acc_row;
            self.acc_next.d.next = self.streams.data.val().acc_row;
            self.m.d.next = self.streams.data.val().m;
            self.rows_left.d.next = self.streams.data.val().m;
            self.tiles_left.d.next = self.streams.data.val().k_tiles;
            self.one_row.d.next = self.streams.data.val().one_row;
            self.row_ends.d.next = self.streams.data.val().one_row;
            self.tile_ends.d.next = self.streams.data.val().one_tile;
            self.add.d.next = self.streams.data.val().accumulate;
            self.wait_empty.d.next = self.streams.data.val().accumulate
                & (self.streams.data.val().acc_row != self.acc_base.q.val())
                & (self.new_start.val() < self.old_end.val())
                & (self.old_start.val() < self.new_end.val());
        }

        // Weights of the next tile.
        self.may_step.next = self.shadow_free.q.val() | self.tile_start.val();
        self.weights.next.row = self.entry.val().wgt_row;
        self.weights.next.rows = self.entry.val().wgt_rows;
        self.weights.next.tiles = self.entry.val().k_tiles;
        self.weights.next.bits = self.entry.val().bits;
        self.weights.next.two_four = self.entry.val().two_four;
        self.weights.next.blocks = self.entry.val().blocks;
        self.weights.next.group = self.entry.val().group;
        self.weights.next.act_row = self.entry.val().act_row;
        self.weights.next.act_stride = self.entry.val().act_stride;
        if self.tile_start.val() {
            self.shadow_free.d.next = true;
            self.shadow_full.d.next = false;
        }
        // One bit for each two rows of the array, which moves on with every step.
        self.marks.next = 0.into();
        if self.step.val() {
            self.marks.next = self.step_mark.q.val();
            self.step_mark.d.next = self.step_mark.q.val() << 1;
        }
        if self.tile_done.val() {
            self.step_mark.d.next = 1.into();
            self.shadow_free.d.next = false;
            self.shadow_full.d.next = true;
        }
        self.load_delay.data_in.next = self.marks.val();
        self.loads.next = self.load_delay.data_out.val();
        for i in 0..self._pairs {
            self.load[i].next = self.loads.val().get_bit(i);
        }
        self.may_take.next = self.streams.room.val() & self.feed_ready.val();
        self.entry_ready.next = self.may_take.val();
        self.stream.next.index = self.entry.val().index;
        self.stream.next.gives = self.entry.val().gives;
        self.stream.next.wide = self.entry.val().two_four;
        self.stream.next.acc_row = self.entry.val().acc_row;
        self.stream.next.m = self.entry.val().m;
        self.stream.next.k_tiles = self.entry.val().k_tiles;
        self.stream.next.one_row = self.entry.val().m == 1;
        self.stream.next.one_tile = self.entry.val().k_tiles == 1;
        self.stream.next.accumulate = self.entry.val().accumulate;
        self.streams.push_data.next = self.stream.val();
        self.entry_taken.next = self.entry_valid.val() & self.may_take.val();
        self.streams.push.next = self.entry_taken.val();
        for i in 0..self._plain {
            self.plain_feed[i].clock.next = self.clock.val();
            self.plain_feed[i].reset.next = self.reset.val();
            self.plain_feed[i].start.next = self.entry_taken.val();
            self.plain_feed[i].entry.next = self.weights.val();
            self.plain_feed[i].may_step.next = self.may_step.val();
        }
        for i in 0..self._packed {
            self.packed_feed[i].clock.next = self.clock.val();
            self.packed_feed[i].reset.next = self.reset.val();
            self.packed_feed[i].start.next = self.entry_taken.val();
            self.packed_feed[i].entry.next = self.weights.val();
            self.packed_feed[i].may_step.next = self.may_step.val();
            self.packed_feed[i].header.next = self.header.val();
        }

        // Ends, in the order of the beginnings.
        self.pending.pop.next = self.added_last.val();
        self.ended.d.next = self.added_last.val();
        self.ended_with.d.next = self.pending.data.val();
        self.done.next = self.ended.q.val();
        self.done_gives.next = self.ended_with.q.val().gives;
        self.done_index.next = self.ended_with.q.val().index;
        if self.finish.val() & (!self.added_last.val()) {
            self.in_flight.d.next = self.in_flight.q.val() + 1;
        }
        if self.added_last.val() & (!self.finish.val()) {
            self.in_flight.d.next = self.in_flight.q.val() - 1;
        }
        self.idle.next = self.feed_idle.val()
            & (!self.current.q.val())
            & (!self.streams.occupied.val())
            & (self.in_flight.q.val() == 0)
            & (!self.ended.q.val());

        self.swap_delay.data_in.next = self.tile_start.val();
        self.swap.next = self.swap_delay.data_out.val();
        self.tag_delay.data_in.next = self.tag_now.val();
        self.tag.next = self.tag_delay.data_out.val();
        if self.reset.val() {
            self.step_mark.d.next = 1.into();
            self.spacing.d.next = 0.into();
            self.spaced.d.next = true;
            self.shadow_free.d.next = true;
            self.shadow_full.d.next = false;
            self.current.d.next = false;
            self.running.d.next = false;
            self.wait_empty.d.next = false;
            self.in_flight.d.next = 0.into();
            self.ended.d.next = false;
        }
    }
}
