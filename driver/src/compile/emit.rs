//! The commands of products in the order of their meaning: what must be there is loaded just
//! before it is used. [`super::order`] lets the engines run ahead of each other afterwards.

use isa::command::{Gemm, Load, Operation, Store};
use isa::config::Config;

use super::least_cycles;
use super::panels::Panels;
use super::program::{OutBlock, Part};
use super::ring::Ring;
use super::shape::Geometry;

/// A command whose address counts from the start of a part of its job's memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op {
    pub(super) operation: Operation,
    pub(super) job: u32,
    /// Where the address points; `None` for GEMM.
    pub(super) part: Option<Part>,
    /// Rows of the activation buffer that a GEMM may read: more than its command tells, where the
    /// stream of weights names the tiles.
    pub(super) reach: u32,
}

/// The weights of one GEMM.
struct WeightRows {
    /// First row of the buffer.
    row: u32,
    /// Rows.
    rows: u32,
    /// Tiles.
    tiles: u32,
}

/// Job, tile or block, first tile of K.
type Key = (u32, u32, u32);

/// A range of the tiles of K within one chunk.
#[derive(Clone, Copy)]
struct Step {
    /// First tile of the chunk.
    chunk: u32,
    /// Tiles of the chunk.
    tiles: u32,
    from: u32,
    to: u32,
}

/// Rows and tiles of N whose sums are made together.
struct Block {
    /// Block of M.
    index: u32,
    /// Rows of the block, from `first` on.
    first: u32,
    rows: u32,
    /// Tiles of N.
    tiles: std::ops::Range<u32>,
    /// First blocks load no more than they need next.
    opening: bool,
}

/// Writes the commands of one job after the other.
pub(super) struct Emitter<'a> {
    config: &'a Config,
    pub(super) ops: Vec<Op>,
    activations: Ring<Key>,
    weights: Ring<Key>,
    columns: Ring<Key>,
    rows: Ring<Key>,
    bank: usize,
    /// Next free accumulator row of each bank, counted within the bank.
    free: [u32; 2],
}

impl<'a> Emitter<'a> {
    pub(super) fn new(config: &'a Config) -> Self {
        Self {
            config,
            ops: Vec::new(),
            activations: Ring::new(config.act_rows),
            weights: Ring::new(config.wgt_rows),
            columns: Ring::new(config.column_rows),
            rows: Ring::new(config.row_scales),
            bank: 0,
            free: [0; 2],
        }
    }

    /// Appends a job and returns its output blocks and the bytes of its output.
    pub(super) fn job(
        &mut self,
        job: u32,
        geometry: &Geometry,
        panels: Option<&Panels>,
        last: bool,
    ) -> (Vec<OutBlock>, usize) {
        let mut out = Output {
            line: self.config.port_bytes as usize,
            blocks: Vec::new(),
            bytes: 0,
        };
        let tiling = geometry.tiling;
        for index in 0..geometry.m_blocks {
            let rows = geometry.block_rows(index);
            let mut tile = 0;
            while tile < geometry.n_tiles {
                let opening = self.ops.is_empty() && tiling.opening > 0;
                let width = if opening {
                    tiling.opening
                } else {
                    tiling.group
                };
                let end = (tile + width).min(geometry.n_tiles);
                let ending = last && index + 1 == geometry.m_blocks && end == geometry.n_tiles;
                let pieces = match ending && !opening && tiling.chunk >= geometry.k_tiles {
                    true => {
                        let least = least_cycles(&geometry.shape.stream, self.config);
                        ending_pieces(rows, least.ceil() as u32)
                    }
                    false => vec![rows],
                };
                let mut first = 0;
                for rows in pieces {
                    let block = Block {
                        index,
                        first,
                        rows,
                        tiles: tile..end,
                        opening,
                    };
                    self.block(job, geometry, panels, &block, &mut out);
                    first += rows;
                }
                tile = end;
            }
        }
        (out.blocks, out.bytes)
    }

