//! What is asked of the card.

use rust_hdl_core::prelude::*;

/// A request that goes to no window of the card, or that the card does not support.
pub const WINDOW_NONE: u64 = 0;
/// A request to the registers and the MSI-X structures.
pub const WINDOW_REGISTERS: u64 = 1;
/// A request to the card's memory.
pub const WINDOW_MEMORY: u64 = 2;

/// A memory write.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Posted {
    /// [`WINDOW_REGISTERS`] or [`WINDOW_MEMORY`].
    pub window: Bits<2>,
    /// Low 32 bits of the address, in doublewords.
    pub address: Bits<30>,
    /// Doublewords, 1 to 1024.
    pub length: Bits<11>,
    /// Bytes of the first doubleword that count.
    pub first_be: Bits<4>,
    /// Bytes of the last doubleword that count; 0 when there is only one.
    pub last_be: Bits<4>,
}

/// A request that wants a completion.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct NonPosted {
    /// Where to read, [`WINDOW_NONE`] for what is to be refused.
    pub window: Bits<2>,
    /// The completion is that of a locked read.
    pub locked: Bit,
    /// Low 32 bits of the address, in doublewords; 0 unless it is a read of memory.
    pub address: Bits<30>,
    /// Doublewords of the answer, 1 to 1024.
    pub length: Bits<11>,
    /// Bytes of the first doubleword that count.
    pub first_be: Bits<4>,
    /// Bytes of the last doubleword that count; 0 when there is only one.
    pub last_be: Bits<4>,
    /// Who asks.
    pub requester: Bits<16>,
    /// Tag of the request.
    pub tag: Bits<8>,
    /// Traffic class.
    pub traffic: Bits<3>,
    /// Attributes: no snoop in bit 0, relaxed ordering in bit 1.
    pub attributes: Bits<2>,
}
