//! Register stage of a stream of lines.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// Two registers that take turns, so that neither `valid` nor `ready` goes through in the same
/// cycle and yet a line may pass in every cycle (a register slice of AXI).
///
/// ```text
/// in_valid, in_data[], in_quarters, in_last ->|           |-> valid, data[], quarters, last
/// in_ready                                  <-| LineSlice |<- ready
/// ```
///
/// A line that is taken is offered from the next cycle on. `reset` drops what it holds.
#[derive(LogicBlock)]
pub struct LineSlice {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Drop everything.
    pub reset: Signal<In, Bit>,
    /// A line is offered.
    pub in_valid: Signal<In, Bit>,
    /// The line.
    pub in_data: Vec<Signal<In, Bits<32>>>,
    /// Its quarters that count.
    pub in_quarters: Signal<In, Bits<4>>,
    /// It is the last of its burst.
    pub in_last: Signal<In, Bit>,
    /// The line is taken.
    pub in_ready: Signal<Out, Bit>,
    /// A line is handed on.
    pub valid: Signal<Out, Bit>,
    /// The line.
    pub data: Vec<Signal<Out, Bits<32>>>,
    /// Its quarters that count.
    pub quarters: Signal<Out, Bits<4>>,
    /// It is the last of its burst.
    pub last: Signal<Out, Bit>,
    /// It is taken.
    pub ready: Signal<In, Bit>,
    // Which register is filled next, and which is read next.
    fills_second: DFF<Bit>,
    reads_second: DFF<Bit>,
    first_full: DFF<Bit>,
    second_full: DFF<Bit>,
    first: Vec<DFF<Bits<32>>>,
    second: Vec<DFF<Bits<32>>>,
    first_quarters: DFF<Bits<4>>,
    second_quarters: DFF<Bits<4>>,
    first_last: DFF<Bit>,
    second_last: DFF<Bit>,
    free: Signal<Local, Bit>,
    full: Signal<Local, Bit>,
    _words: usize,
}

impl LineSlice {
    /// For lines of `words` 32-bit words.
    pub fn new(words: usize) -> Self {
        Self {
            clock: Default::default(),
            reset: Default::default(),
            in_valid: Default::default(),
            in_data: (0..words).map(|_| Signal::default()).collect(),
            in_quarters: Default::default(),
            in_last: Default::default(),
            in_ready: Default::default(),
            valid: Default::default(),
            data: (0..words).map(|_| Signal::default()).collect(),
            quarters: Default::default(),
            last: Default::default(),
            ready: Default::default(),
            fills_second: Default::default(),
            reads_second: Default::default(),
            first_full: Default::default(),
            second_full: Default::default(),
            first: (0..words).map(|_| DFF::default()).collect(),
            second: (0..words).map(|_| DFF::default()).collect(),
            first_quarters: Default::default(),
            second_quarters: Default::default(),
            first_last: Default::default(),
            second_last: Default::default(),
            free: Default::default(),
            full: Default::default(),
            _words: words,
        }
    }
}

impl Logic for LineSlice {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            fills_second,
            reads_second,
            first_full,
            second_full,
            first_quarters,
            second_quarters,
            first_last,
            second_last
        );
        self.free.next = (self.fills_second.q.val() & (!self.second_full.q.val()))
            | ((!self.fills_second.q.val()) & (!self.first_full.q.val()));
        self.full.next = (self.reads_second.q.val() & self.second_full.q.val())
            | ((!self.reads_second.q.val()) & self.first_full.q.val());
        self.in_ready.next = self.free.val();
        self.valid.next = self.full.val();

        // A free register follows its input: what it holds counts for nothing until it is full.
        for i in 0..self._words {
            self.first[i].clock.next = self.clock.val();
            self.second[i].clock.next = self.clock.val();
            self.first[i].d.next = self.first[i].q.val();
            self.second[i].d.next = self.second[i].q.val();
            if !self.first_full.q.val() {
                self.first[i].d.next = self.in_data[i].val();
            }
            if !self.second_full.q.val() {
                self.second[i].d.next = self.in_data[i].val();
            }
            self.data[i].next = self.first[i].q.val();
            if self.reads_second.q.val() {
                self.data[i].next = self.second[i].q.val();
            }
        }
        if !self.first_full.q.val() {
            self.first_quarters.d.next = self.in_quarters.val();
            self.first_last.d.next = self.in_last.val();
        }
        if !self.second_full.q.val() {
            self.second_quarters.d.next = self.in_quarters.val();
            self.second_last.d.next = self.in_last.val();
        }
        self.quarters.next = self.first_quarters.q.val();
        self.last.next = self.first_last.q.val();
        if self.reads_second.q.val() {
            self.quarters.next = self.second_quarters.q.val();
            self.last.next = self.second_last.q.val();
        }

        if self.full.val() & self.ready.val() {
            self.reads_second.d.next = !self.reads_second.q.val();
            if self.reads_second.q.val() {
                self.second_full.d.next = false;
            } else {
                self.first_full.d.next = false;
            }
        }
        if self.in_valid.val() & self.free.val() {
            self.fills_second.d.next = !self.fills_second.q.val();
            if self.fills_second.q.val() {
                self.second_full.d.next = true;
            } else {
                self.first_full.d.next = true;
            }
        }
        if self.reset.val() {
            self.fills_second.d.next = false;
            self.reads_second.d.next = false;
            self.first_full.d.next = false;
            self.second_full.d.next = false;
        }
    }
}
