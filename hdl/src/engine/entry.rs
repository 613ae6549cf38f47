//! What waits in the queue of an engine: a checked command.

use rust_hdl_core::prelude::*;

/// A LOAD that passed its checks.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct LoadEntry {
    /// Index of the command in its program.
    pub index: Bits<16>,
    /// Tokens to take.
    pub takes: Bits<16>,
    /// Tokens to give.
    pub gives: Bits<16>,
    /// Address in memory, in lines.
    pub src_line: Bits<53>,
    /// Buffer.
    pub buffer: Bits<2>,
    /// First line of the buffer.
    pub dst_line: Bits<24>,
    /// Lines of a piece.
    pub row_lines: Bits<16>,
    /// Pieces.
    pub rows: Bits<16>,
    /// Lines from one piece to the next.
    pub stride: Bits<29>,
}

/// A GEMM that passed its checks.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct GemmEntry {
    /// Tokens to take.
    pub takes: Bits<16>,
    /// Tokens to give.
    pub gives: Bits<16>,
    /// First activation row.
    pub act_row: Bits<24>,
    /// Activation rows from one tile to the next.
    pub act_stride: Bits<16>,
    /// First weight row.
    pub wgt_row: Bits<24>,
    /// Weight rows.
    pub wgt_rows: Bits<24>,
    /// Bits of a weight.
    pub bits: Bits<4>,
    /// 2:4 weights.
    pub two_four: Bit,
    /// Some tiles are left out.
    pub blocks: Bit,
    /// Code of the tiles that share scales.
    pub group: Bits<4>,
    /// First accumulator row.
    pub acc_row: Bits<16>,
    /// Rows.
    pub m: Bits<16>,
    /// Tiles.
    pub k_tiles: Bits<16>,
    /// Add to what is there.
    pub accumulate: Bit,
    /// Index of the command in its program.
    pub index: Bits<16>,
}

/// A STORE that passed its checks.
#[derive(Copy, Clone, PartialEq, Debug, Default, LogicStruct)]
pub struct StoreEntry {
    /// Index of the command in its program.
    pub index: Bits<16>,
    /// Tokens to take.
    pub takes: Bits<16>,
    /// Tokens to give.
    pub gives: Bits<16>,
    /// Address in memory, in lines.
    pub dst_line: Bits<53>,
    /// First accumulator row.
    pub acc_row: Bits<16>,
    /// Rows.
    pub m: Bits<16>,
    /// Code of the output format.
    pub format: Bits<2>,
    /// Row of the column parameters.
    pub column_row: Bits<16>,
    /// First row scale.
    pub row_index: Bits<16>,
    /// Sums count as zero.
    pub zero: Bit,
    /// Signal when the accumulators have been read, not when memory has answered.
    pub release: Bit,
}
