//! Where activations and weights enter the mesh: packed for the cells, and skewed.

use rust_hdl_core::prelude::*;

use super::{Delay, Kind};

/// The left edge of a pair of rows.
///
/// `act_out` is the lanes of `act`, a byte each and lane 0 lowest, some cycles later; bytes
/// without a lane are zero.
#[derive(LogicBlock)]
pub struct LeftEdge {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// The lanes.
    pub act: Vec<Signal<In, Signed<8>>>,
    /// The lanes, later.
    pub act_out: Signal<Out, Bits<32>>,
    byte: Vec<Signal<Local, Signed<8>>>,
    delay: Delay<Bits<32>>,
    _lanes: usize,
}

impl LeftEdge {
    /// An edge of a mesh of this kind that delays by `stages` cycles.
    pub fn new(kind: Kind, stages: usize) -> Self {
        Self {
            clock: Default::default(),
            act: (0..kind.lanes()).map(|_| Signal::default()).collect(),
            act_out: Default::default(),
            byte: (0..4).map(|_| Signal::default()).collect(),
            delay: Delay::new(stages),
            _lanes: kind.lanes(),
        }
    }
}

impl Logic for LeftEdge {
    #[hdl_gen]
    fn update(&mut self) {
        for l in 0..self._lanes {
            self.byte[l].next = self.act[l].val();
        }
        for l in self._lanes..4 {
            self.byte[l].next = 0.into();
        }
        self.delay.clock.next = self.clock.val();
        self.delay.data_in.next = bit_cast::<32, 8>(unsigned_cast(self.byte[0].val()))
            | (bit_cast::<32, 8>(unsigned_cast(self.byte[1].val())) << 8)
            | (bit_cast::<32, 8>(unsigned_cast(self.byte[2].val())) << 16)
            | (bit_cast::<32, 8>(unsigned_cast(self.byte[3].val())) << 24);
        self.act_out.next = self.delay.data_out.val();
    }
}

/// The upper edge of a pair of columns.
///
/// * `weight_out` holds the weights, that of row `r`, column `c` in byte `2 * r + c`, some cycles
///   later.
/// * `index_out` holds the indices, in two bits each, so many cycles later too; it is zero where
///   weights choose nothing. Where they choose, `weight_out` comes one cycle behind it.
/// * Where two weights share a multiplier, -128 is replaced by -127: see [`Kind::saturates`].
#[derive(LogicBlock)]
pub struct TopEdge {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Weights: two of row 0, two of row 1.
    pub weight: Vec<Signal<In, Signed<8>>>,
    /// Their indices; none unless weights choose.
    pub index: Vec<Signal<In, Bits<2>>>,
    /// The weights, later.
    pub weight_out: Signal<Out, Bits<32>>,
    /// The indices, later.
    pub index_out: Signal<Out, Bits<8>>,
    byte: Vec<Signal<Local, Bits<8>>>,
    pair: Vec<Signal<Local, Bits<2>>>,
    weight_delay: Delay<Bits<32>>,
    index_delay: Delay<Bits<8>>,
    _indices: usize,
    _saturated: usize,
}

impl TopEdge {
    /// An edge of a mesh of this kind that delays indices by `stages` cycles, and weights by that
    /// and their lag.
    pub fn new(kind: Kind, stages: usize) -> Self {
        let indices = if kind.chooses() { 4 } else { 0 };
        Self {
            clock: Default::default(),
            weight: (0..4).map(|_| Signal::default()).collect(),
            index: (0..indices).map(|_| Signal::default()).collect(),
            weight_out: Default::default(),
            index_out: Default::default(),
            byte: (0..4).map(|_| Signal::default()).collect(),
            pair: (0..4).map(|_| Signal::default()).collect(),
            weight_delay: Delay::new(stages + kind.weight_lag()),
            index_delay: Delay::new(stages),
            _indices: indices,
            _saturated: if kind.saturates() { 4 } else { 0 },
        }
    }
}

impl Logic for TopEdge {
    #[hdl_gen]
    fn update(&mut self) {
        for k in 0..4usize {
            self.byte[k].next = unsigned_cast(self.weight[k].val());
        }
        for k in 0..self._saturated {
            if unsigned_cast(self.weight[k].val()) == 128 {
                self.byte[k].next = 129.into();
            }
        }
        for k in 0..self._indices {
            self.pair[k].next = self.index[k].val();
        }
        for k in self._indices..4 {
            self.pair[k].next = 0.into();
        }
        self.weight_delay.clock.next = self.clock.val();
        self.weight_delay.data_in.next = bit_cast::<32, 8>(self.byte[0].val())
            | (bit_cast::<32, 8>(self.byte[1].val()) << 8)
            | (bit_cast::<32, 8>(self.byte[2].val()) << 16)
            | (bit_cast::<32, 8>(self.byte[3].val()) << 24);
        self.weight_out.next = self.weight_delay.data_out.val();
        self.index_delay.clock.next = self.clock.val();
        self.index_delay.data_in.next = bit_cast::<8, 2>(self.pair[0].val())
            | (bit_cast::<8, 2>(self.pair[1].val()) << 2)
            | (bit_cast::<8, 2>(self.pair[2].val()) << 4)
            | (bit_cast::<8, 2>(self.pair[3].val()) << 6);
        self.index_out.next = self.index_delay.data_out.val();
    }
}
