//! Processing element: one int8 multiplier of the weight-stationary array.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// Width of the partial sums inside the array: 32 rows of products of at most 2^14 need 20 bits
/// and a sign.
pub const SUM_BITS: usize = 24;

/// One multiplier with its weight.
///
/// ```text
///              weight_in  sum_in
///                  v        v
///            +-----------------------+
///  act_in  ->| act   x active        |-> act_out    (1 cycle)
///  load    ->| shadow -> product ->+ |
///  swap    ->|                       |
///            +-----------------------+
///                           v
///                        sum_out
/// ```
///
/// * `load`: the shadow weight takes `weight_in`.
/// * `swap`: the active weight takes the shadow; it multiplies from the next cycle on. Load and
///   swap in one cycle are legal: the swap takes the old shadow.
/// * `sum_out` in cycle t+2 is `sum_in` of cycle t+1 plus `act_in` of cycle t times the weight:
///   the product has a register of its own, so that the adder's carry chain does not follow the
///   multiplier in one cycle.
#[derive(LogicBlock, Default)]
pub struct Pe {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Activation from the left.
    pub act_in: Signal<In, Signed<8>>,
    /// Activation to the right.
    pub act_out: Signal<Out, Signed<8>>,
    /// The weights of this column pass here, one row a cycle.
    pub weight_in: Signal<In, Signed<8>>,
    /// Keep `weight_in` for the next tile.
    pub load: Signal<In, Bit>,
    /// Start to use the kept weight.
    pub swap: Signal<In, Bit>,
    /// Partial sum from above.
    pub sum_in: Signal<In, Signed<SUM_BITS>>,
    /// Partial sum to below.
    pub sum_out: Signal<Out, Signed<SUM_BITS>>,
    act: DFF<Signed<8>>,
    shadow: DFF<Signed<8>>,
    active: DFF<Signed<8>>,
    product: DFF<Signed<16>>,
    sum: DFF<Signed<SUM_BITS>>,
    wide: Signal<Local, Signed<32>>,
}

impl Logic for Pe {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, act, shadow, active, product, sum);
        self.act.d.next = self.act_in.val();
        self.act_out.next = self.act.q.val();
        if self.load.val() {
            self.shadow.d.next = self.weight_in.val();
        }
        if self.swap.val() {
            self.active.d.next = self.shadow.q.val();
        }
        self.wide.next = signed_bit_cast::<16, 8>(self.act_in.val())
            * signed_bit_cast::<16, 8>(self.active.q.val());
        self.product.d.next = self.wide.val().get_bits::<16>(0);
        self.sum.d.next = self.sum_in.val() + signed_bit_cast::<SUM_BITS, 16>(self.product.q.val());
        self.sum_out.next = self.sum.q.val();
    }
}
