//! How the weights of one tile column lie in the weight buffer.
//!
//! A stream is a row of **units** of `2 * cols` bits, one bit for each weight that enters the array
//! in a cycle: two rows of `cols`. What belongs together (a step of weights, a row of scales) takes
//! whole units, so one multiplexer that moves by units takes every format apart.

use crate::config::Datapaths;

/// What follows each other in a stream.
///
/// For each stored tile of K:
/// 1. with blocks: a [header](header) ([`StreamFormat::header_units`]);
/// 2. with groups, where a group begins: a row of `cols` scales, a byte each (4 units);
/// 3. `rows / 2` steps; before each four of them (before all, in an array of four rows), in a 2:4
///    stream, their indices.
///
/// A step of 8-bit weights is `2 * cols` bytes: row `2 * s`, then row `2 * s + 1`. A step of
/// narrower weights is one unit for each bit, the lowest first: bit `r * cols + j` of unit `b` is
/// bit `b` of the code of row `2 * s + r`, column `j`. Indices are two units a step, likewise.
///
/// Everything is little-endian: the first bit is bit 0 of the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamFormat {
    /// Bits of a code, 2 to 8.
    pub bits: u8,
    /// Two of four values along K are there.
    pub two_four: bool,
    /// Some tiles are left out.
    pub blocks: bool,
    /// Tiles of K that share scales, a power of two; 0: no scales.
    pub group_tiles: u32,
}

/// Steps whose indices stand together.
pub const INDEX_STEPS: u32 = 4;
/// Units of a row of scales.
pub const SCALE_UNITS: u32 = 4;
/// Flag of a [header](header): scales follow.
pub const HEADER_SCALES: u16 = 1 << 15;

impl StreamFormat {
    /// Plain int8 weights.
    pub const PLAIN: Self = Self {
        bits: 8,
        two_four: false,
        blocks: false,
        group_tiles: 0,
    };

    /// Whether this is plain int8, which every card takes.
    pub fn is_plain(&self) -> bool {
        *self == Self::PLAIN
    }

    /// Whether a card with these datapaths takes the stream.
    pub const fn runs_on(&self, has: &Datapaths) -> bool {
        !self.lacks(has).unpacks()
    }

    /// What the stream needs of a card and one with these datapaths does not have.
    pub const fn lacks(&self, has: &Datapaths) -> Datapaths {
        Datapaths {
            narrow: self.bits < 8 && !has.narrow,
            groups: self.group_tiles != 0 && !has.groups,
            two_four: self.two_four && !has.two_four,
            blocks: self.blocks && !has.blocks,
            packed_products: false,
        }
    }

    /// Values of K that a tile of an array of `rows` rows covers.
    pub const fn span(&self, rows: u32) -> u32 {
        if self.two_four { 2 * rows } else { rows }
    }

    /// Units of a header in an array of `cols` columns: 16 bits, in whole units.
    pub const fn header_units(cols: u32) -> u32 {
        16u32.div_ceil(2 * cols)
    }

    /// Units of a tile without its scales.
    pub const fn tile_units(&self, rows: u32, cols: u32) -> u32 {
        let index_bits = if self.two_four { 2 } else { 0 };
        let header = if self.blocks {
            Self::header_units(cols)
        } else {
            0
        };
        rows / 2 * (self.bits as u32 + index_bits) + header
    }

    /// Bytes of a unit.
    pub const fn unit_bytes(cols: u32) -> u32 {
        cols / 4
    }
}

/// Header of a stored tile: which tile of K it is, below 2^15, and whether scales follow.
pub const fn header(tile: u16, scales: bool) -> u16 {
    tile & !HEADER_SCALES | if scales { HEADER_SCALES } else { 0 }
}

/// One step of weights, unpacked: `2 * cols` codes (row-major) and, in a 2:4 stream, as many
/// indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// Codes of both rows.
    pub codes: &'a [i8],
    /// Indices of both rows; not looked at in a dense stream.
    pub indices: &'a [u8],
}

#[cfg(feature = "alloc")]
pub use writer::StreamWriter;

#[cfg(feature = "alloc")]
mod writer {
    use alloc::vec::Vec;

    use super::{INDEX_STEPS, Step, StreamFormat};

    /// Writes the parts of a stream, in the order of [`StreamFormat`].
    #[derive(Clone, Debug)]
    pub struct StreamWriter {
        format: StreamFormat,
        cols: u32,
        bytes: Vec<u8>,
    }

    impl StreamWriter {
        /// An empty stream for an array of `cols` columns.
        pub fn new(format: StreamFormat, cols: u32) -> Self {
            Self {
                format,
                cols,
                bytes: Vec::new(),
            }
        }

        /// Appends a [header](super::header).
        pub fn header(&mut self, header: u16) {
            let units = StreamFormat::header_units(self.cols);
            let bytes = (units * StreamFormat::unit_bytes(self.cols)) as usize;
            let start = self.bytes.len();
            self.bytes.extend_from_slice(&header.to_le_bytes());
            self.bytes.resize(start + bytes, 0);
        }

