//! Products cut to what one program can hold.

use isa::config::Config;

use crate::compile::{Geometry, Shape, Tiling};

/// Commands of one program, at most. A submission holds 65,535; shorter programs let the host
/// pack the next one meanwhile.
pub(super) const MOST_COMMANDS: usize = 20_000;
/// Bytes of packed operands and results of one program above which it takes no further product.
pub(super) const MOST_BYTES: usize = 64 << 20;

/// Part of the result of a job: a range of rows and a range of columns that starts at a tile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    /// Index of the job in the run.
    pub(super) job: usize,
    pub(super) first_row: usize,
    pub(super) first_col: usize,
    pub(super) shape: Shape,
    pub(super) tiling: Tiling,
}

impl Piece {
    /// Upper bound of the commands.
    pub(super) fn commands(&self, config: &Config) -> usize {
        Geometry::new(self.shape, self.tiling, config).most_commands()
    }

    /// Bytes of operands and result, about.
    pub(super) fn bytes(&self, config: &Config) -> usize {
        let geometry = Geometry::new(self.shape, self.tiling, config);
        let result = self.shape.m
            * geometry.n_tiles as usize
            * config.cols as usize
            * self.shape.format.bytes();
        geometry.activation_bytes(config) + geometry.weight_bytes(config) + result
    }
}

/// Cuts a job of a shape until every piece fits a program; `tiling` tells how a shape is tiled. `None` when
/// K alone is too long for the card's buffers.
pub(super) fn pieces(
    job: usize,
    whole: Shape,
    config: &Config,
    mut tiling: impl FnMut(&Shape) -> Tiling,
) -> Option<Vec<Piece>> {
    let mut open = vec![(0, 0, whole)];
    let mut done = Vec::new();
    while let Some((first_row, first_col, shape)) = open.pop() {
        let piece = Piece {
            job,
            first_row,
            first_col,
            shape,
            tiling: tiling(&shape),
        };
        if piece.commands(config) <= MOST_COMMANDS && piece.bytes(config) <= MOST_BYTES {
            done.push(piece);
            continue;
        }
        let n_tiles = shape.n_tiles(config) as usize;
        if n_tiles > 1 && (shape.n >= shape.m || shape.m == 1) {
            let left = n_tiles / 2 * config.cols as usize;
            open.push((
                first_row,
                first_col + left,
                narrower(&shape, shape.n - left),
            ));
            open.push((first_row, first_col, narrower(&shape, left)));
        } else if shape.m > 1 {
            let left = shape.m / 2;
            open.push((
                first_row + left,
                first_col,
                Shape {
                    m: shape.m - left,
                    ..shape
                },
            ));
            open.push((first_row, first_col, Shape { m: left, ..shape }));
        } else {
            return None;
        }
    }
    Some(done)
}

/// The shape with fewer columns; of tiles that are stored it gets its share.
fn narrower(shape: &Shape, n: usize) -> Shape {
    let share = |stored: u32| (u64::from(stored) * n as u64).div_ceil(shape.n as u64) as u32;
    Shape {
        n,
        stored: shape.stored.map(share),
        ..*shape
    }
}
