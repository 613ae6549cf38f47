//! What is kept of a read request while it is under way.

use rust_hdl_core::prelude::*;

/// Words that a request asks for; what its completions must agree with.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Span {
    /// First doubleword within the slot.
    pub position: Bits<7>,
    /// Doublewords, 1 to 128.
    pub left: Bits<8>,
    /// Bytes of the first doubleword that are not asked for.
    pub lead: Bits<2>,
    /// Bytes of the last doubleword that are not asked for.
    pub rest: Bits<2>,
}

/// How far the completions of a request have come.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Progress {
    /// Next doubleword within the slot.
    pub position: Bits<7>,
    /// Doublewords still to come.
    pub left: Bits<8>,
}

/// Lines that a request gives.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Window {
    /// First line within the slot.
    pub first: Bits<5>,
    /// Last line within the slot.
    pub last: Bits<5>,
    /// Bytes at the beginning of the first line that are not asked for.
    pub skip: Bits<5>,
    /// Bytes at the end of the last line that are not asked for.
    pub spare: Bits<5>,
    /// Identifier of the run that it is a part of.
    pub id: Bits<4>,
    /// It is the last part of its run.
    pub end: Bit,
}
