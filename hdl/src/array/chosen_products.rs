//! The products of a cell of an array whose weights choose their activations.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::{PAIR_BITS, PairSums};

/// As [`Products`](super::Products), but each weight multiplies that one of four lanes which the
/// index beside it names: two of four rows of a matrix in which the others are zero.
///
/// ```text
///                      index       weight
///                        v           v
///               +-----------------------------------+
///  load_index ->|     shadow      shadow            |<- load
///  swap_index ->|        v           v              |<- swap
///               |     active      active            |
///               |        v           v              |
///  act        ->|     choice -> operand x -> + -----|-> sum[2]    (3 cycles)
///               +-----------------------------------+
/// ```
///
/// * `index` holds the lane of row `r`, column `c` in bits `4 * r + 2 * c` and the next.
/// * What is chosen has a register before it is multiplied, so the weights live one cycle behind
///   the indices: `weight`, `load` and `swap` come one cycle after the `index`, `load_index` and
///   `swap_index` that they belong to. Each pair of marks keeps the rules of `load` and `swap`.
/// * `sum[c]` stands three cycles after `act`. The first activations that meet new weights are
///   those of the cycle after `swap_index`.
#[derive(LogicBlock)]
pub struct ChosenProducts {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Lanes of activations.
    pub act: Signal<In, Bits<32>>,
    /// Weights that pass.
    pub weight: Signal<In, Bits<32>>,
    /// Keep the weights that pass.
    pub load: Signal<In, Bit>,
    /// Use the kept weights.
    pub swap: Signal<In, Bit>,
    /// Indices that pass.
    pub index: Signal<In, Bits<8>>,
    /// Keep the indices that pass.
    pub load_index: Signal<In, Bit>,
    /// Use the kept indices.
    pub swap_index: Signal<In, Bit>,
    /// Sum of two products for each column.
    pub sum: Vec<Signal<Out, Signed<PAIR_BITS>>>,
    shadow: DFF<Bits<32>>,
    active: DFF<Bits<32>>,
    shadow_index: DFF<Bits<8>>,
    active_index: DFF<Bits<8>>,
    bit: Vec<Signal<Local, Bits<5>>>,
    operand: Vec<DFF<Signed<8>>>,
    sums: PairSums,
}

impl Default for ChosenProducts {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            act: Default::default(),
            weight: Default::default(),
            load: Default::default(),
            swap: Default::default(),
            index: Default::default(),
            load_index: Default::default(),
            swap_index: Default::default(),
            sum: (0..2).map(|_| Signal::default()).collect(),
            shadow: Default::default(),
            active: Default::default(),
            shadow_index: Default::default(),
            active_index: Default::default(),
            bit: (0..4).map(|_| Signal::default()).collect(),
            operand: (0..4).map(|_| DFF::default()).collect(),
            sums: Default::default(),
        }
    }
}

impl Logic for ChosenProducts {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, shadow, active, shadow_index, active_index);
        if self.load.val() {
            self.shadow.d.next = self.weight.val();
        }
        if self.swap.val() {
            self.active.d.next = self.shadow.q.val();
        }
        if self.load_index.val() {
            self.shadow_index.d.next = self.index.val();
        }
        if self.swap_index.val() {
            self.active_index.d.next = self.shadow_index.q.val();
        }
        // A lane begins at eight times its index.
        self.bit[0].next = bit_cast::<5, 2>(self.active_index.q.val().get_bits::<2>(0)) << 3;
        self.bit[1].next = bit_cast::<5, 2>(self.active_index.q.val().get_bits::<2>(2)) << 3;
        self.bit[2].next = bit_cast::<5, 2>(self.active_index.q.val().get_bits::<2>(4)) << 3;
        self.bit[3].next = bit_cast::<5, 2>(self.active_index.q.val().get_bits::<2>(6)) << 3;
        for i in 0..4usize {
            self.operand[i].clock.next = self.clock.val();
            self.operand[i].d.next =
                signed_cast(self.act.val().get_bits::<8>(self.bit[i].val().index()));
            self.sums.factor[i].next = self.operand[i].q.val();
        }
        self.sums.clock.next = self.clock.val();
        self.sums.coefficient.next = self.active.q.val();
        for c in 0..2usize {
            self.sum[c].next = self.sums.sum[c].val();
        }
    }
}
