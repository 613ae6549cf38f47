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

/// Zeroes bytes of a word: bit `i` of `keep` keeps the byte in bits `8 * i + 7` to `8 * i`.
#[derive(LogicBlock, Default)]
pub struct KeepBytes {
    /// The word.
    pub word: Signal<In, Bits<32>>,
    /// Bytes that stay.
    pub keep: Signal<In, Bits<4>>,
    /// The word without the others.
    pub kept: Signal<Out, Bits<32>>,
    lane_0: Signal<Local, Bits<32>>,
    lane_1: Signal<Local, Bits<32>>,
    lane_2: Signal<Local, Bits<32>>,
    lane_3: Signal<Local, Bits<32>>,
}

impl Logic for KeepBytes {
    #[hdl_gen]
    fn update(&mut self) {
        self.lane_0.next = 0.into();
        self.lane_1.next = 0.into();
        self.lane_2.next = 0.into();
        self.lane_3.next = 0.into();
        if self.keep.val().get_bit(0) {
            self.lane_0.next = bit_cast::<32, 8>(self.word.val().get_bits::<8>(0));
        }
        if self.keep.val().get_bit(1) {
            self.lane_1.next = bit_cast::<32, 8>(self.word.val().get_bits::<8>(8)) << 8;
        }
        if self.keep.val().get_bit(2) {
            self.lane_2.next = bit_cast::<32, 8>(self.word.val().get_bits::<8>(16)) << 16;
        }
        if self.keep.val().get_bit(3) {
            self.lane_3.next = bit_cast::<32, 8>(self.word.val().get_bits::<8>(24)) << 24;
        }
        self.kept.next =
            self.lane_0.val() | self.lane_1.val() | self.lane_2.val() | self.lane_3.val();
    }
}
