//! Weights in fewer bits, owned.

use isa::weights::{Blocks, Encoded, FormatError};

/// Zero blocks of an [`Encoding`]; see [`Blocks`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockMap {
    /// Rows of a block, values of K, at least 1; in a 2:4 matrix a multiple of four where it comes
    /// from a scheme or a file.
    pub k: usize,
    /// Columns of a block, at least 1.
    pub n: usize,
    /// One bit a block, the lowest of a byte first, row by row of blocks; 0: all of the block is zero,
    /// whatever its codes say. Bits beyond the last block are 0.
    pub bitmap: Vec<u8>,
}

/// An encoded matrix that owns its parts; their meaning is that of [`Encoded`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// Inner dimension: rows of the matrix, at least 1.
    pub k: usize,
    /// Columns, at least 1: output channels of a linear layer.
    pub n: usize,
    /// Bits of a code, 2 to 8.
    pub bits: u8,
    /// Codes, row-major, `n` a row: a row for each of K, or in a 2:4 matrix two for each four of K
    /// begun. Each lies in `-2^(bits-1)..2^(bits-1)`, in steps of its column, or of an eighth of its
    /// scale where there are scales; one for a value beyond the end of K is 0.
    pub codes: Vec<i8>,
    /// Of a 2:4 matrix, for each code which value of its four it is: 0 to 3, ascending in each four.
    /// `None` for a dense matrix.
    pub indices: Option<Vec<u8>>,
    /// Values of K that share a scale: 32, 64 or 128; 0: no scales.
    pub group: usize,
    /// Scales in eighths, 0 to 255, row-major: `k.div_ceil(group)` rows of `n`. A weight is its code
    /// times its scale, rounded and held within int8. Empty without groups.
    pub scales: Vec<u8>,
    /// Blocks of zeros; `None`: every code counts.
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
