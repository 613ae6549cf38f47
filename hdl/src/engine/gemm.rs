//! GEMM: the two sequencers that keep the array busy.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::{GemmEntry, StreamTag};
use crate::array::Delay;
use crate::mem::Fifo;

/// What the streaming half must know of a command.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Stream {
    index: Bits<16>,
    gives: Bits<16>,
    act_row: Bits<24>,
    act_stride: Bits<16>,
    acc_row: Bits<16>,
    m: Bits<16>,
    k_tiles: Bits<16>,
    accumulate: Bit,
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
/// entry_valid, entry ->|            |-> wgt_read, wgt_row
/// entry_ready        <-| GemmEngine |-> act_read, act_row
/// done, done_gives   <-|            |-> load, swap        (2 later)
/// added_last         ->|            |-> tag                (rows + cols + 1 later)
/// ```
///
/// * The weight half runs one tile ahead: it reads the rows of the next tile as soon as the tile
///   before it has begun. The streaming half begins a tile when its weights are in
///   the array, in the cycle after the last row of the tile before it. A tile takes
///   `max(m, rows)` cycles.
/// * `load` and `swap` leave two cycles after the reads that they belong to, with the weights;
///   activations must reach the array three cycles after `act_read` (two of the buffer and one
///   register). `tag` leaves so that it announces the sums two cycles ahead.
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
    /// Read a row of activations.
    pub act_read: Signal<Out, Bit>,
    /// The row.
    pub act_row: Signal<Out, Bits<24>>,
    /// To the array, with the first row of a tile.
    pub load: Signal<Out, Bit>,
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
    // Weight half.
    loading: DFF<Bit>,
    load_tiles: DFF<Bits<16>>,
    load_row: DFF<Bits<24>>,
    load_step: DFF<Bits<8>>,
    shadow_free: DFF<Bit>,
    shadow_full: DFF<Bit>,
    last_step: Constant<Bits<8>>,
    may_load: Signal<Local, Bit>,
    may_take: Signal<Local, Bit>,
    entry_taken: Signal<Local, Bit>,
    streams: Fifo<Stream>,
    stream: Signal<Local, Stream>,
    // Streaming half.
    current: DFF<Bit>,
    running: DFF<Bit>,
    act_base: DFF<Bits<24>>,
    act_next: DFF<Bits<24>>,
    act_stride: DFF<Bits<16>>,
    acc_base: DFF<Bits<16>>,
    acc_next: DFF<Bits<16>>,
    m: DFF<Bits<16>>,
    rows_left: DFF<Bits<16>>,
    tiles_left: DFF<Bits<16>>,
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
    load_delay: Delay<Bit>,
    swap_delay: Delay<Bit>,
    tag_delay: Delay<StreamTag>,
}

impl GemmEngine {
    /// Sequencers for an array of this size.
    pub fn new(rows: usize, cols: usize) -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            entry_valid: Default::default(),
            entry: Default::default(),
            entry_ready: Default::default(),
            wgt_read: Default::default(),
            wgt_row: Default::default(),
            act_read: Default::default(),
            act_row: Default::default(),
            load: Default::default(),
            swap: Default::default(),
            tag: Default::default(),
            added_last: Default::default(),
            done: Default::default(),
            done_gives: Default::default(),
            done_index: Default::default(),
            idle: Default::default(),
            busy: Default::default(),
            starved: Default::default(),
            loading: Default::default(),
            load_tiles: Default::default(),
            load_row: Default::default(),
            load_step: Default::default(),
            shadow_free: Default::default(),
            shadow_full: Default::default(),
            last_step: Constant::new((rows as u64 - 1).into()),
            may_load: Default::default(),
            may_take: Default::default(),
            entry_taken: Default::default(),
            streams: Fifo::new(2),
            stream: Default::default(),
            current: Default::default(),
            running: Default::default(),
            act_base: Default::default(),
            act_next: Default::default(),
            act_stride: Default::default(),
            acc_base: Default::default(),
            acc_next: Default::default(),
            m: Default::default(),
            rows_left: Default::default(),
            tiles_left: Default::default(),
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
            load_delay: Delay::new(2),
            swap_delay: Delay::new(2),
            tag_delay: Delay::new(rows + cols + 1),
        }
    }
}

impl Logic for GemmEngine {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            loading,
            load_tiles,
            load_row,
            load_step,
            shadow_free,
            shadow_full,
            current,
            running,
            act_base,
            act_next,
            act_stride,
            acc_base,
            acc_next,
            m,
            rows_left,
            tiles_left,
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
        self.swap_delay.clock.next = self.clock.val();
        self.tag_delay.clock.next = self.clock.val();

