//! Bursts that are under way on the card's memory port.

use rust_hdl_core::prelude::*;

/// A burst whose answer is owed.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Owed {
    /// By the card's own memory; otherwise by the host.
    pub own: Bit,
    /// To this identifier.
    pub id: Bits<4>,
}

/// A burst to the card's own memory.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct LocalBurst {
    /// Byte address.
    pub addr: Bits<64>,
    /// Lines less one.
    pub len: Bits<8>,
    /// Of the window; otherwise of the engines.
    pub window: Bit,
}
