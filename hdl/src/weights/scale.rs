//! A code times the scale of its group.

use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// `code * scale / 8`, halves rounded up, saturated to -127 to 127 ([`isa::weights::widen`]); without
/// scales the code.
///
/// ```text
/// scaled, code, scale ->| ScaleLane |-> weight    (2 later)
/// ```
///
/// Partial products are added in two cycles, without a multiplier: those of the FPGA are for the
/// array.
#[derive(LogicBlock, Default)]
pub struct ScaleLane {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// The code has a scale.
    pub scaled: Signal<In, Bit>,
    /// Code.
    pub code: Signal<In, Bits<8>>,
    /// Scale in eighths.
    pub scale: Signal<In, Bits<8>>,
    /// Weight.
    pub weight: Signal<Out, Bits<8>>,
    scale_1: Signal<Local, Bits<12>>,
    scale_2: Signal<Local, Bits<12>>,
    scale_4: Signal<Local, Bits<12>>,
    scale_8: Signal<Local, Bits<12>>,
    part: Vec<Signal<Local, Bits<12>>>,
    low: DFF<Bits<12>>,
    high: DFF<Bits<12>>,
    plain: DFF<Bits<8>>,
    plain_now: DFF<Bit>,
    high_narrow: Signal<Local, Signed<12>>,
    high_wide: Signal<Local, Signed<18>>,
    high_bits: Signal<Local, Bits<18>>,
    rounded: Signal<Local, Bits<18>>,
    quotient: Signal<Local, Bits<8>>,
    above: Signal<Local, Bits<8>>,
    result: DFF<Bits<8>>,
}

impl ScaleLane {
    /// A lane.
    pub fn new() -> Self {
        Self {
            part: (0..8).map(|_| Signal::default()).collect(),
            ..Self::default()
        }
    }
}

impl Logic for ScaleLane {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, low, high, plain, plain_now, result);
        self.scale_1.next = bit_cast::<12, 8>(self.scale.val());
        self.scale_2.next = self.scale_1.val() << 1;
        self.scale_4.next = self.scale_1.val() << 2;
        self.scale_8.next = self.scale_1.val() << 3;
        for i in 0..8 {
            self.part[i].next = 0.into();
        }
        if self.code.val().get_bit(0) {
            self.part[0].next = self.scale_1.val();
        }
        if self.code.val().get_bit(1) {
            self.part[1].next = self.scale_2.val();
        }
        if self.code.val().get_bit(2) {
            self.part[2].next = self.scale_4.val();
        }
        if self.code.val().get_bit(3) {
            self.part[3].next = self.scale_8.val();
        }
        if self.code.val().get_bit(4) {
            self.part[4].next = self.scale_1.val();
        }
        if self.code.val().get_bit(5) {
            self.part[5].next = self.scale_2.val();
        }
        if self.code.val().get_bit(6) {
            self.part[6].next = self.scale_4.val();
        }
        if self.code.val().get_bit(7) {
            self.part[7].next = self.scale_8.val();
        }
        self.low.d.next =
            self.part[0].val() + self.part[1].val() + self.part[2].val() + self.part[3].val();
        // The highest bit of a code counts negative.
        self.high.d.next =
            self.part[4].val() + self.part[5].val() + self.part[6].val() - self.part[7].val();
        self.plain.d.next = self.code.val();
        self.plain_now.d.next = !self.scaled.val();

        self.high_narrow.next = signed_cast(self.high.q.val());
        self.high_wide.next = signed_bit_cast::<18, 12>(self.high_narrow.val());
        self.high_bits.next = unsigned_cast(self.high_wide.val());
        self.rounded.next = (self.high_bits.val() << 4) + bit_cast::<18, 12>(self.low.q.val()) + 4;
        self.quotient.next = self.rounded.val().get_bits::<8>(3);
        self.above.next = self.rounded.val().get_bits::<8>(10);
        self.result.d.next = self.quotient.val();
        if self.above.val().get_bit(7) {
            // Negative: below -127?
            if (self.above.val() != 255) | (self.quotient.val() == 128) {
                self.result.d.next = 129.into();
            }
        } else if self.above.val() != 0 {
            self.result.d.next = 127.into();
        }
        if self.plain_now.q.val() {
            self.result.d.next = self.plain.q.val();
        }
        self.weight.next = self.result.q.val();
    }
}