        // Streaming half: a row is read in every cycle of `row_now`.
        self.tile_start.next = self.current.q.val()
            & (!self.running.q.val())
            & self.shadow_full.q.val()
            & (!self.wait_empty.q.val());
        self.row_now.next = self.tile_start.val() | self.running.q.val();
        self.last_row.next = (self.tile_start.val() & (self.m.q.val() == 1))
            | (self.running.q.val() & (self.rows_left.q.val() == 1));
        self.finish.next = self.last_row.val() & (self.tiles_left.q.val() == 1);
        self.act_read.next = self.row_now.val();
        self.act_row.next = self.act_next.q.val();
        self.busy.next = self.row_now.val();
        self.starved.next = self.current.q.val() & (!self.row_now.val());
        self.tag_now.next.valid = self.row_now.val();
        self.tag_now.next.add = self.add.q.val();
        self.tag_now.next.last = self.finish.val();
        self.tag_now.next.row = self.acc_next.q.val();
        if self.row_now.val() {
            self.act_next.d.next = self.act_next.q.val() + 1;
            self.acc_next.d.next = self.acc_next.q.val() + 1;
            self.rows_left.d.next = self.rows_left.q.val() - 1;
            self.running.d.next = !self.last_row.val();
        }
        if self.last_row.val() {
            self.act_base.d.next =
                self.act_base.q.val() + bit_cast::<24, 16>(self.act_stride.q.val());
            self.act_next.d.next =
                self.act_base.q.val() + bit_cast::<24, 16>(self.act_stride.q.val());
            self.acc_next.d.next = self.acc_base.q.val();
            self.rows_left.d.next = self.m.q.val();
            self.tiles_left.d.next = self.tiles_left.q.val() - 1;
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
            self.act_base.d.next = self.streams.data.val().act_row;
            self.act_next.d.next = self.streams.data.val().act_row;
            self.act_stride.d.next = self.streams.data.val().act_stride;
            self.acc_base.d.next = self.streams.data.val().acc_row;
            self.acc_next.d.next = self.streams.data.val().acc_row;
            self.m.d.next = self.streams.data.val().m;
            self.rows_left.d.next = self.streams.data.val().m;
            self.tiles_left.d.next = self.streams.data.val().k_tiles;
            self.add.d.next = self.streams.data.val().accumulate;
            self.wait_empty.d.next = self.streams.data.val().accumulate
                & (self.streams.data.val().acc_row != self.acc_base.q.val())
                & (self.new_start.val() < self.old_end.val())
                & (self.old_start.val() < self.new_end.val());
        }

        // Weight half: rows of the next tile.
        self.may_load.next =
            self.loading.q.val() & (self.shadow_free.q.val() | self.tile_start.val());
        self.wgt_read.next = self.may_load.val();
        self.wgt_row.next = self.load_row.q.val();
        if self.tile_start.val() {
            self.shadow_free.d.next = true;
            self.shadow_full.d.next = false;
        }
        if self.may_load.val() {
            self.load_row.d.next = self.load_row.q.val() + 1;
            self.load_step.d.next = self.load_step.q.val() - 1;
            if self.load_step.q.val() == 0 {
                self.load_step.d.next = self.last_step.val();
                self.load_tiles.d.next = self.load_tiles.q.val() - 1;
                self.shadow_free.d.next = false;
                self.shadow_full.d.next = true;
                if self.load_tiles.q.val() == 1 {
                    self.loading.d.next = false;
                }
            }
        }
        // The last row of a command never waits, as it is not the first row of its tile; so the
        // next command may come with it and its weights follow without a gap.
        self.may_take.next = self.streams.room.val()
            & ((!self.loading.q.val())
                | ((self.load_step.q.val() == 0) & (self.load_tiles.q.val() == 1)));
        self.entry_ready.next = self.may_take.val();
        self.stream.next.index = self.entry.val().index;
        self.stream.next.gives = self.entry.val().gives;
        self.stream.next.act_row = self.entry.val().act_row;
        self.stream.next.act_stride = self.entry.val().act_stride;
        self.stream.next.acc_row = self.entry.val().acc_row;
        self.stream.next.m = self.entry.val().m;
        self.stream.next.k_tiles = self.entry.val().k_tiles;
        self.stream.next.accumulate = self.entry.val().accumulate;
        self.streams.push_data.next = self.stream.val();
        self.entry_taken.next = self.entry_valid.val() & self.may_take.val();
        self.streams.push.next = self.entry_taken.val();
        if self.entry_taken.val() {
            self.loading.d.next = true;
            self.load_tiles.d.next = self.entry.val().k_tiles;
            self.load_row.d.next = self.entry.val().wgt_row;
            self.load_step.d.next = self.last_step.val();
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
        self.idle.next = (!self.loading.q.val())
            & (!self.current.q.val())
            & (!self.streams.valid.val())
            & (self.in_flight.q.val() == 0)
            & (!self.ended.q.val());

        self.load_delay.data_in.next =
            self.may_load.val() & (self.load_step.q.val() == self.last_step.val());
        self.load.next = self.load_delay.data_out.val();
        self.swap_delay.data_in.next = self.tile_start.val();
        self.swap.next = self.swap_delay.data_out.val();
        self.tag_delay.data_in.next = self.tag_now.val();
        self.tag.next = self.tag_delay.data_out.val();
        if self.reset.val() {
            self.loading.d.next = false;
            self.shadow_free.d.next = true;
            self.shadow_full.d.next = false;
            self.current.d.next = false;
            self.running.d.next = false;
            self.wait_empty.d.next = false;
            self.in_flight.d.next = 0.into();
            self.ended.d.next = false;
            self.load_step.d.next = self.last_step.val();
        }
    }
}
