//! Which tags are in use, and what became of them.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// The tags as a ring of slots: taken in order, answered in any order, given back in order.
///
/// ```text
/// sent, refuse, orphan ->|      |-> room, tail             next slot to take
/// finish, fail, tag    ->| Tags |-> ready, head, cause     oldest slot, once it has ended
/// expire, give_up      ->|      |<- drop
///                        |      |-> owed, stale            one bit a tag
/// ```
///
/// * A tag is *owed* from the moment its request is sent until its last completion is there or
///   nobody waits for it any more, *stale* when it is owed but its slot has ended already (too
///   late, or a reset came). A slot whose tag is owed is not taken for a request.
/// * The ring passes over such a slot, which takes a cycle at `tail` and one at `head`, and nobody
///   is told: one debt does not stop the tags behind it. It does so only while there is a tag
///   behind that can be had; with none it waits at the slot, whose tag may come back first, and
///   keeps no other away from those that wait.
/// * `reset` gives all slots back and makes every owed tag stale.
/// * The first failure of a slot counts.
/// * A finished slot shows at `ready` two cycles after `finish`: its last words are then written.
#[derive(LogicBlock)]
pub struct Tags {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Give all slots back.
    pub reset: Signal<In, Bit>,
    /// The request of slot `tail` is sent; only with `room`.
    pub sent: Signal<In, Bit>,
    /// It was begun before a reset, so nobody wants its answer.
    pub orphan: Signal<In, Bit>,
    /// Slot `tail` is taken for a request that may not be sent; only with `room`.
    pub refuse: Signal<In, Bit>,
    /// Slot `tail` can be taken.
    pub room: Signal<Out, Bit>,
    /// Next slot to take; also the tag of its request.
    pub tail: Signal<Out, Bits<5>>,
    /// Tag that `finish` and `fail` mean.
    pub tag: Signal<In, Bits<5>>,
    /// No more completions come for it; only for an owed tag.
    pub finish: Signal<In, Bit>,
    /// It failed: the cause, or 0.
    pub fail: Signal<In, Bits<3>>,
    /// Tag that `expire` and `give_up` mean.
    pub late_tag: Signal<In, Bits<5>>,
    /// Its slot has waited too long; only for an owed tag that is not stale.
    pub expire: Signal<In, Bit>,
    /// Its completions are not expected any more; only for a stale tag.
    pub give_up: Signal<In, Bit>,
    /// Tags whose completions are expected.
    pub owed: Signal<Out, Bits<32>>,
    /// Those of them that nobody waits for; other bits mean nothing.
    pub stale: Signal<Out, Bits<32>>,
    /// The oldest slot has ended.
    pub ready: Signal<Out, Bit>,
    /// The oldest slot.
    pub head: Signal<Out, Bits<5>>,
    /// Why it failed; 0: it did not.
    pub cause: Signal<Out, Bits<3>>,
    /// Give the oldest slot back; only with `ready`.
    pub drop: Signal<In, Bit>,
    first: DFF<Bits<6>>,
    next: DFF<Bits<6>>,
    next_then: Signal<Local, Bits<6>>,
    used: Signal<Local, Bits<6>>,
    slot: Signal<Local, Bits<5>>,
    oldest: Signal<Local, Bits<5>>,
    /// Slots from `head` on before `tail`.
    taken: DFF<Bits<32>>,
    /// Those of them that are taken for no request.
    passed: DFF<Bits<32>>,
    takes: Signal<Local, Bit>,
    gives: Signal<Local, Bit>,
    fits: Signal<Local, Bit>,
    passes: Signal<Local, Bit>,
    hollow: Signal<Local, Bit>,
    expected: DFF<Bits<32>>,
    unwanted: DFF<Bits<32>>,
    ended: DFF<Bits<32>>,
    cause_0: DFF<Bits<32>>,
    cause_1: DFF<Bits<32>>,
    cause_2: DFF<Bits<32>>,
    failed: Signal<Local, Bits<32>>,
    finished: DFF<Bit>,
    finished_tag: DFF<Bits<5>>,
    expires: Signal<Local, Bit>,
    sent_mask: Signal<Local, Bits<32>>,
    take_mask: Signal<Local, Bits<32>>,
    pass_mask: Signal<Local, Bits<32>>,
    give_mask: Signal<Local, Bits<32>>,
    refuse_mask: Signal<Local, Bits<32>>,
    finish_mask: Signal<Local, Bits<32>>,
    finished_mask: Signal<Local, Bits<32>>,
    fail_mask: Signal<Local, Bits<32>>,
    expire_mask: Signal<Local, Bits<32>>,
    give_up_mask: Signal<Local, Bits<32>>,
    fail_0: Signal<Local, Bits<32>>,
    fail_1: Signal<Local, Bits<32>>,
    fail_2: Signal<Local, Bits<32>>,
    one: Constant<Bits<32>>,
    all: Constant<Bits<32>>,
}

