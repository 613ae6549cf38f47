//! Lines on their way from the chip.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::Timing;

/// Puts the eight words of a burst together.
///
/// ```text
/// read, id, last, beyond ->|          |-> valid, data[4], resp, line_id, line_last
/// dq                     ->| ReadData |
/// ```
///
/// * `read` comes one cycle before the command is at the pins, and at most every eight cycles; what
///   stands beside it stays for eight. The line is there `CAS latency + delay + 9` cycles after it,
///   for one cycle.
/// * `dq` goes into a register first.
/// * `resp` is DECERR for a line that the memory does not have, whatever the chip gave.
#[derive(LogicBlock)]
pub struct ReadData {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Forget everything.
    pub reset: Signal<In, Bit>,
    /// A burst begins.
    pub read: Signal<In, Bit>,
    /// Its identifier.
    pub id: Signal<In, Bits<4>>,
    /// It is the last line.
    pub last: Signal<In, Bit>,
    /// The memory has no such line.
    pub beyond: Signal<In, Bit>,
    /// The pins.
    pub dq: Signal<In, Bits<16>>,
    /// There is a line.
    pub valid: Signal<Out, Bit>,
    /// The line.
    pub data: Vec<Signal<Out, Bits<32>>>,
    /// Not 0: it could not be read.
    pub resp: Signal<Out, Bits<2>>,
    /// Its identifier.
    pub line_id: Signal<Out, Bits<4>>,
    /// Last line of its burst.
    pub line_last: Signal<Out, Bit>,
    captured: DFF<Bits<16>>,
    flight: DFF<Bits<14>>,
    tag: DFF<Bits<4>>,
    ends: DFF<Bit>,
    nowhere: DFF<Bit>,
    /// The words before the captured one, four times two.
    words: Vec<DFF<Bits<32>>>,
    shifted: Vec<Signal<Local, Bits<32>>>,
    _first: usize,
    _first_end: usize,
    _whole: usize,
    _whole_end: usize,
}

impl ReadData {
    /// For a chip of this latency.
    pub fn new(timing: &Timing) -> Self {
        let late = (timing.cas + timing.delay) as usize;
        Self {
            clock: Default::default(),
            reset: Default::default(),
            read: Default::default(),
            id: Default::default(),
            last: Default::default(),
            beyond: Default::default(),
            dq: Default::default(),
            valid: Default::default(),
            data: (0..4).map(|_| Signal::default()).collect(),
            resp: Default::default(),
            line_id: Default::default(),
            line_last: Default::default(),
            captured: Default::default(),
            flight: Default::default(),
            tag: Default::default(),
            ends: Default::default(),
            nowhere: Default::default(),
            words: (0..4).map(|_| DFF::default()).collect(),
            shifted: (0..4).map(|_| Signal::default()).collect(),
            _first: late,
            _first_end: late + 1,
            _whole: late + 8,
            _whole_end: late + 9,
        }
    }
}

impl Logic for ReadData {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, captured, flight, tag, ends, nowhere);
        self.captured.d.next = self.dq.val();
        for i in 0..3 {
            self.shifted[i].next =
                (self.words[i].q.val() >> 16) | (self.words[i + 1].q.val() << 16);
        }
        self.shifted[3].next =
            (self.words[3].q.val() >> 16) | (bit_cast::<32, 16>(self.captured.q.val()) << 16);
        for i in 0..4 {
            self.words[i].clock.next = self.clock.val();
            self.words[i].d.next = self.shifted[i].val();
            self.data[i].next = self.shifted[i].val();
        }
        self.flight.d.next = self.flight.q.val() << 1;
        if self.read.val() {
            self.flight.d.next = (self.flight.q.val() << 1) | 1;
        }
        // The line before is whole in the cycle in which this one's first word is captured.
        for k in self._first..self._first_end {
            if self.flight.q.val().get_bit(k) {
                self.tag.d.next = self.id.val();
                self.ends.d.next = self.last.val();
                self.nowhere.d.next = self.beyond.val();
            }
        }
        self.valid.next = false;
        for k in self._whole..self._whole_end {
            self.valid.next = self.flight.q.val().get_bit(k);
        }
        self.resp.next = 0.into();
        if self.nowhere.q.val() {
            self.resp.next = 3.into();
        }
        self.line_id.next = self.tag.q.val();
        self.line_last.next = self.ends.q.val();
        if self.reset.val() {
            self.flight.d.next = 0.into();
        }
    }
}