        /// Appends a row of scales.
        ///
        /// # Panics
        /// If there is not one a column.
        pub fn scales(&mut self, scales: &[u8]) {
            assert_eq!(scales.len(), self.cols as usize, "a scale a column");
            self.bytes.extend_from_slice(scales);
        }

        /// Appends the steps of a tile with their indices.
        ///
        /// # Panics
        /// If a step has not `2 * cols` codes, or, in a 2:4 stream, as many indices.
        pub fn steps(&mut self, steps: &[Step<'_>]) {
            for some in steps.chunks(INDEX_STEPS as usize) {
                if self.format.two_four {
                    for step in some {
                        for bit in 0..2 {
                            self.plane(step.indices.iter().map(|index| index >> bit & 1 == 1));
                        }
                    }
                }
                for step in some {
                    if self.format.bits == 8 {
                        assert_eq!(step.codes.len(), 2 * self.cols as usize, "codes of a step");
                        self.bytes.extend(step.codes.iter().map(|code| *code as u8));
                        continue;
                    }
                    for bit in 0..self.format.bits {
                        self.plane(step.codes.iter().map(|code| code >> bit & 1 == 1));
                    }
                }
            }
        }

        /// Appends a unit.
        fn plane(&mut self, bits: impl ExactSizeIterator<Item = bool>) {
            assert_eq!(bits.len(), 2 * self.cols as usize, "values of a step");
            let start = self.bytes.len();
            self.bytes.resize(start + bits.len() / 8, 0);
            for (place, bit) in bits.enumerate() {
                self.bytes[start + place / 8] |= u8::from(bit) << (place % 8);
            }
        }

        /// Bytes so far.
        pub fn len(&self) -> usize {
            self.bytes.len()
        }

        /// Whether nothing was written yet.
        pub fn is_empty(&self) -> bool {
            self.bytes.is_empty()
        }

        /// Fills up with zeros to a multiple of `bytes`.
        pub fn align(&mut self, bytes: usize) {
            let len = self.bytes.len().next_multiple_of(bytes);
            self.bytes.resize(len, 0);
        }

        /// The stream.
        pub fn finish(self) -> Vec<u8> {
            self.bytes
        }
    }
}

/// Reads streams, unit by unit; beyond their last row it comes again and again.
#[derive(Clone, Debug)]
pub struct StreamReader<'a> {
    format: StreamFormat,
    cols: u32,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> StreamReader<'a> {
    /// Reads `bytes` from their start.
    ///
    /// # Panics
    /// If they are not whole rows of the weight buffer, at least one.
    pub fn new(format: StreamFormat, cols: u32, bytes: &'a [u8]) -> Self {
        let row = 2 * cols as usize;
        assert!(
            !bytes.is_empty() && bytes.len().is_multiple_of(row),
            "a stream has whole rows"
        );
        Self {
            format,
            cols,
            bytes,
            at: 0,
        }
    }

    /// Reads a [header](header).
    pub fn header(&mut self) -> u16 {
        let header = u16::from_le_bytes([self.byte(0), self.byte(1)]);
        let units = StreamFormat::header_units(self.cols);
        self.at += (units * StreamFormat::unit_bytes(self.cols)) as usize;
        header
    }

    /// Reads a row of scales.
    pub fn scales(&mut self, scales: &mut [u8]) {
        self.take(scales);
    }

    /// Reads the indices of `steps` steps, at most [`INDEX_STEPS`], one step after the other.
    pub fn indices(&mut self, steps: u32, indices: &mut [u8]) {
        let width = 2 * self.cols as usize;
        for step in indices.chunks_exact_mut(width).take(steps as usize) {
            for (place, index) in step.iter_mut().enumerate() {
                *index = u8::from(self.bit(0, place)) | u8::from(self.bit(1, place)) << 1;
            }
            self.at += 2 * width / 8;
        }
    }

    /// Reads the codes of a step.
    pub fn codes(&mut self, codes: &mut [i8]) {
        let bits = usize::from(self.format.bits);
        if bits == 8 {
            for code in codes {
                *code = self.byte(0) as i8;
                self.at += 1;
            }
            return;
        }
        for (place, code) in codes.iter_mut().enumerate() {
            let value = (0..bits)
                .map(|bit| u8::from(self.bit(bit, place)) << bit)
                .sum::<u8>();
            let unused = 8 - bits;
            *code = (value << unused) as i8 >> unused;
        }
        self.at += bits * 2 * self.cols as usize / 8;
    }

    /// Bit `place` of the unit `unit` units from here.
    fn bit(&self, unit: usize, place: usize) -> bool {
        let bit = unit * 2 * self.cols as usize + place;
        self.byte(bit / 8) >> (bit % 8) & 1 == 1
    }

    fn byte(&self, offset: usize) -> u8 {
        let (at, end, row) = (self.at + offset, self.bytes.len(), 2 * self.cols as usize);
        match self.bytes.get(at) {
            Some(byte) => *byte,
            None => self.bytes[end - row + (at - end) % row],
        }
    }

    fn take(&mut self, out: &mut [u8]) {
        for byte in out {
            *byte = self.byte(0);
            self.at += 1;
        }
    }
}
