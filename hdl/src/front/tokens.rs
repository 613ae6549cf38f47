//! Counting tokens that order the engines.

use isa::command::TOKENS;
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// One counter of 0 to 255.
#[derive(LogicBlock, Default)]
pub struct Token {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Set to zero.
    pub reset: Signal<In, Bit>,
    /// Take one; only when not empty.
    pub take: Signal<In, Bit>,
    /// Give one, from each of three engines.
    pub give_load: Signal<In, Bit>,
    /// Of GEMM.
    pub give_gemm: Signal<In, Bit>,
    /// Of STORE.
    pub give_store: Signal<In, Bit>,
    /// The count is zero.
    pub empty: Signal<Out, Bit>,
    /// More than 255 would have been needed.
    pub overflow: Signal<Out, Bit>,
    count: DFF<Bits<8>>,
    // That the count is not zero, so that nobody waits for a comparison.
    some: DFF<Bit>,
    given: Signal<Local, Bits<10>>,
    kept: Signal<Local, Bits<10>>,
    left: Signal<Local, Bits<10>>,
    then: Signal<Local, Bits<10>>,
}

impl Logic for Token {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, count, some);
        self.given.next = 0.into();
        if (self.give_load.val() & (!self.give_gemm.val()) & (!self.give_store.val()))
            | (self.give_gemm.val() & (!self.give_load.val()) & (!self.give_store.val()))
            | (self.give_store.val() & (!self.give_load.val()) & (!self.give_gemm.val()))
        {
            self.given.next = 1.into();
        }
        if (self.give_load.val() & self.give_gemm.val())
            | (self.give_load.val() & self.give_store.val())
            | (self.give_gemm.val() & self.give_store.val())
        {
            self.given.next = 2.into();
        }
        if self.give_load.val() & self.give_gemm.val() & self.give_store.val() {
            self.given.next = 3.into();
        }
        // Who takes is known last, so both counts are there by then.
        self.kept.next = bit_cast::<10, 8>(self.count.q.val()) + self.given.val();
        self.left.next = bit_cast::<10, 8>(self.count.q.val()) + (self.given.val() - 1);
        self.then.next = self.kept.val();
        self.some.d.next = self.kept.val().get_bits::<8>(0) != 0;
        if self.take.val() {
            self.then.next = self.left.val();
            self.some.d.next = self.left.val().get_bits::<8>(0) != 0;
        }
        self.count.d.next = self.then.val().get_bits::<8>(0);
        self.overflow.next = self.then.val().get_bit(8);
        self.empty.next = !self.some.q.val();
        if self.reset.val() {
            self.some.d.next = false;
            self.count.d.next = 0.into();
        }
    }
}