    fn block(
        &mut self,
        job: u32,
        geometry: &Geometry,
        panels: Option<&Panels>,
        block: &Block,
        out: &mut Output,
    ) {
        let height = block.rows * block.tiles.len() as u32;
        let acc = self.accumulators(height);
        let stream = geometry.shape.stream;
        let act_step = geometry.shape.act_step();
        // Whether a tile of N has sums yet.
        let mut begun = vec![false; block.tiles.len()];
        for step in steps(geometry, block.opening) {
            for (slot, tile) in block.tiles.clone().enumerate() {
                let chunk = step.chunk / geometry.tiling.chunk;
                if panels.is_some_and(|panels| panels.segment(tile, chunk).tiles == 0) {
                    continue;
                }
                let act = self.activations(job, geometry, block, step);
                let weights = match panels {
                    Some(panels) => self.packed_weights(job, geometry, panels, step, tile),
                    None => {
                        assert!(stream.is_plain(), "packed weights lie somewhere");
                        let pairs = self.config.rows / 2;
                        let tiles = step.to - step.from;
                        let first = self.weights(job, geometry, block, step, tile);
                        WeightRows {
                            row: first + (step.from - step.chunk) * pairs,
                            rows: tiles * pairs,
                            tiles,
                        }
                    }
                };
                let gemm = Gemm {
                    act_row: act
                        + (step.from - step.chunk) * geometry.stride
                        + block.first * act_step,
                    act_stride: geometry.stride as u16,
                    wgt_row: weights.row,
                    wgt_rows: weights.rows,
                    acc_row: (acc + slot as u32 * block.rows) as u16,
                    m: block.rows as u16,
                    k_tiles: weights.tiles as u16,
                    accumulate: u8::from(begun[slot]),
                    ..Gemm::default()
                };
                begun[slot] = true;
                self.ops.push(Op {
                    operation: Operation::Gemm(gemm.with_stream(stream)),
                    job,
                    part: None,
                    reach: (step.to - step.from - 1) * geometry.stride + block.rows * act_step,
                });
            }
        }
        for (slot, tile) in block.tiles.clone().enumerate() {
            let acc_row = (acc + slot as u32 * block.rows) as u16;
            self.store(job, geometry, block, (tile, !begun[slot]), acc_row, out);
        }
    }

    fn store(
        &mut self,
        job: u32,
        geometry: &Geometry,
        block: &Block,
        (tile, zero): (u32, bool),
        acc_row: u16,
        out: &mut Output,
    ) {
        let (mut column_row, mut row_index) = (0, 0);
        if geometry.shape.requantized() {
            column_row = self.column_row(job, geometry, tile) as u16;
            row_index = (self.row_scales(job, geometry, block.index) + block.first) as u16;
        }
        let format = geometry.shape.format;
        let bytes = block.rows as usize * self.config.cols as usize * format.bytes();
        let first_row =
            block.index as usize * geometry.tiling.block as usize + block.first as usize;
        let offset = out.place(first_row, block.rows as usize, tile as usize, bytes);
        self.push(
            job,
            Some(Part::Output),
            Operation::Store(Store {
                dst: offset as u64,
                acc_row,
                m: block.rows as u16,
                format: format as u8,
                // Nothing in the program reads the result, so its way to memory holds nobody up.
                release: 1,
                zero: zero.into(),
                column_row,
                row_index,
            }),
        );
    }

    /// Rows in the bank that the block before did not use, so that its STOREs go on meanwhile.
    fn accumulators(&mut self, height: u32) -> u32 {
        let half = self.config.acc_rows / 2;
        self.bank ^= 1;
        let free = &mut self.free[self.bank];
        if *free + height > half {
            *free = 0;
        }
        let first = *free;
        *free += height;
        self.bank as u32 * half + first
    }

    /// First row of the chunk of activations, loaded as far as the step needs.
    fn activations(&mut self, job: u32, geometry: &Geometry, block: &Block, step: Step) -> u32 {
        let key = (job, block.index, step.chunk);
        let (rows, wanted) = (geometry.stride * step.tiles, block.wanted(step));
        // A row of 2:4 is a pair of rows of the buffer.
        let align = geometry.shape.act_step();
        let (start, loaded) = claim(&mut self.activations, key, rows, align);
        if loaded < wanted {
            let tile_bytes = u64::from(geometry.stride) * u64::from(self.config.rows);
            let first =
                u64::from(block.index) * u64::from(geometry.k_tiles) + u64::from(step.chunk);
            self.tiles(
                job,
                Part::Activations,
                first * tile_bytes,
                start * self.config.rows,
                tile_bytes,
                loaded..wanted,
            );
            if let Some(entry) = self.activations.get(key) {
                entry.loaded = wanted;
            }
        }
        start
    }

