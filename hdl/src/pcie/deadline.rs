//! How long tags have been owed.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::table::Table;

/// Looks at one tag a cycle and tells which have waited too long.
///
/// ```text
/// start, start_tag ->|          |-> expire   waited for `timeout` cycles
/// owed, stale      ->| Deadline |-> give_up  stale, and has rested
/// timeout          ->|          |-> tag
/// ```
///
/// * A tag is told at most 34 cycles after its time, and again until it is owed no more.
/// * A timeout of 0 never comes.
/// * A stale tag rests, from its request on, for twice the longest timeout that any tag has waited
///   under since power-up, and for twice a number of the build at least. The timeout as it stands
///   does not count: how late an answer may come does not follow from how soon software gives it
///   up. So stale tags come back with a timeout of 0 too.
/// * Times have two bits more than the timeout, so that the longest rest is seen before they come
///   round.
#[derive(LogicBlock)]
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
    /// A stale tag has rested.
    pub give_up: Signal<Out, Bit>,
    /// This tag.
    pub tag: Signal<Out, Bits<5>>,
    now: DFF<Bits<34>>,
    turn: DFF<Bits<5>>,
    since: Table<Bits<34>>,
    age: DFF<Bits<34>>,
    looked: DFF<Bits<5>>,
    known: DFF<Bit>,
    longest: DFF<Bits<32>>,
    rest: DFF<Bits<34>>,
    awaited: Signal<Local, Bits<32>>,
    bound: Signal<Local, Bits<32>>,
    limit: Signal<Local, Bits<34>>,
    waits: Signal<Local, Bit>,
    unwanted: Signal<Local, Bit>,
    least: Constant<Bits<32>>,
}

impl Deadline {
    /// Stale tags rest as if no timeout had been shorter than `rest_timeout`.
    pub fn new(rest_timeout: u32) -> Self {
        Self {
            clock: Default::default(),
            timeout: Default::default(),
            start: Default::default(),
            start_tag: Default::default(),
            owed: Default::default(),
            stale: Default::default(),
            expire: Default::default(),
            give_up: Default::default(),
            tag: Default::default(),
            now: Default::default(),
            turn: Default::default(),
            since: Default::default(),
            age: Default::default(),
            looked: Default::default(),
            known: Default::default(),
            longest: Default::default(),
            rest: Default::default(),
            awaited: Default::default(),
            bound: Default::default(),
            limit: Default::default(),
            waits: Default::default(),
            unwanted: Default::default(),
            least: Constant::new(u64::from(rest_timeout).into()),
        }
    }
}

impl Logic for Deadline {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, now, turn, age, looked, known, longest, rest);
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

        // The rest.
        self.awaited.next = self.owed.val() & (!self.stale.val());
        if (self.awaited.val() != 0) & (self.timeout.val() > self.longest.q.val()) {
            self.longest.d.next = self.timeout.val();
        }
        self.bound.next = self.longest.q.val();
        if self.least.val() > self.longest.q.val() {
            self.bound.next = self.least.val();
        }
        self.rest.d.next = bit_cast::<34, 32>(self.bound.val()) << 1;

        self.limit.next = bit_cast::<34, 32>(self.timeout.val());
        self.waits.next = self.known.q.val() & self.owed.val().get_bit(self.looked.q.val().index());
        self.unwanted.next = self.stale.val().get_bit(self.looked.q.val().index());
        self.tag.next = self.looked.q.val();
        self.expire.next = self.waits.val()
            & (!self.unwanted.val())
            & (self.timeout.val() != 0)
            & (self.age.q.val() >= self.limit.val());
        self.give_up.next =
            self.waits.val() & self.unwanted.val() & (self.age.q.val() >= self.rest.q.val());
    }
}
