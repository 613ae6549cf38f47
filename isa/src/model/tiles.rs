//! Weights as the array gets them: a stream taken apart, tile by tile.

use alloc::vec;
use alloc::vec::Vec;

use crate::config::Config;
use crate::weights::{HEADER_SCALES, INDEX_STEPS, StreamFormat, StreamReader, widen};

/// Takes the tiles out of a stream.
pub(super) struct Tiles<'a> {
    format: StreamFormat,
    rows: usize,
    cols: usize,
    /// -128 counts as -127.
    symmetric: bool,
    reader: StreamReader<'a>,
    /// Tiles so far.
    count: u32,
    scales: Vec<u8>,
    /// The dense weights of a tile, as many rows as it covers values of K. Where a 2:4 stream
    /// names one activation twice, the sum of both.
    weights: Vec<i16>,
}

impl<'a> Tiles<'a> {
    pub(super) fn new(format: StreamFormat, config: &Config, stream: &'a [u8]) -> Self {
        let cols = config.cols as usize;
        Self {
            format,
            rows: config.rows as usize,
            cols,
            symmetric: config.datapaths.packed_products,
            reader: StreamReader::new(format, config.cols, stream),
            count: 0,
            scales: vec![0; cols],
            weights: vec![0; format.span(config.rows) as usize * cols],
        }
    }

    /// Number of the next stored tile and its weights, row-major.
    pub(super) fn next_tile(&mut self) -> (u16, &[i16]) {
        let header = match self.format.blocks {
            true => self.reader.header(),
            false => self.count as u16,
        };
        if self.format.group_tiles != 0 {
            // The first tile of a stream has scales whatever its header says.
            let due = match self.format.blocks {
                true => self.count == 0 || header & HEADER_SCALES != 0,
                false => self.count.is_multiple_of(self.format.group_tiles),
            };
            if due {
                self.reader.scales(&mut self.scales);
            }
        }
        self.count += 1;
        self.weights.fill(0);
        let (steps, width) = (self.rows / 2, 2 * self.cols);
        let mut indices = vec![0; INDEX_STEPS as usize * width];
        let mut codes = vec![0; width];
        for step in 0..steps {
            let within = step % INDEX_STEPS as usize;
            if self.format.two_four && within == 0 {
                let together = (steps - step).min(INDEX_STEPS as usize);
                self.reader.indices(together as u32, &mut indices);
            }
            self.reader.codes(&mut codes);
            for (place, &code) in codes.iter().enumerate() {
                let (row, column) = (place / self.cols, place % self.cols);
                let k = match self.format.two_four {
                    true => 4 * step + usize::from(indices[within * width + place]),
                    false => 2 * step + row,
                };
                let scale = (self.format.group_tiles != 0).then(|| self.scales[column]);
                let weight = match widen(code, scale) {
                    -128 if self.symmetric => -127,
                    weight => weight,
                };
                self.weights[k * self.cols + column] += i16::from(weight);
            }
        }
        let number = match self.format.blocks {
            true => header & !HEADER_SCALES,
            false => header,
        };
        (number, &self.weights)
    }
}