impl Default for Tags {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            sent: Default::default(),
            orphan: Default::default(),
            refuse: Default::default(),
            room: Default::default(),
            tail: Default::default(),
            tag: Default::default(),
            finish: Default::default(),
            fail: Default::default(),
            late_tag: Default::default(),
            expire: Default::default(),
            give_up: Default::default(),
            owed: Default::default(),
            stale: Default::default(),
            ready: Default::default(),
            head: Default::default(),
            cause: Default::default(),
            drop: Default::default(),
            first: Default::default(),
            next: Default::default(),
            next_then: Default::default(),
            used: Default::default(),
            slot: Default::default(),
            oldest: Default::default(),
            taken: Default::default(),
            passed: Default::default(),
            takes: Default::default(),
            gives: Default::default(),
            fits: Default::default(),
            passes: Default::default(),
            hollow: Default::default(),
            expected: Default::default(),
            unwanted: Default::default(),
            ended: Default::default(),
            cause_0: Default::default(),
            cause_1: Default::default(),
            cause_2: Default::default(),
            failed: Default::default(),
            finished: Default::default(),
            finished_tag: Default::default(),
            expires: Default::default(),
            sent_mask: Default::default(),
            take_mask: Default::default(),
            pass_mask: Default::default(),
            give_mask: Default::default(),
            refuse_mask: Default::default(),
            finish_mask: Default::default(),
            finished_mask: Default::default(),
            fail_mask: Default::default(),
            expire_mask: Default::default(),
            give_up_mask: Default::default(),
            fail_0: Default::default(),
            fail_1: Default::default(),
            fail_2: Default::default(),
            one: Constant::new(1u64.into()),
            all: Constant::new(u64::from(u32::MAX).into()),
        }
    }
}

