//! Requantisation of one accumulator a cycle.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

use crate::array::{Delay, Multiplier};

/// Cycles from `acc` to `value`.
pub const REQUANT_LATENCY: usize = 9;

/// `isa::numerics::requantize` as a pipeline: one value in, one out each cycle.
///
/// ```text
/// acc, raw, narrow                ->+             +
/// row_scale (multiplier, shift)   ->| RequantLane |-> value   (9 cycles later)
/// column (multiplier, shift, bias)->+             +
/// ```
///
/// Works on the magnitude, so that all products and shifts are unsigned: halves go towards
/// positive infinity because a negative value takes one unit less before the shift. `raw` passes
/// the accumulator on; `narrow` saturates to int8 instead of int16.
#[derive(LogicBlock)]
pub struct RequantLane {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Accumulator.
    pub acc: Signal<In, Bits<32>>,
    /// Row scale: multiplier in bits 15:0, shift in 20:16.
    pub row_scale: Signal<In, Bits<32>>,
    /// Column scale: multiplier in bits 15:0, shift in 20:16.
    pub column_scale: Signal<In, Bits<32>>,
    /// Bias.
    pub bias: Signal<In, Bits<32>>,
    /// Pass the accumulator.
    pub raw: Signal<In, Bit>,
    /// Saturate to int8.
    pub narrow: Signal<In, Bit>,
    /// Result, sign-extended.
    pub value: Signal<Out, Bits<32>>,
    // Stage 1: sign and magnitude; the product of the scales.
    magnitude_1: DFF<Bits<32>>,
    scale_1: Multiplier<17, 17, 32>,
    shift_1: DFF<Bits<6>>,
    // Stage 2: four partial products.
    low_low: Multiplier<17, 17, 32>,
    low_high: Multiplier<17, 17, 32>,
    high_low: Multiplier<17, 17, 32>,
    high_high: Multiplier<17, 17, 32>,
    shift_2: DFF<Bits<6>>,
    // Stage 3: the middle products together; what is added before the shift.
    middle: DFF<Bits<33>>,
    outer_3: DFF<Bits<64>>,
    half_3: DFF<Bits<64>>,
    shift_3: DFF<Bits<6>>,
    // Stage 4: the whole product.
    product: DFF<Bits<64>>,
    half_4: DFF<Bits<64>>,
    shift_4: DFF<Bits<6>>,
    // Stage 5: rounding.
    rounded: DFF<Bits<64>>,
    shift_5: DFF<Bits<6>>,
    // Stages 6 and 7: the shift, by eights and by ones.
    coarse: DFF<Bits<64>>,
    shift_6: DFF<Bits<3>>,
    fine: DFF<Bits<33>>,
    // Stage 8: sign and bias. Stage 9: saturation.
    sum: DFF<Bits<36>>,
    result: DFF<Bits<32>>,
    acc_delay: Delay<Bits<32>>,
    bias_delay: Delay<Bits<32>>,
    negative_2: Delay<Bit>,
    negative_7: Delay<Bit>,
    raw_delay: Delay<Bit>,
    narrow_delay: Delay<Bit>,
    scale: Signal<Local, Bits<32>>,
    negated: Signal<Local, Bits<32>>,
    one: Constant<Bits<64>>,
    all_ones: Constant<Bits<64>>,
    eights: Signal<Local, Bits<6>>,
    ones: Signal<Local, Bits<64>>,
    clipped: Signal<Local, Bits<33>>,
    magnitude: Signal<Local, Bits<36>>,
    bias_wide: Signal<Local, Bits<36>>,
    sign_fill: Constant<Bits<36>>,
    most: Signal<Local, Bits<36>>,
    least: Signal<Local, Bits<36>>,
    wide: Signal<Local, Bits<36>>,
}

