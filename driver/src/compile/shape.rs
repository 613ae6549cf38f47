//! Shapes of products and how they are cut to fit a card.

use isa::config::Config;
use isa::format::OutputFormat;
use isa::weights::{SCALE_UNITS, StreamFormat};

/// What a program must know of a product: not its values, only its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Rows of the result, at least 1.
    pub m: usize,
    /// Inner dimension, at least 1.
    pub k: usize,
    /// Columns of the result, at least 1.
    pub n: usize,
    /// Format of the result.
    pub format: OutputFormat,
    /// Format of the weights.
    pub stream: StreamFormat,
    /// Tiles of the weights that are stored, where blocks leave some out.
    pub stored: Option<u32>,
}

impl Shape {
    /// A product with plain int8 weights.
    pub fn plain(m: usize, k: usize, n: usize, format: OutputFormat) -> Self {
        Self {
            m,
            k,
            n,
            format,
            stream: StreamFormat::PLAIN,
            stored: None,
        }
    }

    /// Tiles of K: the array's rows each, in 2:4 twice as many values.
    pub fn k_tiles(&self, config: &Config) -> u32 {
        self.k.div_ceil(self.stream.span(config.rows) as usize) as u32
    }

    /// Share of the tiles of the weights that are stored.
    pub fn stored_share(&self, config: &Config) -> f64 {
        let tiles = f64::from(self.k_tiles(config)) * f64::from(self.n_tiles(config));
        self.stored
            .map_or(1.0, |stored| (f64::from(stored) / tiles).min(1.0))
    }

    /// Bytes of a tile of weights, on average with its scales.
    pub fn tile_bytes(&self, config: &Config) -> f64 {
        let scales = match self.stream.group_tiles {
            0 => 0.0,
            tiles => f64::from(SCALE_UNITS) / f64::from(tiles),
        };
        let units = f64::from(self.stream.tile_units(config.rows, config.cols)) + scales;
        units * f64::from(StreamFormat::unit_bytes(config.cols))
    }

    /// Rows of the activation buffer for each row of a tile.
    pub fn act_step(&self) -> u32 {
        1 + u32::from(self.stream.two_four)
    }

    /// Tiles of N: the array's columns each.
    pub fn n_tiles(&self, config: &Config) -> u32 {
        self.n.div_ceil(config.cols as usize) as u32
    }

    /// Whether the result needs scales.
    pub fn requantized(&self) -> bool {
        self.format != OutputFormat::I32
    }
}

/// How a product is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tiling {
    /// Rows of a block of M.
    pub block: u32,
    /// Tiles of K that one GEMM sums; more are added by further ones.
    pub chunk: u32,
    /// Tiles of N whose sums lie in the accumulators together.
    pub group: u32,
    /// Tiles of N of the very first group of a program, which starts with little steps of K so
    /// that the array need not wait for whole panels; 0: no such group.
    pub opening: u32,
    /// Tiles of N that one LOAD of weights brings.
    pub ahead: u32,
}

/// Sizes that follow from a shape, a tiling and a card.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    /// The product.
    pub shape: Shape,
    /// Its cut.
    pub tiling: Tiling,
    /// Tiles of K.
    pub k_tiles: u32,
    /// Tiles of N.
    pub n_tiles: u32,
    /// Blocks of M.
    pub m_blocks: u32,
    /// Rows of the activation buffer from one tile of K to the next: the block, padded to whole
    /// lines.
    pub stride: u32,
    /// Row scales of a block, padded to whole lines.
    pub scales: u32,
}

impl Geometry {
    /// Works out the sizes.
    pub fn new(shape: Shape, tiling: Tiling, config: &Config) -> Self {
        Self {
            shape,
            tiling,
            k_tiles: shape.k_tiles(config),
            n_tiles: shape.n_tiles(config),
            m_blocks: shape.m.div_ceil(tiling.block as usize) as u32,
            stride: (tiling.block * shape.act_step()).next_multiple_of(rows_per_line(config)),
            scales: tiling.block.next_multiple_of(config.port_bytes / 4),
        }
    }

    /// Rows of block `index`; only the last may be shorter.
    pub fn block_rows(&self, index: u32) -> u32 {
        let first = index as usize * self.tiling.block as usize;
        (self.shape.m - first).min(self.tiling.block as usize) as u32
    }

    /// Upper bound of the commands of the product.
    pub fn most_commands(&self) -> usize {
        let chunks = self.k_tiles.div_ceil(self.tiling.chunk) as usize;
        // A block of one tile of N: two LOADs and a GEMM a chunk, a STORE and its scales; the
        // opening and the ending add some.
        self.m_blocks as usize * self.n_tiles as usize * (3 * chunks + 3) + 512
    }

    /// Bytes of the packed left operand: `[block][tile of K][row]`, a row as wide as the tile.
    pub fn activation_bytes(&self, config: &Config) -> usize {
        self.m_blocks as usize * self.k_tiles as usize * self.stride as usize * config.rows as usize
    }

    /// Bytes of the packed right operand: of plain weights, which are
    /// `[tile of N][tile of K][row of K][cols bytes]`, exactly, of others about.
    pub fn weight_bytes(&self, config: &Config) -> usize {
        let tiles = f64::from(self.n_tiles) * f64::from(self.k_tiles);
        let stored = tiles * self.shape.stored_share(config);
        (stored * self.shape.tile_bytes(config)).ceil() as usize
    }
}

/// Activation rows that a line holds, at least 1: blocks are padded to a multiple of it.
pub(super) fn rows_per_line(config: &Config) -> u32 {
    (config.port_bytes / config.rows).max(1)
}
