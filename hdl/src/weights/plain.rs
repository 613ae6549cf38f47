//! Feed of plain int8 weights.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::WeightsEntry;

/// Reads a row of the weight buffer for each step: two rows of weights.
///
/// ```text
/// start, entry ->|           |-> read, read_row          (the row: 2 later)
/// ready        <-| PlainFeed |-> step, tile_done
/// may_step     ->|           |-> tile_base, idle
/// ```
///
/// * `start` only when `ready`. Steps of one command follow those of the one before without a gap.
/// * A step happens whenever there is one and `may_step`; `tile_done` comes with the last of a tile.
/// * `tile_base` is the first activation row of the tile that was done last.
#[derive(LogicBlock)]
pub struct PlainFeed {
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
    /// Weights for the next two rows of the array.
    pub step: Signal<Out, Bit>,
    /// They are the last of a tile.
    pub tile_done: Signal<Out, Bit>,
    /// First activation row of the newest tile that is done.
    pub tile_base: Signal<Out, Bits<24>>,
    /// No command is under way.
    pub idle: Signal<Out, Bit>,
    loading: DFF<Bit>,
    tiles_left: DFF<Bits<16>>,
    row: DFF<Bits<24>>,
    steps_left: DFF<Bits<8>>,
    base_next: DFF<Bits<24>>,
    stride: DFF<Bits<16>>,
    base: DFF<Bits<24>>,
    last_step: Constant<Bits<8>>,
    step_now: Signal<Local, Bit>,
    tile_end: Signal<Local, Bit>,
}

impl PlainFeed {
    /// A feed of an array of `rows` rows.
    pub fn new(rows: usize) -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            start: Default::default(),
            entry: Default::default(),
            ready: Default::default(),
            may_step: Default::default(),
            read: Default::default(),
            read_row: Default::default(),
            step: Default::default(),
            tile_done: Default::default(),
            tile_base: Default::default(),
            idle: Default::default(),
            loading: Default::default(),
            tiles_left: Default::default(),
            row: Default::default(),
            steps_left: Default::default(),
            base_next: Default::default(),
            stride: Default::default(),
            base: Default::default(),
            last_step: Constant::new((rows as u64 / 2 - 1).into()),
            step_now: Default::default(),
            tile_end: Default::default(),
        }
    }
}

impl Logic for PlainFeed {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self, clock, loading, tiles_left, row, steps_left, base_next, stride, base
        );
        self.step_now.next = self.loading.q.val() & self.may_step.val();
        self.tile_end.next = self.step_now.val() & (self.steps_left.q.val() == 0);
        self.read.next = self.step_now.val();
        self.read_row.next = self.row.q.val();
        self.step.next = self.step_now.val();
        self.tile_done.next = self.tile_end.val();
        self.tile_base.next = self.base.q.val();
        self.idle.next = !self.loading.q.val();
        if self.step_now.val() {
            self.row.d.next = self.row.q.val() + 1;
            self.steps_left.d.next = self.steps_left.q.val() - 1;
        }
        if self.tile_end.val() {
            self.steps_left.d.next = self.last_step.val();
            self.tiles_left.d.next = self.tiles_left.q.val() - 1;
            self.base.d.next = self.base_next.q.val();
            self.base_next.d.next =
                self.base_next.q.val() + bit_cast::<24, 16>(self.stride.q.val());
            self.loading.d.next = self.tiles_left.q.val() != 1;
        }
        // The last step of a tile never waits, as it is not the first; so the next command may come
        // with it and its weights follow without a gap.
        self.ready.next = (!self.loading.q.val())
            | ((self.steps_left.q.val() == 0) & (self.tiles_left.q.val() == 1));
        if self.start.val() {
            self.loading.d.next = true;
            self.row.d.next = self.entry.val().row;
            self.tiles_left.d.next = self.entry.val().tiles;
            self.steps_left.d.next = self.last_step.val();
            self.base_next.d.next = self.entry.val().act_row;
            self.stride.d.next = self.entry.val().act_stride;
        }
        if self.reset.val() {
            self.loading.d.next = false;
        }
    }
}
