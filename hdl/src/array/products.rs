//! The products of a cell of a dense array.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use super::{PAIR_BITS, PairSums};

/// Four weights of two rows and two columns, and per column the sum of both rows' products.
///
/// ```text
///                  weight
///                    v
///          +---------------------+
///  load  ->| shadow              |
///  swap  ->|   v                 |
///          | active              |
///          |   v                 |
///  act   ->|   x -> product -> + |-> sum[2]    (2 cycles)
///          +---------------------+
/// ```
///
/// The contract of the ports is that of all blocks of products:
/// * `act` holds the lanes of a pair of rows, a byte each, lane 0 lowest. Here row `r` multiplies
///   lane `r`.
/// * `weight` holds the weight of row `r`, column `c` in byte `2 * r + c`.
/// * `load`: keep `weight` for the next tile. `swap`: what was kept multiplies from the next cycle
///   on. Both in one cycle are legal: the swap takes what was kept before.
/// * `sum[c]`, two cycles after `act`: product of row 0 plus product of row 1.
///
/// Nothing is chosen here: `index` and its marks mean nothing.
#[derive(LogicBlock)]
pub struct Products {
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
    /// Unused.
    pub index: Signal<In, Bits<8>>,
    /// Unused.
    pub load_index: Signal<In, Bit>,
    /// Unused.
    pub swap_index: Signal<In, Bit>,
    /// Sum of two products for each column.
    pub sum: Vec<Signal<Out, Signed<PAIR_BITS>>>,
    shadow: DFF<Bits<32>>,
    active: DFF<Bits<32>>,
    sums: PairSums,
}

impl Default for Products {
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
            sums: Default::default(),
        }
    }
}

impl Logic for Products {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, shadow, active);
        if self.load.val() {
            self.shadow.d.next = self.weight.val();
        }
        if self.swap.val() {
            self.active.d.next = self.shadow.q.val();
        }
        self.sums.clock.next = self.clock.val();
        self.sums.coefficient.next = self.active.q.val();
        for r in 0..2usize {
            for c in 0..2usize {
                self.sums.factor[r * 2 + c].next = signed_cast(self.act.val().get_bits::<8>(r * 8));
            }
        }
        for c in 0..2usize {
            self.sum[c].next = self.sums.sum[c].val();
        }
    }
}
