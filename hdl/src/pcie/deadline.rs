//! How long tags have been owed.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::table::Table;

/// Looks at one tag a cycle and tells which have waited too long.
///
/// ```text
/// start, start_tag ->|          |-> expire   waited for `timeout` cycles
/// owed, stale      ->| Deadline |-> give_up  stale, and waited for twice that
/// timeout          ->|          |-> tag
/// ```
///
/// A tag is told at most 34 cycles after its time, and again until it is owed no more. A timeout
/// of 0 never comes. Times have two bits more than the timeout, so that twice the longest timeout
/// is seen before they come round.
#[derive(LogicBlock, Default)]
pub struct Deadline {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Cycles that a tag may wait; 0: for ever.
    pub timeout: Signal<In, Bits<32>>,
    /// The time of a tag begins; it is not owed yet.
    pub start: Signal<In, Bit>,
    /// This tag.
    pub start_tag: Signal<In, Bits<5>>,
    /// Tags whose completions are expected.
    pub owed: Signal<In, Bits<32>>,
    /// Those of them that nobody waits for.
    pub stale: Signal<In, Bits<32>>,
    /// A tag has waited for `timeout` cycles.
    pub expire: Signal<Out, Bit>,
    /// A stale tag has waited for twice that.
    pub give_up: Signal<Out, Bit>,
    /// This tag.
    pub tag: Signal<Out, Bits<5>>,
    now: DFF<Bits<34>>,
    turn: DFF<Bits<5>>,
    since: Table<Bits<34>>,
    age: DFF<Bits<34>>,
    looked: DFF<Bits<5>>,
    known: DFF<Bit>,
    once: Signal<Local, Bits<34>>,
    twice: Signal<Local, Bits<34>>,
    waits: Signal<Local, Bit>,
    unwanted: Signal<Local, Bit>,
}

impl Logic for Deadline {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, now, turn, age, looked, known);
        self.since.clock.next = self.clock.val();
        self.since.write.next = self.start.val();
        self.since.write_tag.next = self.start_tag.val();
        self.since.write_data.next = self.now.q.val();
        self.since.read_tag.next = self.turn.q.val();
        self.now.d.next = self.now.q.val() + 1;
        self.turn.d.next = self.turn.q.val() + 1;
        self.age.d.next = self.now.q.val() - self.since.data.val();
        self.looked.d.next = self.turn.q.val();
        // The age of a tag whose time begins in this cycle is that of its last request.
        self.known.d.next = (!self.start.val()) | (self.start_tag.val() != self.turn.q.val());

        self.once.next = bit_cast::<34, 32>(self.timeout.val());
        self.twice.next = bit_cast::<34, 32>(self.timeout.val()) << 1;
        self.waits.next = self.known.q.val()
            & (self.timeout.val() != 0)
            & self.owed.val().get_bit(self.looked.q.val().index());
        self.unwanted.next = self.stale.val().get_bit(self.looked.q.val().index());
        self.tag.next = self.looked.q.val();
        self.expire.next =
            self.waits.val() & (!self.unwanted.val()) & (self.age.q.val() >= self.once.val());
        self.give_up.next =
            self.waits.val() & self.unwanted.val() & (self.age.q.val() >= self.twice.val());
    }
}