    /// First row of the chunk of weights, loaded as far as the step needs. When the chunk is all
    /// of K, the panels of the next tiles of N come with it.
    fn weights(
        &mut self,
        job: u32,
        geometry: &Geometry,
        block: &Block,
        step: Step,
        tile: u32,
    ) -> u32 {
        let key = (job, tile, step.chunk);
        let rows = self.config.rows / 2 * step.tiles;
        let tile_bytes = u64::from(self.config.rows * self.config.cols);
        let first = u64::from(tile) * u64::from(geometry.k_tiles) + u64::from(step.chunk);
        let whole = !block.opening && step.tiles == geometry.k_tiles;
        if whole && self.weights.get(key).is_none() {
            let panels = geometry.tiling.ahead.min(geometry.n_tiles - tile);
            let start = self.weights.allocate(panels, rows, 1);
            for panel in 0..panels {
                let key = (job, tile + panel, step.chunk);
                self.weights
                    .insert(key, start + panel * rows, rows, step.tiles);
            }
            let tiles = 0..panels * step.tiles;
            self.tiles(
                job,
                Part::Weights,
                first * tile_bytes,
                start * 2 * self.config.cols,
                tile_bytes,
                tiles,
            );
            return start;
        }
        let wanted = block.wanted(step);
        let (start, loaded) = claim(&mut self.weights, key, rows, 1);
        if loaded < wanted {
            self.tiles(
                job,
                Part::Weights,
                first * tile_bytes,
                start * 2 * self.config.cols,
                tile_bytes,
                loaded..wanted,
            );
            if let Some(entry) = self.weights.get(key) {
                entry.loaded = wanted;
            }
        }
        start
    }

    /// Weights of a chunk that are packed, loaded whole. When the chunk is all of K, the panels of
    /// the next tiles of N come with it.
    fn packed_weights(
        &mut self,
        job: u32,
        geometry: &Geometry,
        panels: &Panels,
        step: Step,
        tile: u32,
    ) -> WeightRows {
        let chunk = step.chunk / geometry.tiling.chunk;
        let segment = panels.segment(tile, chunk);
        let rows = |tile: u32| panels.segment(tile, chunk).room(self.config);
        let key = (job, tile, step.chunk);
        let start = match self.weights.get(key) {
            Some(entry) => entry.start,
            None => {
                let mut end = tile + 1;
                let mut total = rows(tile);
                if step.tiles == geometry.k_tiles {
                    let last = (tile + geometry.tiling.ahead).min(geometry.n_tiles);
                    while end < last && total + rows(end) <= self.config.wgt_rows / 4 {
                        total += rows(end);
                        end += 1;
                    }
                }
                let start = self.weights.allocate(1, total, 1);
                let mut at = start;
                for panel in tile..end {
                    let len = rows(panel);
                    if len > 0 {
                        self.weights
                            .insert((job, panel, step.chunk), at, len, step.tiles);
                    }
                    at += len;
                }
                self.load_panels(job, panels, chunk, tile..end, start);
                start
            }
        };
        WeightRows {
            row: start,
            rows: segment.rows,
            tiles: segment.tiles,
        }
    }

    /// Loads the streams of some tiles of N in one chunk; those that lie one after the other on both
    /// sides in one command.
    fn load_panels(
        &mut self,
        job: u32,
        panels: &Panels,
        chunk: u32,
        tiles: std::ops::Range<u32>,
        first_row: u32,
    ) {
        let row = 2 * self.config.cols;
        let mut target = first_row * row;
        let mut open: Option<(u64, u32, u64)> = None;
        for tile in tiles {
            let segment = panels.segment(tile, chunk);
            let bytes = u64::from(segment.lines * self.config.port_bytes);
            open = match open {
                Some((source, begin, length))
                    if source + length == segment.offset
                        && u64::from(begin) + length == u64::from(target) =>
                {
                    Some((source, begin, length + bytes))
                }
                before => {
                    if let Some((source, begin, length)) = before {
                        self.load(job, Part::Weights, source, begin, length);
                    }
                    Some((segment.offset, target, bytes))
                }
            };
            target += segment.room(self.config) * row;
        }
        if let Some((source, begin, length)) = open {
            self.load(job, Part::Weights, source, begin, length);
        }
    }

    /// Row of the column parameters of a tile of N.
    fn column_row(&mut self, job: u32, geometry: &Geometry, tile: u32) -> u32 {
        if let Some(entry) = self.columns.get((job, tile, 0)) {
            return entry.start;
        }
        // A quarter of the buffer at once leaves room to load the next before this one is used up.
        let parts = (self.config.column_rows / 4).min(geometry.n_tiles - tile);
        let start = self.columns.allocate(parts, 1, 1);
        for part in 0..parts {
            self.columns
                .insert((job, tile + part, 0), start + part, 1, 1);
        }
        let row_bytes = self.config.cols * 8;
        let source = u64::from(tile) * u64::from(row_bytes);
        self.load(
            job,
            Part::Columns,
            source,
            start * row_bytes,
            u64::from(parts * row_bytes),
        );
        start
    }

