//! Feed of packed weights.

use isa::config::Datapaths;
use isa::weights::{INDEX_STEPS, SCALE_UNITS, StreamFormat};
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::{Action, WeightsEntry};
use crate::mem::Fifo;

/// Reads the stream of a command and says what its units are ([`isa::weights::StreamFormat`]).
///
/// ```text
/// start, entry ->|            |-> read, read_row, advance    (to the weight buffer)
/// ready        <-|            |-> shift, action              (to Unpack)
/// may_step     ->| PackedFeed |-> step, tile_done
/// header       ->|            |-> tile_base, idle
/// ```
///
/// * Ports that [`PlainFeed`](super::PlainFeed) has too mean the same. Nothing of a tile is taken
///   before `may_step`, so at most one tile waits.
/// * Rows are read ahead of their use: up to two wait in the buffer's output registers (`advance`
///   moves them on), and one in front of the window. A row is eight units and each cycle takes at
///   most so many: a header, scales, the indices of four steps, or a step.
/// * A stream that needs more rows than the command has gets its last row again and again; of one
///   that needs fewer the others are dropped.
#[derive(LogicBlock)]
pub struct PackedFeed {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget all commands.
    pub reset: Signal<In, Bit>,
    /// Take a command.
    pub start: Signal<In, Bit>,
    /// Its weights.
    pub entry: Signal<In, WeightsEntry>,
    /// A command may come.
    pub ready: Signal<Out, Bit>,
    /// The array takes weights.
    pub may_step: Signal<In, Bit>,
    /// Read a row of the buffer.
    pub read: Signal<Out, Bit>,
    /// The row.
    pub read_row: Signal<Out, Bits<24>>,
    /// The output register of the buffer takes the row that was read before.
    pub advance: Signal<Out, Bit>,
    /// The row at the output of the buffer goes in front of the window.
    pub shift: Signal<Out, Bit>,
    /// What to do with the window.
    pub action: Signal<Out, Action>,
    /// The header that was taken a cycle ago.
    pub header: Signal<In, Bits<16>>,
    /// Weights for the next two rows of the array.
    pub step: Signal<Out, Bit>,
    /// They are the last of a tile.
    pub tile_done: Signal<Out, Bit>,
    /// First activation row of the newest tile that is done.
    pub tile_base: Signal<Out, Bits<24>>,
    /// No command is under way.
    pub idle: Signal<Out, Bit>,
    // Rows.
    fetching: DFF<Bit>,
    fetch_row: DFF<Bits<24>>,
    fetch_left: DFF<Bits<24>>,
    fetched: DFF<Bit>,
    fetched_last: DFF<Bit>,
    held: DFF<Bit>,
    held_last: DFF<Bit>,
    in_front: DFF<Bit>,
    drop_row: Signal<Local, Bit>,
    held_free: Signal<Local, Bit>,
    fetched_free: Signal<Local, Bit>,
    read_now: Signal<Local, Bit>,
    // Commands whose rows are on their way.
    waiting: Fifo<WeightsEntry>,
    next: Signal<Local, WeightsEntry>,
    take_next: Signal<Local, Bit>,
    // The command that is taken apart.
    parsing: DFF<Bit>,
    draining: DFF<Bit>,
    format: DFF<WeightsEntry>,
    grouped: Signal<Local, Bit>,
    group_mask: Signal<Local, Bits<6>>,
    tiles_left: DFF<Bits<16>>,
    first_tile: DFF<Bit>,
    tile_number: DFF<Bits<6>>,
    steps_left: DFF<Bits<8>>,
    index_left: DFF<Bits<2>>,
    position: DFF<Bits<4>>,
    header_due: DFF<Bit>,
    header_came: DFF<Bit>,
    scales_due: DFF<Bit>,
    index_due: DFF<Bit>,
    scales_want: Signal<Local, Bit>,
    is_header: Signal<Local, Bit>,
    is_scales: Signal<Local, Bit>,
    is_indices: Signal<Local, Bit>,
    is_step: Signal<Local, Bit>,
    units: Signal<Local, Bits<5>>,
    past: Signal<Local, Bits<5>>,
    crosses: Signal<Local, Bit>,
    leaves: Signal<Local, Bit>,
    fire: Signal<Local, Bit>,
    step_now: Signal<Local, Bit>,
    tile_end: Signal<Local, Bit>,
    finish: Signal<Local, Bit>,
    last_dropped: Signal<Local, Bit>,
    action_now: Signal<Local, Action>,
    // Where the activations of a tile are.
    offset: DFF<Bits<24>>,
    named: Vec<DFF<Bits<32>>>,
    base: DFF<Bits<24>>,
    offset_now: Signal<Local, Bits<24>>,
    last_step: Constant<Bits<8>>,
    last_index: Constant<Bits<2>>,
    header_units: Constant<Bits<5>>,
    scale_units: Constant<Bits<5>>,
    index_units: Constant<Bits<5>>,
    _blocks: usize,
    _no_narrow: usize,
    _no_groups: usize,
    _no_two_four: usize,
    _no_blocks: usize,
}

