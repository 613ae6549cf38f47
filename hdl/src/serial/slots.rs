//! Messages of one direction.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::ByteMemory;

/// Eight slots of 256 bytes in one block memory, written anywhere and read byte by byte.
///
/// ```text
/// write, write_slot, write_at, write_data ->+-------+-> valid, data, last
///                                           | Slots |
/// start, start_slot, start_at, count      ->+-------+<- take
/// ```
///
/// `start` begins to give `count` bytes of a slot, from `start_at` on, and forgets what was left of
/// those before. A byte shows three cycles after `start` or after the one before was taken; `take`
/// only when `valid`.
#[derive(LogicBlock, Default)]
pub struct Slots {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Keep a byte.
    pub write: Signal<In, Bit>,
    /// In this slot.
    pub write_slot: Signal<In, Bits<3>>,
    /// At this place.
    pub write_at: Signal<In, Bits<8>>,
    /// The byte.
    pub write_data: Signal<In, Bits<8>>,
    /// Begin to read.
    pub start: Signal<In, Bit>,
    /// This slot.
    pub start_slot: Signal<In, Bits<3>>,
    /// From this place on.
    pub start_at: Signal<In, Bits<8>>,
    /// So many bytes.
    pub count: Signal<In, Bits<8>>,
    /// A byte is there.
    pub valid: Signal<Out, Bit>,
    /// The byte.
    pub data: Signal<Out, Bits<8>>,
    /// It is the last one.
    pub last: Signal<Out, Bit>,
    /// It is taken.
    pub take: Signal<In, Bit>,
    memory: ByteMemory,
    slot: DFF<Bits<3>>,
    place: DFF<Bits<8>>,
    left: DFF<Bits<8>>,
    /// Cycles that `place` has stood for.
    age: DFF<Bits<2>>,
    there: Signal<Local, Bit>,
}

impl Logic for Slots {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, slot, place, left, age);
        self.memory.clock.next = self.clock.val();
        self.memory.write.next = self.write.val();
        self.memory.write_at.next = (bit_cast::<11, 3>(self.write_slot.val()) << 8)
            | bit_cast::<11, 8>(self.write_at.val());
        self.memory.write_data.next = self.write_data.val();
        self.memory.read_at.next =
            (bit_cast::<11, 3>(self.slot.q.val()) << 8) | bit_cast::<11, 8>(self.place.q.val());
        self.there.next = self.age.q.val() == 2;
        self.valid.next = self.there.val() & (self.left.q.val() != 0);
        self.data.next = self.memory.read_data.val();
        self.last.next = self.left.q.val() == 1;
        if !self.there.val() {
            self.age.d.next = self.age.q.val() + 1;
        }
        if self.take.val() {
            self.place.d.next = self.place.q.val() + 1;
            self.left.d.next = self.left.q.val() - 1;
            self.age.d.next = 0.into();
        }
        if self.start.val() {
            self.slot.d.next = self.start_slot.val();
            self.place.d.next = self.start_at.val();
            self.left.d.next = self.count.val();
            self.age.d.next = 0.into();
        }
    }
}
