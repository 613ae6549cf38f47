//! Performance counters.

use isa::regs::COUNTER_BITS;
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

const WIDTH: usize = COUNTER_BITS as usize;

/// One counter of 48 bits.
#[derive(LogicBlock, Default)]
pub struct Counter {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Set to zero.
    pub clear: Signal<In, Bit>,
    /// Add one.
    pub tick: Signal<In, Bit>,
    /// Lower 32 bits.
    pub low: Signal<Out, Bits<32>>,
    /// Upper bits.
    pub high: Signal<Out, Bits<32>>,
    count: DFF<Bits<WIDTH>>,
}

impl Logic for Counter {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, count);
        if self.tick.val() {
            self.count.d.next = self.count.q.val() + 1;
        }
        if self.clear.val() {
            self.count.d.next = 0.into();
        }
        self.low.next = self.count.q.val().get_bits::<32>(0);
        self.high.next = bit_cast::<32, 16>(self.count.q.val().get_bits::<16>(32));
    }
}

/// All counters, in the order of `isa::regs::COUNTERS`.
///
/// ```text
/// tick[n], clear, freeze ->| Counters |-> low[n], high[n]     (two cycles later)
/// ```
#[derive(LogicBlock)]
pub struct Counters {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Set all to zero.
    pub clear: Signal<In, Bit>,
    /// Hold all.
    pub freeze: Signal<In, Bit>,
    /// Add one to a counter.
    pub tick: Vec<Signal<In, Bit>>,
    /// Lower halves.
    pub low: Vec<Signal<Out, Bits<32>>>,
    /// Upper halves.
    pub high: Vec<Signal<Out, Bits<32>>>,
    counter: Vec<Counter>,
    // An event is counted a cycle late: events come from everywhere.
    ticks: Vec<DFF<Bit>>,
    _count: usize,
}

impl Counters {
    /// `count` counters.
    pub fn new(count: usize) -> Self {
        Self {
            clock: Default::default(),
            clear: Default::default(),
            freeze: Default::default(),
            tick: (0..count).map(|_| Signal::default()).collect(),
            low: (0..count).map(|_| Signal::default()).collect(),
            high: (0..count).map(|_| Signal::default()).collect(),
            ticks: (0..count).map(|_| DFF::default()).collect(),
            counter: (0..count).map(|_| Counter::default()).collect(),
            _count: count,
        }
    }
}

impl Logic for Counters {
    #[hdl_gen]
    fn update(&mut self) {
        for i in 0..self._count {
            self.counter[i].clock.next = self.clock.val();
            self.counter[i].clear.next = self.clear.val();
            self.ticks[i].clock.next = self.clock.val();
            self.ticks[i].d.next = self.tick[i].val() & (!self.freeze.val()) & (!self.clear.val());
            self.counter[i].tick.next = self.ticks[i].q.val();
            self.low[i].next = self.counter[i].low.val();
            self.high[i].next = self.counter[i].high.val();
        }
    }
}
