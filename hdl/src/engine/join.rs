//! Narrow values side by side in one word.

use rust_hdl_core::prelude::*;

/// Two int16 values in one word, the first in the lower half.
#[derive(LogicBlock, Default)]
pub struct JoinHalves {
    /// First value.
    pub first: Signal<In, Bits<32>>,
    /// Second value.
    pub second: Signal<In, Bits<32>>,
    /// The word.
    pub word: Signal<Out, Bits<32>>,
}

impl Logic for JoinHalves {
    #[hdl_gen]
    fn update(&mut self) {
        self.word.next = (bit_cast::<32, 16>(self.second.val().get_bits::<16>(0)) << 16)
            | bit_cast::<32, 16>(self.first.val().get_bits::<16>(0));
    }
}

/// Four int8 values in one word, the first in the lowest byte.
#[derive(LogicBlock, Default)]
pub struct JoinQuarters {
    /// First value.
    pub first: Signal<In, Bits<32>>,
    /// Second value.
    pub second: Signal<In, Bits<32>>,
    /// Third value.
    pub third: Signal<In, Bits<32>>,
    /// Fourth value.
    pub fourth: Signal<In, Bits<32>>,
    /// The word.
    pub word: Signal<Out, Bits<32>>,
}

impl Logic for JoinQuarters {
    #[hdl_gen]
    fn update(&mut self) {
        self.word.next = (bit_cast::<32, 8>(self.fourth.val().get_bits::<8>(0)) << 24)
            | (bit_cast::<32, 8>(self.third.val().get_bits::<8>(0)) << 16)
            | (bit_cast::<32, 8>(self.second.val().get_bits::<8>(0)) << 8)
            | bit_cast::<32, 8>(self.first.val().get_bits::<8>(0));
    }
}