/// All tokens, and who may start.
///
/// ```text
/// want_*, takes_* ->|        |-> start_*    (one engine at a time: LOAD before GEMM before STORE)
/// ready_*         ->| Tokens |-> blocked_*  (waits for a token; a cycle late)
/// done_*, gives_* ->|        |-> overflow
/// ```
///
/// `want` says that the queue of an engine has a command, `ready` that the engine would take it;
/// either stays until `start`, the moment in which the engine takes the command and its tokens are
/// taken. The way there takes three cycles, since the outputs of queues, sixteen tokens and the
/// engines are far apart: in the first it is seen that no token is missing, in the second an engine
/// is chosen, in the third it starts. What was seen counts only if no engine has started since, for
/// that one may have taken the token; so starts are at least three cycles apart. A token given in
/// one cycle can be seen two cycles later.
#[derive(LogicBlock)]
pub struct Tokens {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Set all to zero.
    pub reset: Signal<In, Bit>,
    /// LOAD has a command.
    pub want_load: Signal<In, Bit>,
    /// GEMM has a command.
    pub want_gemm: Signal<In, Bit>,
    /// STORE has a command.
    pub want_store: Signal<In, Bit>,
    /// LOAD would take it.
    pub ready_load: Signal<In, Bit>,
    /// GEMM would take it.
    pub ready_gemm: Signal<In, Bit>,
    /// STORE would take it.
    pub ready_store: Signal<In, Bit>,
    /// Tokens that the LOAD needs.
    pub takes_load: Signal<In, Bits<16>>,
    /// Tokens that the GEMM needs.
    pub takes_gemm: Signal<In, Bits<16>>,
    /// Tokens that the STORE needs.
    pub takes_store: Signal<In, Bits<16>>,
    /// A LOAD has ended.
    pub done_load: Signal<In, Bit>,
    /// A GEMM has ended.
    pub done_gemm: Signal<In, Bit>,
    /// A STORE has ended.
    pub done_store: Signal<In, Bit>,
    /// Tokens that the LOAD gives.
    pub gives_load: Signal<In, Bits<16>>,
    /// Tokens that the GEMM gives.
    pub gives_gemm: Signal<In, Bits<16>>,
    /// Tokens that the STORE gives.
    pub gives_store: Signal<In, Bits<16>>,
    /// Index of the LOAD that has ended.
    pub index_load: Signal<In, Bits<16>>,
    /// Index of the GEMM that has ended.
    pub index_gemm: Signal<In, Bits<16>>,
    /// Index of the STORE that has ended.
    pub index_store: Signal<In, Bits<16>>,
    /// The LOAD starts.
    pub start_load: Signal<Out, Bit>,
    /// The GEMM starts.
    pub start_gemm: Signal<Out, Bit>,
    /// The STORE starts.
    pub start_store: Signal<Out, Bit>,
    /// The LOAD waits for a token.
    pub blocked_load: Signal<Out, Bit>,
    /// The GEMM waits for a token.
    pub blocked_gemm: Signal<Out, Bit>,
    /// The STORE waits for a token.
    pub blocked_store: Signal<Out, Bit>,
    /// A token was given too often, three cycles ago.
    pub overflow: Signal<Out, Bit>,
    /// Index of a command that gave it.
    pub overflow_index: Signal<Out, Bits<16>>,
    token: Vec<Token>,
    missing_load: Vec<Signal<Local, Bit>>,
    missing_gemm: Vec<Signal<Local, Bit>>,
    missing_store: Vec<Signal<Local, Bit>>,
    overflows: Vec<Signal<Local, Bit>>,
    overflows_load: Vec<Signal<Local, Bit>>,
    overflows_gemm: Vec<Signal<Local, Bit>>,
    fits_load: DFF<Bit>,
    fits_gemm: DFF<Bit>,
    fits_store: DFF<Bit>,
    go_load: Signal<Local, Bit>,
    go_gemm: Signal<Local, Bit>,
    go_store: Signal<Local, Bit>,
    starting: Signal<Local, Bit>,
    starts_load: DFF<Bit>,
    starts_gemm: DFF<Bit>,
    starts_store: DFF<Bit>,
    waits_load: DFF<Bit>,
    waits_gemm: DFF<Bit>,
    waits_store: DFF<Bit>,
    taken: Signal<Local, Bits<16>>,
    // What is given, and what is needed to name a giver when it is known that it was too much.
    overflowed: Vec<DFF<Bit>>,
    gave_load: DFF<Bits<16>>,
    gave_gemm: DFF<Bits<16>>,
    gave_store: DFF<Bits<16>>,
    had_load: DFF<Bits<16>>,
    had_gemm: DFF<Bits<16>>,
    from_load: DFF<Bits<16>>,
    from_gemm: DFF<Bits<16>>,
    from_store: DFF<Bits<16>>,
    last_load: DFF<Bits<16>>,
    last_gemm: DFF<Bits<16>>,
    last_store: DFF<Bits<16>>,
    told: DFF<Bit>,
    told_index: DFF<Bits<16>>,
}

