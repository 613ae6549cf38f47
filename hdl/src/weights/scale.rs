//! A code times the scale of its group.

use isa::weights::SCALE_ONE;
use rust_hdl_core::prelude::*;
use rust_hdl_widgets::dff::DFF;
use rust_hdl_widgets::dff_setup;

/// `code * scale / 8`, halves rounded up, saturated to -127 to 127 ([`isa::weights::widen`]); without
/// scales the code.
///
/// ```text
/// take, scaled, code, scale ->|           |
/// finish (1 later)          ->| ScaleLane |-> weight    (2 later)
/// ```
///
/// Partial products are added in pairs, without a multiplier: those of the FPGA are for the array.
/// A code without a scale has that of one, so that it needs no way of its own.
#[derive(LogicBlock)]
pub struct ScaleLane {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// A code comes.
    pub take: Signal<In, Bit>,
    /// The code of the cycle before comes to its end.
    pub finish: Signal<In, Bit>,
    /// The code has a scale.
    pub scaled: Signal<In, Bit>,
    /// Code.
    pub code: Signal<In, Bits<8>>,
    /// Scale in eighths.
    pub scale: Signal<In, Bits<8>>,
    /// Weight.
    pub weight: Signal<Out, Bits<8>>,
    one: Constant<Bits<8>>,
    factor: Signal<Local, Bits<8>>,
    part: Vec<Signal<Local, Bits<10>>>,
    upper: Vec<Signal<Local, Bits<10>>>,
    pair: Vec<Signal<Local, Bits<10>>>,
    highest: Signal<Local, Signed<10>>,
    highest_wide: Signal<Local, Signed<12>>,
    low_upper: Signal<Local, Bits<12>>,
    high_upper: Signal<Local, Bits<12>>,
    low: DFF<Bits<12>>,
    high: DFF<Bits<12>>,
    plain: DFF<Bit>,
    high_now: Signal<Local, Signed<12>>,
    high_wide: Signal<Local, Signed<13>>,
    above_low: Signal<Local, Bits<13>>,
    rounded: Signal<Local, Bits<13>>,
    quotient: Signal<Local, Bits<8>>,
    above: Signal<Local, Bits<5>>,
    result: DFF<Bits<8>>,
}

impl ScaleLane {
    /// A lane.
    pub fn new() -> Self {
        Self {
            clock: Default::default(),
            take: Default::default(),
            finish: Default::default(),
            scaled: Default::default(),
            code: Default::default(),
            scale: Default::default(),
            weight: Default::default(),
            one: Constant::new(u64::from(SCALE_ONE).into()),
            factor: Default::default(),
            part: (0..8).map(|_| Signal::default()).collect(),
            upper: (0..4).map(|_| Signal::default()).collect(),
            pair: (0..4).map(|_| Signal::default()).collect(),
            highest: Default::default(),
            highest_wide: Default::default(),
            low_upper: Default::default(),
            high_upper: Default::default(),
            low: Default::default(),
            high: Default::default(),
            plain: Default::default(),
            high_now: Default::default(),
            high_wide: Default::default(),
            above_low: Default::default(),
            rounded: Default::default(),
            quotient: Default::default(),
            above: Default::default(),
            result: Default::default(),
        }
    }
}

impl Default for ScaleLane {
    fn default() -> Self {
        Self::new()
    }
}

impl Logic for ScaleLane {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, low, high, plain, result);
        // Without a step nothing moves, which saves power, and time in simulation.
        self.factor.next = 0.into();
        for i in 0..8 {
            self.part[i].next = 0.into();
        }
        for i in 0..4 {
            self.upper[i].next = 0.into();
            self.pair[i].next = 0.into();
        }
        self.low_upper.next = 0.into();
        self.high_upper.next = 0.into();
        self.highest.next = 0.into();
        self.highest_wide.next = 0.into();
        self.high_now.next = 0.into();
        self.high_wide.next = 0.into();
        self.above_low.next = 0.into();
        self.rounded.next = 0.into();
        self.quotient.next = 0.into();
        self.above.next = 0.into();
        if self.take.val() {
            self.factor.next = self.one.val();
            if self.scaled.val() {
                self.factor.next = self.scale.val();
            }
            for i in 0..8 {
                self.part[i].next = 0.into();
                if self.code.val().get_bit(i) {
                    self.part[i].next = bit_cast::<10, 8>(self.factor.val());
                }
            }
            // A pair is its first part and twice its second. Adders begin above the bits that only one
            // side has, and so no synthesiser makes one sum of all parts, which costs more.
            for i in 0..3 {
                self.upper[i].next = (self.part[i * 2].val() >> 1) + self.part[i * 2 + 1].val();
            }
            // The highest bit of a code counts negative.
            self.upper[3].next = (self.part[6].val() >> 1) - self.part[7].val();
            for i in 0..4 {
                self.pair[i].next = (self.upper[i].val() << 1) | (self.part[i * 2].val() & 1);
            }
            self.low_upper.next = (bit_cast::<12, 10>(self.pair[0].val()) >> 2)
                + bit_cast::<12, 10>(self.pair[1].val());
            self.low.d.next =
                (self.low_upper.val() << 2) | (bit_cast::<12, 10>(self.pair[0].val()) & 3);
            self.highest.next = signed_cast(self.pair[3].val());
            self.highest_wide.next = signed_bit_cast::<12, 10>(self.highest.val());
            self.high_upper.next = (bit_cast::<12, 10>(self.pair[2].val()) >> 2)
                + unsigned_cast(self.highest_wide.val());
            self.high.d.next =
                (self.high_upper.val() << 2) | (bit_cast::<12, 10>(self.pair[2].val()) & 3);
            self.plain.d.next = !self.scaled.val();
        }
        if self.finish.val() {
            // An eighth of both: what is below the eighths of `low` rounds, where `high` has no bit.
            self.high_now.next = signed_cast(self.high.q.val());
            self.high_wide.next = signed_bit_cast::<13, 12>(self.high_now.val());
            self.above_low.next = unsigned_cast(self.high_wide.val());
            self.rounded.next = ((self.above_low.val() << 1)
                | bit_cast::<13, 1>(self.low.q.val().get_bits::<1>(2)))
                + bit_cast::<13, 9>(self.low.q.val().get_bits::<9>(3));
            self.quotient.next = self.rounded.val().get_bits::<8>(0);
            self.above.next = self.rounded.val().get_bits::<5>(7);
            self.result.d.next = self.quotient.val();
            if self.rounded.val().get_bit(12) {
                // Negative: below -127? Only a code without a scale may be -128.
                if (self.above.val() != 31) | ((self.quotient.val() == 128) & (!self.plain.q.val()))
                {
                    self.result.d.next = 129.into();
                }
            } else if self.above.val() != 0 {
                self.result.d.next = 127.into();
            }
        }
        self.weight.next = self.result.q.val();
    }
}
