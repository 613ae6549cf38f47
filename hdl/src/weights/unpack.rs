//! Streams of packed weights, made what the array takes.

use isa::config::Datapaths;
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::{Action, CodeLane, ScaleLane, Window};
use crate::array::Delay;

/// Takes the units of a stream apart: scales and indices are kept, codes become weights.
///
/// ```text
/// row, shift ->|        |-> header             (1 after its action)
/// action     ->| Unpack |-> weight[], index[]  (`step_latency` after their action)
/// ```
///
/// Weights are two rows of `cols`. In dense weights of an array with 2:4 the index is the number
/// of the row, which is where its activation is.
#[derive(LogicBlock)]
pub struct Unpack {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Row behind the one in front, 32-bit words.
    pub row: Vec<Signal<In, Bits<32>>>,
    /// It becomes the row in front.
    pub shift: Signal<In, Bit>,
    /// What to do now.
    pub action: Signal<In, Action>,
    /// Header that was taken a cycle ago.
    pub header: Signal<Out, Bits<16>>,
    /// Weights of a step.
    pub weight: Vec<Signal<Out, Bits<8>>>,
    /// Indices of a step.
    pub index: Vec<Signal<Out, Bits<2>>>,
    window: Window,
    taken: DFF<Action>,
    code: Vec<CodeLane>,
    scale: Vec<DFF<Bits<8>>>,
    scaled: DFF<Bit>,
    stepped: DFF<Bit>,
    stepped_then: DFF<Bit>,
    product: Vec<ScaleLane>,
    indices: Vec<DFF<Bits<8>>>,
    chosen: Vec<Delay<Bits<2>>>,
    _cols: usize,
    _cols_end: usize,
    _words: usize,
    _values: usize,
    _scaled: usize,
    _unscaled: usize,
    _indexed_cols: usize,
    _indexed: usize,
}

impl Unpack {
    /// A block for an array of `rows x cols`.
    pub fn new(rows: usize, cols: usize, datapaths: &Datapaths) -> Self {
        let values = 2 * cols;
        let count = |wanted: bool, count: usize| if wanted { count } else { 0 };
        let scaled = count(datapaths.groups, values);
        let indexed = count(datapaths.two_four, values);
        let latency = super::step_latency(datapaths);
        Self {
            clock: Default::default(),
            row: (0..cols / 2).map(|_| Signal::default()).collect(),
            shift: Default::default(),
            action: Default::default(),
            header: Default::default(),
            weight: (0..values).map(|_| Signal::default()).collect(),
            index: (0..indexed).map(|_| Signal::default()).collect(),
            window: Window::new(cols, super::position_step(rows, cols, datapaths)),
            taken: Default::default(),
            code: (0..values)
                .map(|_| CodeLane::new(datapaths.narrow))
                .collect(),
            scale: (0..scaled / 2).map(|_| DFF::default()).collect(),
            scaled: Default::default(),
            stepped: Default::default(),
            stepped_then: Default::default(),
            product: (0..scaled).map(|_| ScaleLane::new()).collect(),
            indices: (0..indexed).map(|_| DFF::default()).collect(),
            chosen: (0..indexed).map(|_| Delay::new(latency - 1)).collect(),
            _cols: cols,
            _cols_end: cols + 1,
            _words: cols / 2,
            _values: values,
            _scaled: scaled / 2,
            _unscaled: values - scaled,
            _indexed_cols: indexed / 2,
            _indexed: indexed,
        }
    }
}

impl Logic for Unpack {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, taken, scaled, stepped, stepped_then);
        self.stepped.d.next = self.taken.q.val().step;
        self.stepped_then.d.next = self.stepped.q.val();
        self.window.clock.next = self.clock.val();
        for i in 0..self._words {
            self.window.row[i].next = self.row[i].val();
        }
        self.window.shift.next = self.shift.val();
        self.window.take.next = self.action.val().take;
        self.window.position.next = self.action.val().position;
        self.taken.d.next = self.action.val();
        self.header.next = self.window.header.val();
        for i in 0..self._values {
            self.code[i].clock.next = self.clock.val();
            self.code[i].take.next = self.taken.q.val().step;
            self.code[i].bits.next = self.taken.q.val().bits;
            self.code[i].octet.next = self.window.bytes[i].val();
            self.code[i].plane.next = self.window.planes[i].val();
        }
        for i in 0..self._unscaled {
            self.weight[i].next = self.code[i].code.val();
        }
        self.scaled.d.next = self.taken.q.val().scaled;
        for c in self._cols..self._cols_end {
            for i in 0..self._scaled {
                self.scale[i].clock.next = self.clock.val();
                self.scale[i].d.next = self.scale[i].q.val();
                if self.taken.q.val().scales {
                    self.scale[i].d.next = self.window.bytes[i].val();
                }
                self.product[i].clock.next = self.clock.val();
                self.product[i].take.next = self.stepped.q.val();
                self.product[i].finish.next = self.stepped_then.q.val();
                self.product[i].scaled.next = self.scaled.q.val();
                self.product[i].code.next = self.code[i].code.val();
                self.product[i].scale.next = self.scale[i].q.val();
                self.weight[i].next = self.product[i].weight.val();
                self.product[c + i].clock.next = self.clock.val();
                self.product[c + i].take.next = self.stepped.q.val();
                self.product[c + i].finish.next = self.stepped_then.q.val();
                self.product[c + i].scaled.next = self.scaled.q.val();
                self.product[c + i].code.next = self.code[c + i].code.val();
                self.product[c + i].scale.next = self.scale[i].q.val();
                self.weight[c + i].next = self.product[c + i].weight.val();
            }
        }
        // Four steps share a byte of indices, the first step the lowest two bits.
        for i in 0..self._indexed {
            self.indices[i].clock.next = self.clock.val();
            self.indices[i].d.next = self.indices[i].q.val();
            if self.taken.q.val().indices {
                self.indices[i].d.next = self.window.planes[i].val();
            }
            if self.taken.q.val().step {
                self.indices[i].d.next = self.indices[i].q.val() >> 2;
            }
            self.chosen[i].clock.next = self.clock.val();
            self.index[i].next = self.chosen[i].data_out.val();
        }
        for c in self._cols..self._cols_end {
            for i in 0..self._indexed_cols {
                self.chosen[i].data_in.next = 0.into();
                self.chosen[c + i].data_in.next = 1.into();
                if self.taken.q.val().two_four {
                    self.chosen[i].data_in.next = self.indices[i].q.val().get_bits::<2>(0);
                    self.chosen[c + i].data_in.next = self.indices[c + i].q.val().get_bits::<2>(0);
                }
            }
        }
    }
}