impl Default for Tokens {
    fn default() -> Self {
        let chain = || (0..=TOKENS).map(|_| Signal::default()).collect();
        Self {
            clock: Default::default(),
            reset: Default::default(),
            want_load: Default::default(),
            want_gemm: Default::default(),
            want_store: Default::default(),
            ready_load: Default::default(),
            ready_gemm: Default::default(),
            ready_store: Default::default(),
            takes_load: Default::default(),
            takes_gemm: Default::default(),
            takes_store: Default::default(),
            done_load: Default::default(),
            done_gemm: Default::default(),
            done_store: Default::default(),
            gives_load: Default::default(),
            gives_gemm: Default::default(),
            gives_store: Default::default(),
            index_load: Default::default(),
            index_gemm: Default::default(),
            index_store: Default::default(),
            start_load: Default::default(),
            start_gemm: Default::default(),
            start_store: Default::default(),
            blocked_load: Default::default(),
            blocked_gemm: Default::default(),
            blocked_store: Default::default(),
            overflow: Default::default(),
            overflow_index: Default::default(),
            token: (0..TOKENS).map(|_| Token::default()).collect(),
            missing_load: chain(),
            missing_gemm: chain(),
            missing_store: chain(),
            overflows: chain(),
            overflows_load: chain(),
            overflows_gemm: chain(),
            fits_load: Default::default(),
            fits_gemm: Default::default(),
            fits_store: Default::default(),
            go_load: Default::default(),
            go_gemm: Default::default(),
            go_store: Default::default(),
            starting: Default::default(),
            starts_load: Default::default(),
            starts_gemm: Default::default(),
            starts_store: Default::default(),
            waits_load: Default::default(),
            waits_gemm: Default::default(),
            waits_store: Default::default(),
            taken: Default::default(),
            overflowed: (0..TOKENS).map(|_| DFF::default()).collect(),
            gave_load: Default::default(),
            gave_gemm: Default::default(),
            gave_store: Default::default(),
            had_load: Default::default(),
            had_gemm: Default::default(),
            from_load: Default::default(),
            from_gemm: Default::default(),
            from_store: Default::default(),
            last_load: Default::default(),
            last_gemm: Default::default(),
            last_store: Default::default(),
            told: Default::default(),
            told_index: Default::default(),
        }
    }
}