impl Logic for Tags {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            first,
            next,
            taken,
            passed,
            expected,
            unwanted,
            ended,
            cause_0,
            cause_1,
            cause_2,
            finished,
            finished_tag
        );
        self.slot.next = self.next.q.val().get_bits::<5>(0);
        self.oldest.next = self.first.q.val().get_bits::<5>(0);
        self.used.next = self.next.q.val() - self.first.q.val();
        self.tail.next = self.slot.val();
        self.head.next = self.oldest.val();
        self.owed.next = self.expected.q.val();
        self.stale.next = self.unwanted.q.val();
        self.fits.next = self.used.val() != 32;
        self.passes.next = self.fits.val()
            & self.expected.q.val().get_bit(self.slot.val().index())
            & ((self.expected.q.val() | self.taken.q.val()) != self.all.val());
        self.room.next =
            self.fits.val() & (!self.expected.q.val().get_bit(self.slot.val().index()));
        self.hollow.next =
            (self.used.val() != 0) & self.passed.q.val().get_bit(self.oldest.val().index());
        self.ready.next = (self.used.val() != 0)
            & self.ended.q.val().get_bit(self.oldest.val().index())
            & (!self.passed.q.val().get_bit(self.oldest.val().index()));
        self.cause.next = 0.into();
        if self.cause_0.q.val().get_bit(self.oldest.val().index()) {
            self.cause.next = 1.into();
        }
        if self.cause_1.q.val().get_bit(self.oldest.val().index()) {
            self.cause.next = 2.into();
            if self.cause_0.q.val().get_bit(self.oldest.val().index()) {
                self.cause.next = 3.into();
            }
        }
        if self.cause_2.q.val().get_bit(self.oldest.val().index()) {
            self.cause.next = 4.into();
            if self.cause_0.q.val().get_bit(self.oldest.val().index()) {
                self.cause.next = 5.into();
            }
        }

        // One bit for each event. What is told of a tag goes before its time: it is looked at
        // again soon enough.
        self.failed.next = self.cause_0.q.val() | self.cause_1.q.val() | self.cause_2.q.val();
        self.expires.next = self.expire.val()
            & (((!self.finish.val()) & (self.fail.val() == 0))
                | (self.tag.val() != self.late_tag.val()));
        self.sent_mask.next = 0.into();
        if self.sent.val() {
            self.sent_mask.next = self.one.val() << self.slot.val();
        }
        self.takes.next = self.sent.val() | self.refuse.val() | self.passes.val();
        self.gives.next = self.drop.val() | self.hollow.val();
        self.take_mask.next = 0.into();
        if self.takes.val() {
            self.take_mask.next = self.one.val() << self.slot.val();
        }
        self.pass_mask.next = 0.into();
        if self.passes.val() {
            self.pass_mask.next = self.one.val() << self.slot.val();
        }
        self.give_mask.next = 0.into();
        if self.gives.val() {
            self.give_mask.next = self.one.val() << self.oldest.val();
        }
        self.refuse_mask.next = 0.into();
        if self.refuse.val() {
            self.refuse_mask.next = self.one.val() << self.slot.val();
        }
        self.finish_mask.next = 0.into();
        if self.finish.val() {
            self.finish_mask.next = self.one.val() << self.tag.val();
        }
        self.finished_mask.next = 0.into();
        if self.finished.q.val() {
            self.finished_mask.next = self.one.val() << self.finished_tag.q.val();
        }
        self.fail_mask.next = (self.one.val() << self.tag.val()) & (!self.failed.val());
        self.fail_0.next = 0.into();
        if self.fail.val().get_bit(0) {
            self.fail_0.next = self.fail_mask.val();
        }
        self.fail_1.next = 0.into();
        if self.fail.val().get_bit(1) {
            self.fail_1.next = self.fail_mask.val();
        }
        self.fail_2.next = 0.into();
        if self.fail.val().get_bit(2) {
            self.fail_2.next = self.fail_mask.val();
        }
        self.expire_mask.next = 0.into();
        if self.expires.val() {
            self.expire_mask.next = self.one.val() << self.late_tag.val();
        }
        self.give_up_mask.next = 0.into();
        if self.give_up.val() {
            self.give_up_mask.next = self.one.val() << self.late_tag.val();
        }

        self.taken.d.next = (self.taken.q.val() | self.take_mask.val()) & (!self.give_mask.val());
        self.passed.d.next = (self.passed.q.val() | self.pass_mask.val()) & (!self.give_mask.val());
        self.finished.d.next = self.finish.val();
        self.finished_tag.d.next = self.tag.val();
        self.expected.d.next = (self.expected.q.val() | self.sent_mask.val())
            & (!self.finish_mask.val())
            & (!self.give_up_mask.val());
        self.unwanted.d.next =
            (self.unwanted.q.val() | self.expire_mask.val()) & (!self.sent_mask.val());
        self.ended.d.next = (self.ended.q.val()
            | self.finished_mask.val()
            | self.expire_mask.val()
            | self.refuse_mask.val())
            & (!self.sent_mask.val());
        // A refused request has cause 5, one that came too late 1.
        self.cause_0.d.next = (self.cause_0.q.val() & (!self.sent_mask.val()))
            | self.refuse_mask.val()
            | self.fail_0.val()
            | (self.expire_mask.val() & (!self.failed.val()));
        self.cause_1.d.next =
            (self.cause_1.q.val() & (!self.sent_mask.val()) & (!self.refuse_mask.val()))
                | self.fail_1.val();
        self.cause_2.d.next = (self.cause_2.q.val() & (!self.sent_mask.val()))
            | self.refuse_mask.val()
            | self.fail_2.val();

        self.next_then.next = self.next.q.val();
        if self.takes.val() {
            self.next_then.next = self.next.q.val() + 1;
        }
        self.next.d.next = self.next_then.val();
        if self.gives.val() {
            self.first.d.next = self.first.q.val() + 1;
        }
        if self.sent.val() & self.orphan.val() {
            self.first.d.next = self.next_then.val();
            self.taken.d.next = 0.into();
            self.unwanted.d.next = self.unwanted.q.val() | self.sent_mask.val();
        }
        if self.reset.val() {
            self.first.d.next = self.next_then.val();
            self.unwanted.d.next = self.all.val();
            self.taken.d.next = 0.into();
            self.passed.d.next = 0.into();
        }
    }
}
