//! Writes completion entries.

use isa::queue::{COMPLETION_BYTES, COMPLETION_WORDS};
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// State of the writer.
#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
pub enum Writing {
    /// Nothing to write.
    Idle,
    /// The burst is offered.
    Address,
    /// Its lines are offered.
    Data,
    /// Memory has not answered yet.
    Response,
}

/// Writes one completion entry as one burst and waits for memory's answer.
///
/// ```text
/// start, word[8]       ->|        |-> aw_valid                 <- aw_ready
/// done, fault          <-| Answer |-> w_valid, w_data, w_last <- w_ready
///                        |        |<- b_valid, b_fault
/// ```
///
/// `word` and the address beside it must stand still from `start` to `done`. The entry is aligned to its size,
/// so the burst cannot cross 4 KiB.
#[derive(LogicBlock)]
pub struct Answer {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget everything.
    pub reset: Signal<In, Bit>,
    /// Write the entry.
    pub start: Signal<In, Bit>,
    /// The entry.
    pub word: Vec<Signal<In, Bits<32>>>,
    /// A burst is offered.
    pub aw_valid: Signal<Out, Bit>,
    /// The burst is taken.
    pub aw_ready: Signal<In, Bit>,
    /// A line is offered.
    pub w_valid: Signal<Out, Bit>,
    /// The line.
    pub w_data: Vec<Signal<Out, Bits<32>>>,
    /// Last line.
    pub w_last: Signal<Out, Bit>,
    /// The line is taken.
    pub w_ready: Signal<In, Bit>,
    /// Memory answers.
    pub b_valid: Signal<In, Bit>,
    /// Not 0: it could not write.
    pub b_fault: Signal<In, Bits<3>>,
    /// The entry is written, or could not be.
    pub done: Signal<Out, Bit>,
    /// Not 0: it could not be written.
    pub fault: Signal<Out, Bits<3>>,
    state: DFF<Writing>,
    beat: DFF<Bits<2>>,
    last_beat: Constant<Bits<2>>,
    beat_number: Vec<Constant<Bits<2>>>,
    _beats: usize,
    _words: usize,
    _words_end: usize,
}

impl Answer {
    /// For lines of `port_bytes`.
    pub fn new(port_bytes: usize) -> Self {
        let beats = COMPLETION_BYTES / port_bytes;
        let words = port_bytes / 4;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            start: Default::default(),
            word: (0..COMPLETION_WORDS).map(|_| Signal::default()).collect(),
            aw_valid: Default::default(),
            aw_ready: Default::default(),
            w_valid: Default::default(),
            w_data: (0..words).map(|_| Signal::default()).collect(),
            w_last: Default::default(),
            w_ready: Default::default(),
            b_valid: Default::default(),
            b_fault: Default::default(),
            done: Default::default(),
            fault: Default::default(),
            state: Default::default(),
            beat: Default::default(),
            last_beat: Constant::new((beats as u64 - 1).into()),
            beat_number: (0..beats as u64)
                .map(|beat| Constant::new(beat.into()))
                .collect(),
            _beats: beats,
            _words: words,
            _words_end: words + 1,
        }
    }
}

impl Logic for Answer {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, state, beat);
        self.aw_valid.next = self.state.q.val() == Writing::Address;
        self.w_valid.next = self.state.q.val() == Writing::Data;
        self.w_last.next = self.beat.q.val() == self.last_beat.val();
        self.done.next = (self.state.q.val() == Writing::Response) & self.b_valid.val();
        self.fault.next = self.b_fault.val();
        for w in self._words..self._words_end {
            for i in 0..self._words {
                self.w_data[i].next = self.word[i].val();
                for b in 1..self._beats {
                    if self.beat.q.val() == self.beat_number[b].val() {
                        self.w_data[i].next = self.word[b * w + i].val();
                    }
                }
            }
        }
        match self.state.q.val() {
            Writing::Idle => {
                self.beat.d.next = 0.into();
                if self.start.val() {
                    self.state.d.next = Writing::Address;
                }
            }
            Writing::Address => {
                if self.aw_ready.val() {
                    self.state.d.next = Writing::Data;
                }
            }
            Writing::Data => {
                if self.w_ready.val() {
                    self.beat.d.next = self.beat.q.val() + 1;
                    if self.beat.q.val() == self.last_beat.val() {
                        self.state.d.next = Writing::Response;
                    }
                }
            }
            Writing::Response => {
                if self.b_valid.val() {
                    self.state.d.next = Writing::Idle;
                }
            }
            _ => {}
        }
        if self.reset.val() {
            self.state.d.next = Writing::Idle;
        }
    }
}