impl Logic for Tokens {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            fits_load,
            fits_gemm,
            fits_store,
            starts_load,
            starts_gemm,
            starts_store,
            waits_load,
            waits_gemm,
            waits_store,
            gave_load,
            gave_gemm,
            gave_store,
            had_load,
            had_gemm,
            from_load,
            from_gemm,
            from_store,
            last_load,
            last_gemm,
            last_store,
            told,
            told_index
        );
        self.missing_load[0].next = false;
        self.missing_gemm[0].next = false;
        self.missing_store[0].next = false;
        for i in 0..TOKENS {
            self.missing_load[i + 1].next = self.missing_load[i].val()
                | (self.takes_load.val().get_bit(i) & self.token[i].empty.val());
            self.missing_gemm[i + 1].next = self.missing_gemm[i].val()
                | (self.takes_gemm.val().get_bit(i) & self.token[i].empty.val());
            self.missing_store[i + 1].next = self.missing_store[i].val()
                | (self.takes_store.val().get_bit(i) & self.token[i].empty.val());
        }
        self.waits_load.d.next = self.want_load.val() & self.missing_load[16].val();
        self.waits_gemm.d.next = self.want_gemm.val() & self.missing_gemm[16].val();
        self.waits_store.d.next = self.want_store.val() & self.missing_store[16].val();
        self.blocked_load.next = self.waits_load.q.val();
        self.blocked_gemm.next = self.waits_gemm.q.val();
        self.blocked_store.next = self.waits_store.q.val();

        self.go_load.next = self.fits_load.q.val() & self.ready_load.val();
        self.go_gemm.next = self.fits_gemm.q.val() & self.ready_gemm.val() & (!self.go_load.val());
        self.go_store.next = self.fits_store.q.val()
            & self.ready_store.val()
            & (!self.go_load.val())
            & (!self.go_gemm.val());
        self.starting.next = (self.go_load.val() | self.go_gemm.val() | self.go_store.val())
            | (self.starts_load.q.val() | self.starts_gemm.q.val() | self.starts_store.q.val())
            | self.reset.val();
        self.fits_load.d.next =
            self.want_load.val() & (!self.missing_load[16].val()) & (!self.starting.val());
        self.fits_gemm.d.next =
            self.want_gemm.val() & (!self.missing_gemm[16].val()) & (!self.starting.val());
        self.fits_store.d.next =
            self.want_store.val() & (!self.missing_store[16].val()) & (!self.starting.val());
        self.starts_load.d.next = self.go_load.val() & (!self.reset.val());
        self.starts_gemm.d.next = self.go_gemm.val() & (!self.reset.val());
        self.starts_store.d.next = self.go_store.val() & (!self.reset.val());
        self.start_load.next = self.starts_load.q.val();
        self.start_gemm.next = self.starts_gemm.q.val();
        self.start_store.next = self.starts_store.q.val();
        self.taken.next = 0.into();
        if self.starts_load.q.val() {
            self.taken.next = self.takes_load.val();
        }
        if self.starts_gemm.q.val() {
            self.taken.next = self.takes_gemm.val();
        }
        if self.starts_store.q.val() {
            self.taken.next = self.takes_store.val();
        }
        self.overflows[0].next = false;
        self.overflows_load[0].next = false;
        self.overflows_gemm[0].next = false;
        for i in 0..TOKENS {
            self.token[i].clock.next = self.clock.val();
            self.token[i].reset.next = self.reset.val();
            self.token[i].take.next = self.taken.val().get_bit(i);
            self.token[i].give_load.next = self.gave_load.q.val().get_bit(i);
            self.token[i].give_gemm.next = self.gave_gemm.q.val().get_bit(i);
            self.token[i].give_store.next = self.gave_store.q.val().get_bit(i);
            self.overflowed[i].clock.next = self.clock.val();
            self.overflowed[i].d.next = self.token[i].overflow.val() & (!self.reset.val());
            self.overflows[i + 1].next = self.overflows[i].val() | self.overflowed[i].q.val();
            self.overflows_load[i + 1].next = self.overflows_load[i].val()
                | (self.overflowed[i].q.val() & self.had_load.q.val().get_bit(i));
            self.overflows_gemm[i + 1].next = self.overflows_gemm[i].val()
                | (self.overflowed[i].q.val() & self.had_gemm.q.val().get_bit(i));
        }
        self.gave_load.d.next = 0.into();
        if self.done_load.val() {
            self.gave_load.d.next = self.gives_load.val();
        }
        self.gave_gemm.d.next = 0.into();
        if self.done_gemm.val() {
            self.gave_gemm.d.next = self.gives_gemm.val();
        }
        self.gave_store.d.next = 0.into();
        if self.done_store.val() {
            self.gave_store.d.next = self.gives_store.val();
        }
        if self.reset.val() {
            self.gave_load.d.next = 0.into();
            self.gave_gemm.d.next = 0.into();
            self.gave_store.d.next = 0.into();
        }
        self.had_load.d.next = self.gave_load.q.val();
        self.had_gemm.d.next = self.gave_gemm.q.val();
        self.from_load.d.next = self.index_load.val();
        self.from_gemm.d.next = self.index_gemm.val();
        self.from_store.d.next = self.index_store.val();
        self.last_load.d.next = self.from_load.q.val();
        self.last_gemm.d.next = self.from_gemm.q.val();
        self.last_store.d.next = self.from_store.q.val();
        self.told.d.next = self.overflows[16].val() & (!self.reset.val());
        self.told_index.d.next = self.last_store.q.val();
        if self.overflows_gemm[16].val() {
            self.told_index.d.next = self.last_gemm.q.val();
        }
        if self.overflows_load[16].val() {
            self.told_index.d.next = self.last_load.q.val();
        }
        self.overflow.next = self.told.q.val();
        self.overflow_index.next = self.told_index.q.val();
    }
}
