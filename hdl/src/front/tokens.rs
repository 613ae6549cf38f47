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
/// want_*, takes_* ->|        |-> start_*    (one engine a cycle: LOAD before GEMM before STORE)
/// ready_*         ->| Tokens |-> blocked_*  (waits for a token)
/// done_*, gives_* ->|        |-> overflow
/// ```
///
/// `want` says that the queue of an engine has a command, `ready` that the engine would take it.
/// `start` is the moment in which the engine takes the command and its tokens are taken. A token
/// given in one cycle can be taken in the next.
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
    /// A token was given too often.
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
    go_load: Signal<Local, Bit>,
    go_gemm: Signal<Local, Bit>,
    go_store: Signal<Local, Bit>,
    taken: Signal<Local, Bits<16>>,
    // What is needed to name a giver in the next cycle.
    overflowed: Vec<DFF<Bit>>,
    gave_load: DFF<Bits<16>>,
    gave_gemm: DFF<Bits<16>>,
    last_load: DFF<Bits<16>>,
    last_gemm: DFF<Bits<16>>,
    last_store: DFF<Bits<16>>,
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
            go_load: Default::default(),
            go_gemm: Default::default(),
            go_store: Default::default(),
            taken: Default::default(),
            overflowed: (0..TOKENS).map(|_| DFF::default()).collect(),
            gave_load: Default::default(),
            gave_gemm: Default::default(),
            last_load: Default::default(),
            last_gemm: Default::default(),
            last_store: Default::default(),
        }
    }
}

impl Logic for Tokens {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self, clock, gave_load, gave_gemm, last_load, last_gemm, last_store
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
        self.blocked_load.next = self.want_load.val() & self.missing_load[16].val();
        self.blocked_gemm.next = self.want_gemm.val() & self.missing_gemm[16].val();
        self.blocked_store.next = self.want_store.val() & self.missing_store[16].val();
        self.go_load.next =
            self.want_load.val() & self.ready_load.val() & (!self.missing_load[16].val());
        self.go_gemm.next = self.want_gemm.val()
            & self.ready_gemm.val()
            & (!self.missing_gemm[16].val())
            & (!self.go_load.val());
        self.go_store.next = self.want_store.val()
            & self.ready_store.val()
            & (!self.missing_store[16].val())
            & (!self.go_load.val())
            & (!self.go_gemm.val());
        self.start_load.next = self.go_load.val();
        self.start_gemm.next = self.go_gemm.val();
        self.start_store.next = self.go_store.val();
        self.taken.next = 0.into();
        if self.go_load.val() {
            self.taken.next = self.takes_load.val();
        }
        if self.go_gemm.val() {
            self.taken.next = self.takes_gemm.val();
        }
        if self.go_store.val() {
            self.taken.next = self.takes_store.val();
        }
        self.overflows[0].next = false;
        self.overflows_load[0].next = false;
        self.overflows_gemm[0].next = false;
        for i in 0..TOKENS {
            self.token[i].clock.next = self.clock.val();
            self.token[i].reset.next = self.reset.val();
            self.token[i].take.next = self.taken.val().get_bit(i);
            self.token[i].give_load.next = self.done_load.val() & self.gives_load.val().get_bit(i);
            self.token[i].give_gemm.next = self.done_gemm.val() & self.gives_gemm.val().get_bit(i);
            self.token[i].give_store.next =
                self.done_store.val() & self.gives_store.val().get_bit(i);
            self.overflowed[i].clock.next = self.clock.val();
            self.overflowed[i].d.next = self.token[i].overflow.val() & (!self.reset.val());
            self.overflows[i + 1].next = self.overflows[i].val() | self.overflowed[i].q.val();
            self.overflows_load[i + 1].next = self.overflows_load[i].val()
                | (self.overflowed[i].q.val() & self.gave_load.q.val().get_bit(i));
            self.overflows_gemm[i + 1].next = self.overflows_gemm[i].val()
                | (self.overflowed[i].q.val() & self.gave_gemm.q.val().get_bit(i));
        }
        self.gave_load.d.next = 0.into();
        if self.done_load.val() {
            self.gave_load.d.next = self.gives_load.val();
        }
        self.gave_gemm.d.next = 0.into();
        if self.done_gemm.val() {
            self.gave_gemm.d.next = self.gives_gemm.val();
        }
        self.last_load.d.next = self.index_load.val();
        self.last_gemm.d.next = self.index_gemm.val();
        self.last_store.d.next = self.index_store.val();
        self.overflow.next = self.overflows[16].val();
        self.overflow_index.next = self.last_store.q.val();
        if self.overflows_gemm[16].val() {
            self.overflow_index.next = self.last_gemm.q.val();
        }
        if self.overflows_load[16].val() {
            self.overflow_index.next = self.last_load.q.val();
        }
    }
}
