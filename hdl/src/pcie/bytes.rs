//! Bytes of a word.

use rust_hdl_core::prelude::*;

/// Turns the order of the bytes of a word: a stream has the byte of the lowest address in bits
/// 31:24, memory in bits 7:0.
#[derive(LogicBlock, Default)]
pub struct Swap {
    /// The word.
    pub word: Signal<In, Bits<32>>,
    /// The word turned round.
    pub swapped: Signal<Out, Bits<32>>,
}

impl Logic for Swap {
    #[hdl_gen]
    fn update(&mut self) {
        self.swapped.next = (bit_cast::<32, 8>(self.word.val().get_bits::<8>(0)) << 24)
            | (bit_cast::<32, 8>(self.word.val().get_bits::<8>(8)) << 16)
            | (bit_cast::<32, 8>(self.word.val().get_bits::<8>(16)) << 8)
            | bit_cast::<32, 8>(self.word.val().get_bits::<8>(24));
    }
}
