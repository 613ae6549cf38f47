//! What is kept of memory writes on their way out.

use rust_hdl_core::prelude::*;

/// A burst of lines to write.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Burst {
    /// Address of its first line.
    pub addr: Bits<64>,
    /// Its identifier.
    pub id: Bits<4>,
}

/// A memory write whose payload is gathered.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Packet {
    /// Address of its first doubleword, in doublewords.
    pub addr: Bits<62>,
    /// Doublewords, 1 to 128, or 0 for a burst that ends without one.
    pub words: Bits<8>,
    /// Bytes of the first doubleword that count.
    pub first_enable: Bits<4>,
    /// Bytes of the last doubleword that count; 0 when there is only one.
    pub last_enable: Bits<4>,
    /// Where its first doubleword lies in the payload memory.
    pub start: Bits<12>,
    /// Line of the payload memory up to which nothing is needed when it is sent.
    pub until: Bits<8>,
    /// It is the last of its burst.
    pub end: Bit,
    /// Identifier of its burst.
    pub id: Bits<4>,
}

/// The answer to a burst.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Receipt {
    /// Identifier of the burst.
    pub id: Bits<4>,
    /// A part of it was not written.
    pub failed: Bit,
}