impl Default for RequantLane {
    fn default() -> Self {
        Self {
            clock: Default::default(),
            acc: Default::default(),
            row_scale: Default::default(),
            column_scale: Default::default(),
            bias: Default::default(),
            raw: Default::default(),
            narrow: Default::default(),
            value: Default::default(),
            magnitude_1: Default::default(),
            scale_1: Default::default(),
            shift_1: Default::default(),
            low_low: Default::default(),
            low_high: Default::default(),
            high_low: Default::default(),
            high_high: Default::default(),
            shift_2: Default::default(),
            middle: Default::default(),
            outer_3: Default::default(),
            half_3: Default::default(),
            shift_3: Default::default(),
            product: Default::default(),
            half_4: Default::default(),
            shift_4: Default::default(),
            rounded: Default::default(),
            shift_5: Default::default(),
            coarse: Default::default(),
            shift_6: Default::default(),
            fine: Default::default(),
            sum: Default::default(),
            result: Default::default(),
            acc_delay: Delay::new(REQUANT_LATENCY - 1),
            bias_delay: Delay::new(REQUANT_LATENCY - 2),
            negative_2: Delay::new(2),
            negative_7: Delay::new(REQUANT_LATENCY - 2),
            raw_delay: Delay::new(REQUANT_LATENCY - 1),
            narrow_delay: Delay::new(REQUANT_LATENCY - 1),
            scale: Default::default(),
            negated: Default::default(),
            one: Constant::new(1u64.into()),
            all_ones: Constant::new(u64::MAX.into()),
            eights: Default::default(),
            ones: Default::default(),
            clipped: Default::default(),
            magnitude: Default::default(),
            bias_wide: Default::default(),
            sign_fill: Constant::new(0xf_0000_0000u64.into()),
            most: Default::default(),
            least: Default::default(),
            wide: Default::default(),
        }
    }
}

impl Logic for RequantLane {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(
            self,
            clock,
            magnitude_1,
            shift_1,
            shift_2,
            middle,
            outer_3,
            half_3,
            shift_3,
            product,
            half_4,
            shift_4,
            rounded,
            shift_5,
            coarse,
            shift_6,
            fine,
            sum,
            result
        );
        self.acc_delay.clock.next = self.clock.val();
        self.bias_delay.clock.next = self.clock.val();
        self.negative_2.clock.next = self.clock.val();
        self.negative_7.clock.next = self.clock.val();
        self.raw_delay.clock.next = self.clock.val();
        self.narrow_delay.clock.next = self.clock.val();
        self.acc_delay.data_in.next = self.acc.val();
        self.bias_delay.data_in.next = self.bias.val();
        self.negative_2.data_in.next = self.acc.val().get_bit(31);
        self.negative_7.data_in.next = self.acc.val().get_bit(31);
        self.raw_delay.data_in.next = self.raw.val();
        self.narrow_delay.data_in.next = self.narrow.val();

        self.negated.next = !self.acc.val();
        self.magnitude_1.d.next = self.acc.val();
        if self.acc.val().get_bit(31) {
            self.magnitude_1.d.next = self.negated.val() + 1;
        }
        self.scale_1.clock.next = self.clock.val();
        self.scale_1.a.next =
            signed_cast(bit_cast::<17, 16>(self.row_scale.val().get_bits::<16>(0)));
        self.scale_1.b.next = signed_cast(bit_cast::<17, 16>(
            self.column_scale.val().get_bits::<16>(0),
        ));
        self.scale.next = unsigned_cast(self.scale_1.product.val());
        self.shift_1.d.next = bit_cast::<6, 5>(self.row_scale.val().get_bits::<5>(16))
            + bit_cast::<6, 5>(self.column_scale.val().get_bits::<5>(16));

