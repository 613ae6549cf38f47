//! Two rows of two columns, multiplied and added.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;

use super::{Multiplier, PAIR_BITS};

/// Four products of int8, and per column the sum of both rows' products.
///
/// ```text
/// factor[4]      ->|          |
/// coefficient    ->| PairSums |-> sum[2]    (2 cycles)
/// ```
///
/// * `factor[2 * r + c]` is the activation of row `r`, column `c`, and byte `2 * r + c` of
///   `coefficient` its weight.
/// * Products have a register, and their sum too, so that at most one carry chain follows a
///   multiplier.
#[derive(LogicBlock)]
pub struct PairSums {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Activations.
    pub factor: Vec<Signal<In, Signed<8>>>,
    /// Weights.
    pub coefficient: Signal<In, Bits<32>>,
    /// Sum of two products for each column.
    pub sum: Vec<Signal<Out, Signed<PAIR_BITS>>>,
    product: Vec<Multiplier<8, 8, 16>>,
    upper: Vec<Signal<Local, Signed<PAIR_BITS>>>,
    pair: Vec<DFF<Signed<PAIR_BITS>>>,
}

impl Default for PairSums {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            factor: (0..4).map(|_| Signal::default()).collect(),
            coefficient: Default::default(),
            sum: (0..2).map(|_| Signal::default()).collect(),
            product: (0..4).map(|_| Multiplier::default()).collect(),
            upper: (0..2).map(|_| Signal::default()).collect(),
            pair: (0..2).map(|_| DFF::default()).collect(),
        }
    }
}

impl Logic for PairSums {
    #[hdl_gen]
    fn update(&mut self) {
        for i in 0..4usize {
            self.product[i].clock.next = self.clock.val();
            self.product[i].a.next = self.factor[i].val();
            self.product[i].b.next = signed_cast(self.coefficient.val().get_bits::<8>(i * 8));
        }
        for c in 0..2usize {
            self.pair[c].clock.next = self.clock.val();
            self.upper[c].next = signed_bit_cast::<PAIR_BITS, 16>(self.product[c].product.val());
            self.pair[c].d.next = self.upper[c].val()
                + signed_bit_cast::<PAIR_BITS, 16>(self.product[c + 2].product.val());
            self.sum[c].next = self.pair[c].q.val();
        }
    }
}