impl PackedFeed {
    /// A feed of an array of `rows x cols`.
    pub fn new(rows: usize, cols: usize, datapaths: &Datapaths) -> Self {
        let steps = rows as u64 / 2;
        let together = steps.min(u64::from(INDEX_STEPS));
        Self {
            clock: Default::default(),
            reset: Default::default(),
            start: Default::default(),
            entry: Default::default(),
            ready: Default::default(),
            may_step: Default::default(),
            read: Default::default(),
            read_row: Default::default(),
            advance: Default::default(),
            shift: Default::default(),
            action: Default::default(),
            header: Default::default(),
            step: Default::default(),
            tile_done: Default::default(),
            tile_base: Default::default(),
            idle: Default::default(),
            fetching: Default::default(),
            fetch_row: Default::default(),
            fetch_left: Default::default(),
            fetched: Default::default(),
            fetched_last: Default::default(),
            held: Default::default(),
            held_last: Default::default(),
            in_front: Default::default(),
            drop_row: Default::default(),
            held_free: Default::default(),
            fetched_free: Default::default(),
            read_now: Default::default(),
            waiting: Fifo::new(2),
            next: Default::default(),
            take_next: Default::default(),
            parsing: Default::default(),
            draining: Default::default(),
            format: Default::default(),
            grouped: Default::default(),
            group_mask: Default::default(),
            tiles_left: Default::default(),
            first_tile: Default::default(),
            tile_number: Default::default(),
            steps_left: Default::default(),
            index_left: Default::default(),
            position: Default::default(),
            header_due: Default::default(),
            header_came: Default::default(),
            scales_due: Default::default(),
            index_due: Default::default(),
            scales_want: Default::default(),
            is_header: Default::default(),
            is_scales: Default::default(),
            is_indices: Default::default(),
            is_step: Default::default(),
            units: Default::default(),
            past: Default::default(),
            crosses: Default::default(),
            leaves: Default::default(),
            fire: Default::default(),
            step_now: Default::default(),
            tile_end: Default::default(),
            finish: Default::default(),
            last_dropped: Default::default(),
            action_now: Default::default(),
            offset: Default::default(),
            named: (0..usize::from(datapaths.blocks))
                .map(|_| DFF::default())
                .collect(),
            base: Default::default(),
            offset_now: Default::default(),
            last_step: Constant::new((steps - 1).into()),
            last_index: Constant::new((together - 1).into()),
            header_units: Constant::new(u64::from(StreamFormat::header_units(cols as u32)).into()),
            scale_units: Constant::new(u64::from(SCALE_UNITS).into()),
            index_units: Constant::new((super::index_units(rows) as u64).into()),
            _blocks: datapaths.blocks.into(),
            _no_narrow: (!datapaths.narrow).into(),
            _no_groups: (!datapaths.groups).into(),
            _no_two_four: (!datapaths.two_four).into(),
            _no_blocks: (!datapaths.blocks).into(),
        }
    }
}

