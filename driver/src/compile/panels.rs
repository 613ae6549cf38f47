//! Where packed weights lie: a stream for each tile of N and each chunk of K.

use std::sync::Arc;

use isa::config::Config;
use isa::weights::{Encoded, SCALE_UNITS, StreamFormat};
use xxhash_rust::xxh3::xxh3_64;

use super::shape::Geometry;

/// A stream of weights in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Segment {
    /// First byte, counted from the start of the weights; a whole number of lines.
    pub offset: u64,
    /// Lines, the last padded.
    pub lines: u32,
    /// Rows of the weight buffer that it fills.
    pub rows: u32,
    /// Tiles of K that are stored; none when all weights are zero.
    pub tiles: u32,
}

impl Segment {
    /// Rows of the weight buffer that are kept for it: the next stream begins with a line and with
    /// a row, whichever is longer.
    pub(super) fn room(&self, config: &Config) -> u32 {
        let (line, row) = (config.port_bytes, 2 * config.cols);
        (self.lines * line).next_multiple_of(row.max(line)) / row
    }
}

/// The streams of a job, `[tile of N][chunk of K]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Panels {
    chunks: usize,
    segments: Vec<Segment>,
    bytes: usize,
}

impl Panels {
    /// The stream of a tile of N in a chunk of K.
    pub fn segment(&self, tile: u32, chunk: u32) -> Segment {
        self.segments[tile as usize * self.chunks + chunk as usize]
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Packs the tiles of N from `first_tile` on of `matrix` for a product cut as `geometry` says;
    /// returns where the streams lie, and their bytes.
    pub fn pack(
        matrix: &Encoded<'_>,
        first_tile: u32,
        geometry: &Geometry,
        config: &Config,
    ) -> (Self, Vec<u8>) {
        let mut bytes = Vec::new();
        let panels = Self::place(geometry, config, |tile, tiles| {
            let column = first_tile + tile;
            let stream = geometry.shape.stream;
            let packed = matrix.pack(stream, config.rows, config.cols, column, tiles);
            bytes.resize(bytes.len().next_multiple_of(config.port_bytes as usize), 0);
            bytes.extend_from_slice(&packed.bytes);
            (packed.bytes.len(), packed.tiles.len() as u32)
        });
        bytes.resize(panels.bytes, 0);
        (panels, bytes)
    }

    /// Streams of tiles that are stored here and there: what a cut costs is foreseen by them, before
    /// anything is packed. Streams that are all equally long would flatter cuts that wait for the
    /// longest of a few.
    pub(super) fn foreseen(geometry: &Geometry, config: &Config) -> Arc<Self> {
        let mut left = u64::from(geometry.k_tiles) * u64::from(geometry.n_tiles);
        let mut owed = (left as f64 * geometry.shape.stored_share(config)).round() as u64;
        // Each tile is stored with the share of those that are still owed among those that are
        // left, so that in the end it is as many as there are. Every cut asks for the tiles in the
        // same order and gets the same ones.
        let mut stored = || {
            let stored = xxh3_64(&left.to_le_bytes()) % left < owed;
            left -= 1;
            owed -= u64::from(stored);
            stored
        };
        Arc::new(Self::place(geometry, config, |_, tiles| {
            let stored = tiles.filter(|_| stored()).count();
            let bytes = stored as f64 * geometry.shape.tile_bytes(config);
            (bytes.ceil() as usize, stored as u32)
        }))
    }

    fn place(
        geometry: &Geometry,
        config: &Config,
        mut stream: impl FnMut(u32, std::ops::Range<u32>) -> (usize, u32),
    ) -> Self {
        let chunks = geometry.k_tiles.div_ceil(geometry.tiling.chunk);
        let (line, row) = (config.port_bytes as usize, 2 * config.cols as usize);
        let mut segments = Vec::with_capacity((geometry.n_tiles * chunks) as usize);
        let mut at = 0;
        for tile in 0..geometry.n_tiles {
            for chunk in 0..chunks {
                let first = chunk * geometry.tiling.chunk;
                let end = (first + geometry.tiling.chunk).min(geometry.k_tiles);
                let (bytes, tiles) = stream(tile, first..end);
                segments.push(Segment {
                    offset: at as u64,
                    lines: bytes.div_ceil(line) as u32,
                    rows: bytes.div_ceil(row) as u32,
                    tiles,
                });
                at += bytes.next_multiple_of(line);
            }
        }
        Self {
            chunks: chunks as usize,
            segments,
            bytes: at,
        }
    }
}

/// Cycles that the weights of a tile take to enter the array, on average: a step each, and what
/// comes with them.
pub(crate) fn tile_cycles(stream: &StreamFormat, config: &Config) -> f64 {
    let steps = f64::from(config.rows / 2);
    let indices = match stream.two_four {
        true => (config.rows / 2).div_ceil(isa::weights::INDEX_STEPS),
        false => 0,
    };
    let scales = match stream.group_tiles {
        0 => 0.0,
        tiles => 1.0 / f64::from(tiles),
    };
    // Rows of the buffer bound them too, eight units each.
    let units =
        f64::from(stream.tile_units(config.rows, config.cols)) + scales * f64::from(SCALE_UNITS);
    let actions = steps + f64::from(indices) + f64::from(u8::from(stream.blocks)) + scales;
    actions.max(units / 8.0)
}

/// Fewest cycles of a tile, however few rows it has: those of its weights, and four, for the
/// accumulators take no row again earlier.
pub(crate) fn least_cycles(stream: &StreamFormat, config: &Config) -> f64 {
    tile_cycles(stream, config).max(4.0)
}

#[cfg(test)]
mod tests {
    use isa::format::OutputFormat;

    use super::*;
    use crate::compile::{Shape, Tiling, candidates};

    /// Tiles of each tile of N that a cut foresees.
    fn columns(shape: &Shape, tiling: Tiling, config: &Config) -> Vec<u32> {
        let geometry = Geometry::new(*shape, tiling, config);
        let panels = Panels::foreseen(&geometry, config);
        let chunks = geometry.k_tiles.div_ceil(tiling.chunk);
        let tiles = |tile, chunk| panels.segment(tile, chunk).tiles;
        (0..geometry.n_tiles)
            .map(|tile| (0..chunks).map(|chunk| tiles(tile, chunk)).sum())
            .collect()
    }

    #[test]
    fn every_cut_foresees_the_same_uneven_streams() {
        let config = Config::default();
        let stream = StreamFormat {
            blocks: true,
            ..StreamFormat::PLAIN
        };
        for stored in [0, 1, 307, 1023, 1024] {
            let shape = Shape {
                stream,
                stored: Some(stored),
                ..Shape::plain(256, 1024, 256, OutputFormat::I32)
            };
            let cuts: Vec<_> = candidates(&shape, &config)
                .into_iter()
                .map(|tiling| columns(&shape, tiling, &config))
                .collect();
            assert!(cuts.len() > 1 && cuts.iter().all(|cut| *cut == cuts[0]));
            assert_eq!(cuts[0].iter().sum::<u32>(), stored);
            let even = cuts[0].iter().all(|tiles| *tiles == cuts[0][0]);
            assert_eq!(even, stored.is_multiple_of(1024), "{:?}", cuts[0]);
        }
    }
}
