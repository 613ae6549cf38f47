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
///  shift_in->| shadow -> product ->+ |-> shift_out  (1 cycle)
///  swap_in ->|                     | |-> swap_out   (1 cycle)
///            +-----------------------+
///                  v        v
///             weight_out  sum_out
/// ```
///
/// * `shift_in`: the shadow weight takes `weight_in`; the shadow is `weight_out`.
/// * `swap_in`: the active weight takes the shadow; it multiplies from the next cycle on. Shift
///   and swap in one cycle are legal: the swap takes the old shadow.
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
    /// Next weight from above.
    pub weight_in: Signal<In, Signed<8>>,
    /// Next weight to below.
    pub weight_out: Signal<Out, Signed<8>>,
    /// Move the next weights down by one row.
    pub shift_in: Signal<In, Bit>,
    /// `shift_in`, one cycle later.
    pub shift_out: Signal<Out, Bit>,
    /// Start to use the next weight.
    pub swap_in: Signal<In, Bit>,
    /// `swap_in`, one cycle later.
    pub swap_out: Signal<Out, Bit>,
    /// Partial sum from above.
    pub sum_in: Signal<In, Signed<SUM_BITS>>,
    /// Partial sum to below.
    pub sum_out: Signal<Out, Signed<SUM_BITS>>,
    act: DFF<Signed<8>>,
    shadow: DFF<Signed<8>>,
    active: DFF<Signed<8>>,
    product: DFF<Signed<16>>,
    sum: DFF<Signed<SUM_BITS>>,
    shift: DFF<Bit>,
    swap: DFF<Bit>,
    wide: Signal<Local, Signed<32>>,
}

impl Logic for Pe {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, act, shadow, active, product, sum, shift, swap);
        self.act.d.next = self.act_in.val();
        self.act_out.next = self.act.q.val();
        self.shift.d.next = self.shift_in.val();
        self.shift_out.next = self.shift.q.val();
        self.swap.d.next = self.swap_in.val();
        self.swap_out.next = self.swap.q.val();
        if self.shift_in.val() {
            self.shadow.d.next = self.weight_in.val();
        }
        self.weight_out.next = self.shadow.q.val();
        if self.swap_in.val() {
            self.active.d.next = self.shadow.q.val();
        }
        self.wide.next = signed_bit_cast::<16, 8>(self.act_in.val())
            * signed_bit_cast::<16, 8>(self.active.q.val());
        self.product.d.next = self.wide.val().get_bits::<16>(0);
        self.sum.d.next = self.sum_in.val() + signed_bit_cast::<SUM_BITS, 16>(self.product.q.val());
        self.sum_out.next = self.sum.q.val();
    }
}
