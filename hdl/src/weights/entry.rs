//! What a feed must know of a GEMM, and what it tells of a stream.

use rust_hdl_core::prelude::*;

/// The weights of a command.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct WeightsEntry {
    /// First row of the weight buffer.
    pub row: Bits<24>,
    /// Rows of the weight buffer.
    pub rows: Bits<24>,
    /// Tiles of K that are stored.
    pub tiles: Bits<16>,
    /// Bits of a code.
    pub bits: Bits<4>,
    /// Two of four are stored.
    pub two_four: Bit,
    /// Tiles have headers.
    pub blocks: Bit,
    /// 0: no scales; otherwise one more than the logarithm of the tiles that share them.
    pub group: Bits<4>,
    /// First activation row.
    pub act_row: Bits<24>,
    /// Activation rows from one tile to the next.
    pub act_stride: Bits<16>,
}

/// What becomes of the units that are taken.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct Action {
    /// Units are taken.
    pub take: Bit,
    /// The first of them.
    pub position: Bits<3>,
    /// They are scales.
    pub scales: Bit,
    /// They are indices of steps to come.
    pub indices: Bit,
    /// They are the codes of a step.
    pub step: Bit,
    /// Bits of a code.
    pub bits: Bits<4>,
    /// Codes have scales.
    pub scaled: Bit,
    /// Codes have indices.
    pub two_four: Bit,
}
