//! Weights in fewer bits, owned.

use isa::weights::{Blocks, Encoded, FormatError};

/// Zero blocks of an [`Encoding`]; see [`Blocks`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockMap {
    /// Rows of a block.
    pub k: usize,
    /// Columns of a block.
    pub n: usize,
    /// One bit a block.
    pub bitmap: Vec<u8>,
}

/// An encoded matrix that owns its parts; their meaning is that of [`Encoded`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// Inner dimension.
    pub k: usize,
    /// Columns.
    pub n: usize,
    /// Bits of a code.
    pub bits: u8,
    /// Codes, row-major.
    pub codes: Vec<i8>,
    /// Indices of a 2:4 matrix.
    pub indices: Option<Vec<u8>>,
    /// Values of K that share a scale; 0: no scales.
    pub group: usize,
    /// Scales.
    pub scales: Vec<u8>,
    /// Blocks of zeros.
    pub blocks: Option<BlockMap>,
}

impl Encoding {
    /// The contract's view of it.
    pub fn view(&self) -> Encoded<'_> {
        Encoded {
            k: self.k,
            n: self.n,
            bits: self.bits,
            codes: &self.codes,
            indices: self.indices.as_deref(),
            group: self.group,
            scales: &self.scales,
            blocks: self.blocks.as_ref().map(|blocks| Blocks {
                k: blocks.k,
                n: blocks.n,
                bitmap: &blocks.bitmap,
            }),
        }
    }

    /// The dense int8 matrix that it means, row-major.
    ///
    /// # Errors
    /// When its parts contradict each other.
    pub fn dense(&self) -> Result<Vec<i8>, FormatError> {
        let view = self.view();
        view.check()?;
        let mut values = vec![0; self.k * self.n];
        view.dense(&mut values);
        Ok(values)
    }
}
