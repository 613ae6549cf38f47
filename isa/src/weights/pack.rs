//! From an encoded matrix to the streams of a card.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use super::Encoded;
use super::stream::{Step, StreamFormat, StreamWriter, header};

/// The stream of some tiles of K of one tile column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackedColumn {
    /// The stream, not padded.
    pub bytes: Vec<u8>,
    /// Tiles that are stored, counted from the first of the range; without blocks all of them.
    pub tiles: Vec<u16>,
}

impl Encoded<'_> {
    /// Format of the streams of this matrix on an array of `rows` rows; with `blocks`, tiles of zeros
    /// are left out. `None` when scales change within a tile, which no stream can tell.
    pub fn stream_format(&self, rows: u32, blocks: bool) -> Option<StreamFormat> {
        let mut format = StreamFormat {
            bits: self.bits,
            two_four: self.indices.is_some(),
            blocks,
            group_tiles: 0,
        };
        if self.group != 0 {
            let (group, span) = (self.group as u32, format.span(rows));
            if !group.is_multiple_of(span) {
                return None;
            }
            format.group_tiles = group / span;
        }
        Some(format)
    }

    /// Whether tile `tile` of K of tile column `column` holds a weight other than zero.
    pub fn holds_tile(
        &self,
        format: &StreamFormat,
        rows: u32,
        cols: u32,
        tile: u32,
        column: u32,
    ) -> bool {
        let first = (tile * format.span(rows)) as usize;
        let end = (first + format.span(rows) as usize).min(self.k);
        let columns = (column * cols) as usize..((column + 1) * cols).min(self.n as u32) as usize;
        (first..end).any(|row| columns.clone().any(|column| self.weight(row, column) != 0))
    }

    /// Packs the tiles `tiles` of K of tile column `column` for an array of `rows x cols`. With
    /// groups, the range begins where a group begins.
    ///
    /// The matrix must have passed [`Self::check`] and `format` come from [`Self::stream_format`]
    /// for the same array.
    ///
    /// # Panics
    /// If a group begins before the range, or there are more tiles than a header can tell.
    pub fn pack(
        &self,
        format: StreamFormat,
        rows: u32,
        cols: u32,
        column: u32,
        tiles: Range<u32>,
    ) -> PackedColumn {
        assert!(
            format.group_tiles == 0 || tiles.start.is_multiple_of(format.group_tiles),
            "a range begins where a group begins"
        );
        assert!(
            !format.blocks || tiles.len() <= 1 << 15,
            "a header counts to 2^15"
        );
        let mut writer = StreamWriter::new(format, cols);
        let mut packed = PackedColumn::default();
        let mut scaled = None;
        for tile in tiles.clone() {
            if format.blocks && !self.holds_tile(&format, rows, cols, tile, column) {
                continue;
            }
            let group = tile.checked_div(format.group_tiles);
            let number = (tile - tiles.start) as u16;
            if format.blocks {
                writer.header(header(number, group != scaled));
            }
            if let Some(group) = group
                && Some(group) != scaled
            {
                writer.scales(&self.scales_of(group as usize, cols, column));
                scaled = Some(group);
            }
            self.pack_tile(&mut writer, &format, (rows, cols), (tile, column));
            packed.tiles.push(number);
        }
        packed.bytes = writer.finish();
        packed
    }

    fn scales_of(&self, group: usize, cols: u32, column: u32) -> Vec<u8> {
        (column * cols..(column + 1) * cols)
            .map(|column| match column as usize {
                column if column < self.n => self.scales[group * self.n + column],
                _ => 0,
            })
            .collect()
    }

    fn pack_tile(
        &self,
        writer: &mut StreamWriter,
        format: &StreamFormat,
        (rows, cols): (u32, u32),
        (tile, column): (u32, u32),
    ) {
        let (kept, width) = (rows as usize, cols as usize);
        let mut codes = vec![0; kept * width];
        let mut indices = vec![0; kept * width];
        for row in 0..kept {
            let source = tile as usize * kept + row;
            for place in 0..width {
                let column = column as usize * width + place;
                let at = row * width + place;
                if column >= self.n || source >= self.kept_rows() {
                    continue;
                }
                if let Some(list) = self.indices {
                    indices[at] = list[source * self.n + column];
                }
                let k = self.row_of(source, column);
                let left_out = self.blocks.as_ref().is_some_and(|blocks| {
                    k < self.k && !blocks.holds(k / blocks.k, column / blocks.n, self.n)
                });
                if !left_out {
                    codes[at] = self.codes[source * self.n + column];
                }
            }
        }
        debug_assert_eq!(format.two_four, self.indices.is_some());
        let steps: Vec<Step<'_>> = codes
            .chunks_exact(2 * width)
            .zip(indices.chunks_exact(2 * width))
            .map(|(codes, indices)| Step { codes, indices })
            .collect();
        writer.steps(&steps);
    }
}
