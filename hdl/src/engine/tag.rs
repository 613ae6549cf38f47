//! What travels beside the data.

use rust_hdl_core::prelude::*;

/// What travels beside a row of activations to the accumulators.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct StreamTag {
    /// There is a row.
    pub valid: Bit,
    /// Add to the old sums.
    pub add: Bit,
    /// Last row of a command.
    pub last: Bit,
    /// Accumulator row.
    pub row: Bits<16>,
}