impl Logic for PackedFeed {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            fetching,
            fetch_row,
            fetch_left,
            fetched,
            fetched_last,
            held,
            held_last,
            in_front,
            parsing,
            draining,
            format,
            tiles_left,
            first_tile,
            tile_number,
            steps_left,
            index_left,
            position,
            header_due,
            header_came,
            scales_due,
            index_due,
            offset,
            base
        );
        self.waiting.clock.next = self.clock.val();
        self.waiting.reset.next = self.reset.val();

        // What comes next in the stream.
        self.grouped.next = self.format.q.val().group != 0;
        self.group_mask.next = 0.into();
        if self.format.q.val().group == 2 {
            self.group_mask.next = 1.into();
        }
        if self.format.q.val().group == 3 {
            self.group_mask.next = 3.into();
        }
        if self.format.q.val().group == 4 {
            self.group_mask.next = 7.into();
        }
        if self.format.q.val().group == 5 {
            self.group_mask.next = 15.into();
        }
        if self.format.q.val().group == 6 {
            self.group_mask.next = 31.into();
        }
        self.scales_want.next = self.scales_due.q.val()
            | (self.header_came.q.val()
                & self.grouped.val()
                & (self.first_tile.q.val() | self.header.val().get_bit(15)));
        self.is_header.next = self.header_due.q.val();
        self.is_scales.next = (!self.header_due.q.val()) & self.scales_want.val();
        self.is_indices.next =
            (!self.header_due.q.val()) & (!self.scales_want.val()) & self.index_due.q.val();
        self.is_step.next =
            (!self.header_due.q.val()) & (!self.scales_want.val()) & (!self.index_due.q.val());
        self.units.next = bit_cast::<5, 4>(self.format.q.val().bits);
        if self.is_header.val() {
            self.units.next = self.header_units.val();
        }
        if self.is_scales.val() {
            self.units.next = self.scale_units.val();
        }
        if self.is_indices.val() {
            self.units.next = self.index_units.val();
        }
        self.past.next = bit_cast::<5, 4>(self.position.q.val()) + self.units.val();
        self.crosses.next = self.past.val() > 8;
        self.leaves.next = self.past.val() >= 8;
        self.fire.next = self.parsing.q.val()
            & self.in_front.q.val()
            & self.may_step.val()
            & (self.held.q.val() | (!self.crosses.val()));
        self.step_now.next = self.fire.val() & self.is_step.val();
        self.tile_end.next = self.step_now.val() & (self.steps_left.q.val() == 0);
        self.finish.next = self.tile_end.val() & (self.tiles_left.q.val() == 1);
        self.step.next = self.step_now.val();
        self.tile_done.next = self.tile_end.val();
        self.action_now.next.take = self.fire.val();
        self.action_now.next.position = self.position.q.val().get_bits::<3>(0);
        self.action_now.next.scales = self.fire.val() & self.is_scales.val();
        self.action_now.next.indices = self.fire.val() & self.is_indices.val();
        self.action_now.next.step = self.step_now.val();
        self.action_now.next.bits = self.format.q.val().bits;
        self.action_now.next.scaled = self.grouped.val();
        self.action_now.next.two_four = self.format.q.val().two_four;
        self.action.next = self.action_now.val();

        // Where the activations are: tiles follow each other, or headers name them.
        self.offset_now.next = self.offset.q.val();
        for i in 0..self._blocks {
            self.named[i].clock.next = self.clock.val();
            self.named[i].d.next = self.named[i].q.val();
            if self.header_came.q.val() {
                self.named[i].d.next = bit_cast::<16, 15>(self.header.val().get_bits::<15>(0))
                    * self.format.q.val().act_stride;
            }
            if self.format.q.val().blocks {
                self.offset_now.next = self.named[i].q.val().get_bits::<24>(0);
            }
        }
        self.tile_base.next = self.base.q.val();

        self.header_came.d.next = self.fire.val() & self.is_header.val();
        self.scales_due.d.next =
            self.scales_want.val() & (!(self.fire.val() & self.is_scales.val()));
        if self.fire.val() {
            self.position.d.next = bit_cast::<4, 3>(self.past.val().get_bits::<3>(0));
            self.header_due.d.next = false;
            if self.is_indices.val() {
                self.index_due.d.next = false;
            }
        }
        if self.step_now.val() {
            self.steps_left.d.next = self.steps_left.q.val() - 1;
            self.index_left.d.next = self.index_left.q.val() - 1;
            if self.index_left.q.val() == 0 {
                self.index_left.d.next = self.last_index.val();
                self.index_due.d.next = self.format.q.val().two_four;
            }
        }
        if self.tile_end.val() {
            self.steps_left.d.next = self.last_step.val();
            self.index_left.d.next = self.last_index.val();
            self.tiles_left.d.next = self.tiles_left.q.val() - 1;
            self.first_tile.d.next = false;
            self.tile_number.d.next = self.tile_number.q.val() + 1;
            self.header_due.d.next = self.format.q.val().blocks;
            self.index_due.d.next = self.format.q.val().two_four;
            self.scales_due.d.next = self.grouped.val()
                & (!self.format.q.val().blocks)
                & (((self.tile_number.q.val() + 1) & self.group_mask.val()) == 0);
            self.base.d.next = self.format.q.val().act_row + self.offset_now.val();
            self.offset.d.next =
                self.offset.q.val() + bit_cast::<24, 16>(self.format.q.val().act_stride);
        }

        // Rows: in front of the window, behind it, and read.
        self.shift.next = self.held.q.val()
            & self.parsing.q.val()
            & ((!self.in_front.q.val()) | (self.fire.val() & self.leaves.val()));
        self.drop_row.next = self.held.q.val()
            & ((self.shift.val() & (!self.held_last.q.val()))
                | self.finish.val()
                | self.draining.q.val());
        if self.fire.val() & self.leaves.val() & (!self.held.q.val()) {
            self.in_front.d.next = false;
        }
        if self.shift.val() {
            self.in_front.d.next = true;
        }
        self.held_free.next = (!self.held.q.val()) | self.drop_row.val();
        self.fetched_free.next = (!self.fetched.q.val()) | self.held_free.val();
        self.read_now.next = self.fetching.q.val() & self.fetched_free.val();
        self.read.next = self.read_now.val();
        self.read_row.next = self.fetch_row.q.val();
        self.advance.next = self.held_free.val();
        if self.held_free.val() {
            self.held.d.next = self.fetched.q.val();
            self.held_last.d.next = self.fetched_last.q.val();
        }
        if self.fetched_free.val() {
            self.fetched.d.next = self.read_now.val();
            self.fetched_last.d.next = self.fetch_left.q.val() == 1;
        }
        if self.read_now.val() {
            self.fetch_row.d.next = self.fetch_row.q.val() + 1;
            self.fetch_left.d.next = self.fetch_left.q.val() - 1;
            self.fetching.d.next = self.fetch_left.q.val() != 1;
        }
        self.ready.next = (!self.fetching.q.val()) & self.waiting.room.val();
        self.waiting.push.next = self.start.val();
        self.waiting.push_data.next = self.entry.val();
        if self.start.val() {
            self.fetching.d.next = true;
            self.fetch_row.d.next = self.entry.val().row;
            self.fetch_left.d.next = self.entry.val().rows;
        }

        // From one command to the next: the last of the rows must be gone.
        self.last_dropped.next = self.drop_row.val() & self.held_last.q.val();
        if self.finish.val() {
            self.parsing.d.next = false;
            self.in_front.d.next = false;
            self.draining.d.next = !self.last_dropped.val();
        }
        if self.draining.q.val() {
            self.draining.d.next = !self.last_dropped.val();
        }
        self.take_next.next = self.waiting.valid.val()
            & (((!self.parsing.q.val()) & (!self.draining.q.val()))
                | ((self.finish.val() | self.draining.q.val()) & self.last_dropped.val()));
        self.waiting.pop.next = self.take_next.val();
        self.next.next = self.waiting.data.val();
        // No command asks for what the card lacks; synthesis knows only what is written here, and
        // drops the rest.
        for _i in 0..self._no_narrow {
            self.next.next.bits = 8.into();
        }
        for _i in 0..self._no_groups {
            self.next.next.group = 0.into();
        }
        for _i in 0..self._no_two_four {
            self.next.next.two_four = false;
        }
        for _i in 0..self._no_blocks {
            self.next.next.blocks = false;
        }
        if self.take_next.val() {
            self.parsing.d.next = true;
            self.in_front.d.next = false;
            self.format.d.next = self.next.val();
            self.tiles_left.d.next = self.next.val().tiles;
            self.first_tile.d.next = true;
            self.tile_number.d.next = 0.into();
            self.steps_left.d.next = self.last_step.val();
            self.index_left.d.next = self.last_index.val();
            self.position.d.next = 0.into();
            self.header_due.d.next = self.next.val().blocks;
            self.index_due.d.next = self.next.val().two_four;
            self.scales_due.d.next = (self.next.val().group != 0) & (!self.next.val().blocks);
            self.offset.d.next = 0.into();
        }
        self.idle.next = (!self.fetching.q.val())
            & (!self.waiting.valid.val())
            & (!self.parsing.q.val())
            & (!self.draining.q.val());
        if self.reset.val() {
            self.fetching.d.next = false;
            self.fetched.d.next = false;
            self.held.d.next = false;
            self.in_front.d.next = false;
            self.parsing.d.next = false;
            self.draining.d.next = false;
        }
    }
}
