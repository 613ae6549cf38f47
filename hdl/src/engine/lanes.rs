//! Rows of activations, as the array takes them.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;

use crate::array::Delay;

/// Brings the activations of a row to the lanes of the array.
///
/// ```text
/// read, wide, half ->|          |
/// word (2 later)   ->| ActLanes |-> act    (3 later)
/// ```
///
/// An array without 2:4 has two lanes for each two of its rows, and a row of the buffer fills them.
/// One with 2:4 has four, and the buffer gives two rows at once: both together are a row of 2:4
/// (`wide`), one of them (`half`) a dense row, of which each pair of values goes to the first two
/// of four lanes.
#[derive(LogicBlock)]
pub struct ActLanes {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// The row is one of 2:4.
    pub wide: Signal<In, Bit>,
    /// A dense row is the second of two.
    pub half: Signal<In, Bit>,
    /// What the buffer gives, two cycles after `wide` and `half`.
    pub word: Vec<Signal<In, Bits<32>>>,
    /// The lanes.
    pub act: Vec<Signal<Out, Signed<8>>>,
    wide_then: Delay<Bit>,
    half_then: Delay<Bit>,
    octet: Vec<Signal<Local, Bits<8>>>,
    lane: Vec<Signal<Local, Bits<8>>>,
    register: Vec<DFF<Bits<8>>>,
    _words: usize,
    _lanes: usize,
    _dense: usize,
    _pairs: usize,
    _rows: usize,
    _rows_end: usize,
}

impl ActLanes {
    /// Lanes of an array of `rows` rows, with 2:4 or without.
    pub fn new(rows: usize, two_four: bool) -> Self {
        let lanes = if two_four { 2 * rows } else { rows };
        Self {
            clock: Default::default(),
            wide: Default::default(),
            half: Default::default(),
            word: (0..lanes / 4).map(|_| Signal::default()).collect(),
            act: (0..lanes).map(|_| Signal::default()).collect(),
            wide_then: Delay::new(2),
            half_then: Delay::new(2),
            octet: (0..lanes).map(|_| Signal::default()).collect(),
            lane: (0..lanes).map(|_| Signal::default()).collect(),
            register: (0..lanes).map(|_| DFF::default()).collect(),
            _words: lanes / 4,
            _lanes: lanes,
            _dense: if two_four { 0 } else { lanes },
            _pairs: if two_four { rows / 2 } else { 0 },
            _rows: rows,
            _rows_end: rows + 1,
        }
    }
}

impl Logic for ActLanes {
    #[hdl_gen]
    fn update(&mut self) {
        self.wide_then.clock.next = self.clock.val();
        self.half_then.clock.next = self.clock.val();
        self.wide_then.data_in.next = self.wide.val();
        self.half_then.data_in.next = self.half.val();
        for i in 0..self._words {
            self.octet[i * 4].next = self.word[i].val().get_bits::<8>(0);
            self.octet[i * 4 + 1].next = self.word[i].val().get_bits::<8>(8);
            self.octet[i * 4 + 2].next = self.word[i].val().get_bits::<8>(16);
            self.octet[i * 4 + 3].next = self.word[i].val().get_bits::<8>(24);
        }
        for i in 0..self._dense {
            self.lane[i].next = self.octet[i].val();
        }
        for r in self._rows..self._rows_end {
            for i in 0..self._pairs {
                self.lane[i * 4].next = self.octet[i * 2].val();
                self.lane[i * 4 + 1].next = self.octet[i * 2 + 1].val();
                if self.half_then.data_out.val() {
                    self.lane[i * 4].next = self.octet[i * 2 + r].val();
                    self.lane[i * 4 + 1].next = self.octet[i * 2 + r + 1].val();
                }
                if self.wide_then.data_out.val() {
                    self.lane[i * 4].next = self.octet[i * 4].val();
                    self.lane[i * 4 + 1].next = self.octet[i * 4 + 1].val();
                }
                self.lane[i * 4 + 2].next = self.octet[i * 4 + 2].val();
                self.lane[i * 4 + 3].next = self.octet[i * 4 + 3].val();
            }
        }
        for i in 0..self._lanes {
            self.register[i].clock.next = self.clock.val();
            self.register[i].d.next = self.lane[i].val();
            self.act[i].next = signed_cast(self.register[i].q.val());
        }
    }
}