    /// First of the row scales of a block of M.
    fn row_scales(&mut self, job: u32, geometry: &Geometry, index: u32) -> u32 {
        let (start, loaded) = claim(&mut self.rows, (job, index, 0), geometry.scales, 1);
        if loaded == 0 {
            let bytes = u64::from(geometry.scales) * 4;
            self.load(job, Part::Rows, u64::from(index) * bytes, start * 4, bytes);
            if let Some(entry) = self.rows.get((job, index, 0)) {
                entry.loaded = 1;
            }
        }
        start
    }

    /// Loads some of the tiles of a panel whose first tile lies at `source` and goes to `target`
    /// (both in bytes).
    fn tiles(
        &mut self,
        job: u32,
        part: Part,
        source: u64,
        target: u32,
        tile_bytes: u64,
        tiles: std::ops::Range<u32>,
    ) {
        let skip = u64::from(tiles.start) * tile_bytes;
        let bytes = tiles.len() as u64 * tile_bytes;
        self.load(job, part, source + skip, target + skip as u32, bytes);
    }

    /// Loads contiguous bytes; both sides and the length are whole lines.
    fn load(&mut self, job: u32, part: Part, source: u64, target: u32, bytes: u64) {
        let line = u64::from(self.config.port_bytes);
        let (first, lines) = (u64::from(target) / line, bytes / line);
        let mut done = 0;
        while done < lines {
            let now = (lines - done).min(u64::from(u16::MAX));
            self.push(
                job,
                Some(part),
                Operation::Load(Load {
                    src: source + done * line,
                    buffer: part.buffer() as u8,
                    dst_line: (first + done) as u32,
                    row_lines: now as u16,
                    rows: 1,
                    stride: 0,
                }),
            );
            done += now;
        }
    }

    fn push(&mut self, job: u32, part: Option<Part>, operation: Operation) {
        self.ops.push(Op {
            operation,
            job,
            part,
            reach: 0,
        });
    }
}

impl Block {
    /// Tiles of the step's chunk that must be loaded before it.
    fn wanted(&self, step: Step) -> u32 {
        if self.opening {
            step.to - step.chunk
        } else {
            step.tiles
        }
    }
}

/// Output of a job: blocks one after the other, each from a whole line on.
struct Output {
    line: usize,
    blocks: Vec<OutBlock>,
    bytes: usize,
}

impl Output {
    fn place(&mut self, first_row: usize, rows: usize, tile: usize, bytes: usize) -> usize {
        let offset = self.bytes;
        self.blocks.push(OutBlock {
            offset,
            first_row,
            rows,
            tile,
        });
        self.bytes = (offset + bytes).next_multiple_of(self.line);
        offset
    }
}

/// Entry under `key`, made if need be: its first row and the tiles that are loaded.
fn claim(ring: &mut Ring<Key>, key: Key, rows: u32, align: u32) -> (u32, u32) {
    if let Some(entry) = ring.get(key) {
        return (entry.start, entry.loaded);
    }
    let start = ring.allocate(1, rows, align);
    ring.insert(key, start, rows, 0);
    (start, 0)
}

/// The way through K: one chunk after the other; in an opening block little steps that double.
fn steps(geometry: &Geometry, opening: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut size = if opening { 1 } else { geometry.tiling.chunk };
    let mut chunk = 0;
    while chunk < geometry.k_tiles {
        let tiles = geometry.tiling.chunk.min(geometry.k_tiles - chunk);
        let mut from = chunk;
        while from < chunk + tiles {
            let to = (from + size).min(chunk + tiles);
            steps.push(Step {
                chunk,
                tiles,
                from,
                to,
            });
            if from > 0 {
                size = (size * 2).min(geometry.tiling.chunk);
            }
            from = to;
        }
        chunk += tiles;
    }
    steps
}

/// Cuts the last block so that little is left to store when the last GEMM ends. Pieces stay at
/// least as high as the array, which takes that many cycles for a tile anyway.
fn ending_pieces(rows: u32, least: u32) -> Vec<u32> {
    let mut pieces = Vec::new();
    let mut left = rows;
    while left >= 2 * least {
        let piece = (left / 2).max(least);
        pieces.push(piece);
        left -= piece;
    }
    pieces.push(left);
    pieces
}
