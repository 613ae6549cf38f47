//! Encoded matrices and their meaning.

use core::fmt;

use super::widen::{GROUPS, code_range, widen};

/// Blocks of zeros: the matrix is cut into blocks of `k x n` values, from its first row and
/// column on, and a bit tells of each whether it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks<'a> {
    /// Rows of a block, values of K.
    pub k: usize,
    /// Columns of a block.
    pub n: usize,
    /// One bit a block, the lowest of a byte first: block `(i, j)` at `i * blocks of N + j`. A zero
    /// means that the block is zero, whatever the codes say.
    pub bitmap: &'a [u8],
}

/// A `k x n` matrix of weights in fewer bits than int8.
///
/// Dense matrices have a code for each value. A 2:4 matrix has two for each four values of a column
/// along K (the last four may be fewer): kept row `2 * g + r` holds the codes of kept value `r` of
/// the rows `4 * g` to `4 * g + 3`, and `indices` beside it says which of the four it is. The
/// others are zero. (Mishra et al., "Accelerating Sparse Deep Neural Networks", arXiv:2104.08378.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded<'a> {
    /// Inner dimension, at least 1.
    pub k: usize,
    /// Columns, at least 1.
    pub n: usize,
    /// Bits of a code, 2 to 8.
    pub bits: u8,
    /// Codes, [`Encoded::kept_rows`] rows of `n`.
    pub codes: &'a [i8],
    /// 2:4: for each code which of its four values it is, 0 to 3, ascending in each four. `None`
    /// for dense.
    pub indices: Option<&'a [u8]>,
    /// Values of K that share a scale: 32, 64 or 128; 0: no scales.
    pub group: usize,
    /// Scales in eighths, `k.div_ceil(group)` rows of `n`; empty without groups.
    pub scales: &'a [u8],
    /// Blocks of zeros.
    pub blocks: Option<Blocks<'a>>,
}

/// An encoded matrix that contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// A matrix without rows or columns.
    Empty,
    /// A number of bits that no code has.
    Bits(u8),
    /// A group that no card knows.
    Group(usize),
    /// A part has not as many entries as the shape asks for.
    Length {
        /// The part.
        part: &'static str,
        /// Entries that it has.
        got: usize,
        /// Entries that it must have.
        expected: usize,
    },
    /// A code outside of the range of its width.
    Code {
        /// Row of the codes.
        row: usize,
        /// Column.
        column: usize,
        /// The code.
        code: i8,
        /// Bits that it should fit into.
        bits: u8,
    },
    /// Two indices of a four that are not ascending or not below four.
    Indices {
        /// First of the four rows of K.
        row: usize,
        /// Column.
        column: usize,
        /// The indices.
        indices: [u8; 2],
    },
    /// A code other than zero for a row beyond the end of the matrix.
    Beyond {
        /// The row that is not there.
        row: usize,
        /// Column.
        column: usize,
    },
    /// Blocks of no rows, no columns, or of so many that their number overflows.
    BlockShape {
        /// Rows.
        k: usize,
        /// Columns.
        n: usize,
    },
    /// A bit of the bitmap beyond the last block is set.
    BitmapTail,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a matrix needs at least one row and one column"),
            Self::Bits(bits) => write!(f, "weights of {bits} bits: a code has 2 to 8"),
            Self::Group(group) => write!(
                f,
                "groups of {group} values of K: scales are shared by 32, 64 or 128"
            ),
            Self::Length {
                part,
                got,
                expected,
            } => write!(f, "the {part} hold {got} entries instead of {expected}"),
            Self::Code {
                row,
                column,
                code,
                bits,
            } => write!(
                f,
                "the code {code} in row {row}, column {column} does not fit into {bits} bits"
            ),
            Self::Indices {
                row,
                column,
                indices: [first, second],
            } => write!(
                f,
                "the indices {first} and {second} of rows {row} to {}, column {column} are not \
                 ascending numbers below 4",
                row + 3
            ),
            Self::Beyond { row, column } => write!(
                f,
                "column {column} keeps a weight for row {row}, which the matrix does not have"
            ),
            Self::BlockShape { k, n } => write!(f, "blocks of {k}x{n} values"),
            Self::BitmapTail => write!(f, "the bitmap of blocks has bits beyond its last block"),
        }
    }
}

impl core::error::Error for FormatError {}