        self.low_low.clock.next = self.clock.val();
        self.low_low.a.next = signed_cast(bit_cast::<17, 16>(
            self.magnitude_1.q.val().get_bits::<16>(0),
        ));
        self.low_low.b.next = signed_cast(bit_cast::<17, 16>(self.scale.val().get_bits::<16>(0)));
        self.low_high.clock.next = self.clock.val();
        self.low_high.a.next = signed_cast(bit_cast::<17, 16>(
            self.magnitude_1.q.val().get_bits::<16>(0),
        ));
        self.low_high.b.next = signed_cast(bit_cast::<17, 16>(self.scale.val().get_bits::<16>(16)));
        self.high_low.clock.next = self.clock.val();
        self.high_low.a.next = signed_cast(bit_cast::<17, 16>(
            self.magnitude_1.q.val().get_bits::<16>(16),
        ));
        self.high_low.b.next = signed_cast(bit_cast::<17, 16>(self.scale.val().get_bits::<16>(0)));
        self.high_high.clock.next = self.clock.val();
        self.high_high.a.next = signed_cast(bit_cast::<17, 16>(
            self.magnitude_1.q.val().get_bits::<16>(16),
        ));
        self.high_high.b.next =
            signed_cast(bit_cast::<17, 16>(self.scale.val().get_bits::<16>(16)));
        self.shift_2.d.next = self.shift_1.q.val();

        self.middle.d.next = bit_cast::<33, 32>(unsigned_cast(self.low_high.product.val()))
            + bit_cast::<33, 32>(unsigned_cast(self.high_low.product.val()));
        self.outer_3.d.next = (bit_cast::<64, 32>(unsigned_cast(self.high_high.product.val()))
            << 32)
            | bit_cast::<64, 32>(unsigned_cast(self.low_low.product.val()));
        // Half a unit of the result; a negative value takes one less, so that its half goes up. One
        // less than a power of two is all bits below it, which needs no subtraction.
        self.half_3.d.next = (self.one.val() << self.shift_2.q.val()) >> 1;
        if self.negative_2.data_out.val() {
            self.half_3.d.next = (!(self.all_ones.val() << self.shift_2.q.val())) >> 1;
        }
        self.shift_3.d.next = self.shift_2.q.val();

        self.product.d.next =
            self.outer_3.q.val() + (bit_cast::<64, 33>(self.middle.q.val()) << 16);
        self.half_4.d.next = self.half_3.q.val();
        self.shift_4.d.next = self.shift_3.q.val();

        self.rounded.d.next = self.product.q.val() + self.half_4.q.val();
        self.shift_5.d.next = self.shift_4.q.val();

        self.eights.next = bit_cast::<6, 3>(self.shift_5.q.val().get_bits::<3>(3)) << 3;
        self.coarse.d.next = self.rounded.q.val() >> self.eights.val();
        self.shift_6.d.next = self.shift_5.q.val().get_bits::<3>(0);

        self.ones.next = self.coarse.q.val() >> self.shift_6.q.val();
        // Beyond 2^32 no bias can bring the value back into the range of the result.
        self.clipped.next = self.ones.val().get_bits::<33>(0);
        if self.ones.val().get_bits::<32>(32) != 0 {
            self.clipped.next = bits::<33>(0x1_0000_0000u64);
        }
        self.fine.d.next = self.clipped.val();

        self.magnitude.next = bit_cast::<36, 33>(self.fine.q.val());
        self.bias_wide.next = bit_cast::<36, 32>(self.bias_delay.data_out.val());
        if self.bias_delay.data_out.val().get_bit(31) {
            self.bias_wide.next =
                bit_cast::<36, 32>(self.bias_delay.data_out.val()) | self.sign_fill.val();
        }
        self.sum.d.next = self.bias_wide.val() + self.magnitude.val();
        if self.negative_7.data_out.val() {
            self.sum.d.next = self.bias_wide.val() - self.magnitude.val();
        }

        self.most.next = 32767.into();
        self.least.next = bits::<36>(0xf_ffff_8000u64);
        if self.narrow_delay.data_out.val() {
            self.most.next = 127.into();
            self.least.next = bits::<36>(0xf_ffff_ff80u64);
        }
        self.wide.next = self.sum.q.val();
        if self.sum.q.val().get_bit(35) {
            if self.sum.q.val() < self.least.val() {
                self.wide.next = self.least.val();
            }
        } else if self.sum.q.val() > self.most.val() {
            self.wide.next = self.most.val();
        }
        self.result.d.next = self.wide.val().get_bits::<32>(0);
        if self.raw_delay.data_out.val() {
            self.result.d.next = self.acc_delay.data_out.val();
        }
        self.value.next = self.result.q.val();
    }
}
