//! Check sequence.

use isa::serial::CRC_POLYNOMIAL;
use rust_hdl_core::prelude::*;

/// The register of the check sequence when nothing has been checked.
pub(super) const CRC_START: u64 = 0xffff_ffff;
/// The register behind any bytes and their own, complemented check sequence.
pub(super) const CRC_RESIDUE: u64 = 0xdebb_20e3;

/// Carries the register of the CRC-32 on by a byte, within the cycle.
///
/// ```text
/// so_far, data -> Crc -> after
/// ```
#[derive(LogicBlock)]
pub struct Crc {
    /// Register so far.
    pub so_far: Signal<In, Bits<32>>,
    /// Next byte.
    pub data: Signal<In, Bits<8>>,
    /// Register with it.
    pub after: Signal<Out, Bits<32>>,
    index: Signal<Local, Bits<8>>,
    sum: Vec<Signal<Local, Bits<32>>>,
    /// What each bit of a byte adds.
    share: Vec<Constant<Bits<32>>>,
}

impl Default for Crc {
    fn default() -> Self {
        let share = |bit: u32| {
            (0..8).fold(1u32 << bit, |crc, _| match crc & 1 {
                0 => crc >> 1,
                _ => (crc >> 1) ^ CRC_POLYNOMIAL,
            })
        };
        Self {
            so_far: Default::default(),
            data: Default::default(),
            after: Default::default(),
            index: Default::default(),
            sum: (0..9).map(|_| Default::default()).collect(),
            share: (0..8)
                .map(|bit| Constant::new(u64::from(share(bit)).into()))
                .collect(),
        }
    }
}

impl Logic for Crc {
    #[hdl_gen]
    fn update(&mut self) {
        self.index.next = self.so_far.val().get_bits::<8>(0) ^ self.data.val();
        self.sum[0].next = self.so_far.val() >> 8;
        for i in 0..8 {
            self.sum[i + 1].next = self.sum[i].val();
            if self.index.val().get_bit(i) {
                self.sum[i + 1].next = self.sum[i].val() ^ self.share[i].val();
            }
        }
        self.after.next = self.sum[8].val();
    }
}