impl Encoded<'_> {
    /// Rows of codes: those of the matrix, in a 2:4 matrix two for each four begun.
    pub const fn kept_rows(&self) -> usize {
        match self.indices {
            Some(_) => self.k.div_ceil(4) * 2,
            None => self.k,
        }
    }

    /// Row of the matrix that a code stands for; may lie beyond the end in the last four of a 2:4
    /// matrix.
    pub(super) fn row_of(&self, kept: usize, column: usize) -> usize {
        match self.indices {
            Some(indices) => kept / 2 * 4 + usize::from(indices[kept * self.n + column]),
            None => kept,
        }
    }

    /// The weight at `(row, column)`, which is the meaning of the matrix. The matrix must have
    /// passed [`Self::check`].
    ///
    /// # Panics
    /// If there is no such row or column.
    pub fn weight(&self, row: usize, column: usize) -> i8 {
        assert!(row < self.k && column < self.n, "no such weight");
        if let Some(blocks) = &self.blocks
            && !blocks.holds(row / blocks.k, column / blocks.n, self.n)
        {
            return 0;
        }
        let kept = match self.indices {
            None => Some(row),
            Some(_) => {
                let first = row / 4 * 2;
                [first, first + 1]
                    .into_iter()
                    .find(|kept| self.row_of(*kept, column) == row)
            }
        };
        let Some(kept) = kept else { return 0 };
        let scale = match self.group {
            0 => None,
            group => Some(self.scales[row / group * self.n + column]),
        };
        widen(self.codes[kept * self.n + column], scale)
    }

    /// Writes the dense int8 matrix that this one means, row-major.
    ///
    /// # Panics
    /// If `out` does not hold `k * n` values.
    pub fn dense(&self, out: &mut [i8]) {
        assert_eq!(out.len(), self.k * self.n, "out must hold k*n values");
        for (row, values) in out.chunks_exact_mut(self.n).enumerate() {
            for (column, value) in values.iter_mut().enumerate() {
                *value = self.weight(row, column);
            }
        }
    }

    /// Checks that all parts fit each other.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn check(&self) -> Result<(), FormatError> {
        if self.k == 0 || self.n == 0 {
            return Err(FormatError::Empty);
        }
        if !(2..=8).contains(&self.bits) {
            return Err(FormatError::Bits(self.bits));
        }
        if self.group != 0 && !GROUPS.contains(&self.group) {
            return Err(FormatError::Group(self.group));
        }
        let length = |part, got, expected| {
            if got == expected {
                Ok(())
            } else {
                Err(FormatError::Length {
                    part,
                    got,
                    expected,
                })
            }
        };
        let codes = self.kept_rows() * self.n;
        length("codes", self.codes.len(), codes)?;
        if let Some(indices) = self.indices {
            length("indices", indices.len(), codes)?;
        }
        let scales = match self.group {
            0 => 0,
            group => self.k.div_ceil(group) * self.n,
        };
        length("group scales", self.scales.len(), scales)?;
        self.check_blocks(length)?;
        self.check_codes()
    }

    fn check_blocks(
        &self,
        length: impl Fn(&'static str, usize, usize) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        let Some(blocks) = &self.blocks else {
            return Ok(());
        };
        if blocks.k == 0 || blocks.n == 0 {
            return Err(FormatError::BlockShape {
                k: blocks.k,
                n: blocks.n,
            });
        }
        let count = self.k.div_ceil(blocks.k) * self.n.div_ceil(blocks.n);
        length(
            "bytes of the bitmap of blocks",
            blocks.bitmap.len(),
            count.div_ceil(8),
        )?;
        let beyond = blocks.bitmap.last().map_or(0, |last| match count % 8 {
            0 => 0,
            used => last >> used,
        });
        if beyond == 0 {
            Ok(())
        } else {
            Err(FormatError::BitmapTail)
        }
    }

    fn check_codes(&self) -> Result<(), FormatError> {
        let (low, high) = code_range(self.bits);
        for (row, codes) in self.codes.chunks_exact(self.n).enumerate() {
            for (column, &code) in codes.iter().enumerate() {
                if code < low || code > high {
                    return Err(FormatError::Code {
                        row,
                        column,
                        code,
                        bits: self.bits,
                    });
                }
            }
        }
        let Some(indices) = self.indices else {
            return Ok(());
        };
        for four in 0..self.k.div_ceil(4) {
            for column in 0..self.n {
                let at = |r: usize| (2 * four + r) * self.n + column;
                let pair = [indices[at(0)], indices[at(1)]];
                if pair[0] >= pair[1] || pair[1] > 3 {
                    return Err(FormatError::Indices {
                        row: 4 * four,
                        column,
                        indices: pair,
                    });
                }
                for (r, index) in pair.into_iter().enumerate() {
                    let row = 4 * four + usize::from(index);
                    if row >= self.k && self.codes[at(r)] != 0 {
                        return Err(FormatError::Beyond { row, column });
                    }
                }
            }
        }
        Ok(())
    }
}

impl Blocks<'_> {
    /// Whether block `(i, j)` of a matrix of `n` columns is there.
    pub fn holds(&self, i: usize, j: usize, n: usize) -> bool {
        let bit = i * n.div_ceil(self.n) + j;
        self.bitmap[bit / 8] >> (bit % 8) & 1 == 1
    }
}
