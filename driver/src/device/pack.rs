//! Operands in the layout of the card's tiles, and results back in rows.

use isa::config::Config;
use isa::format::OutputFormat;
use isa::numerics::{ColumnParam, Dyadic};

use super::piece::Piece;
use crate::compile::{Geometry, JobPlan};
use crate::matmul::{Layout, MatMul, Values};

/// Left operand: `[block of M][tile of K][row]`, a row as wide as the tile, padded with zeros.
pub(super) fn activations(
    product: &MatMul<'_>,
    piece: &Piece,
    geometry: &Geometry,
    config: &Config,
) -> Vec<u8> {
    let side = geometry.shape.stream.span(config.rows) as usize;
    let tile = (geometry.stride * config.rows) as usize;
    let mut out = vec![0; geometry.activation_bytes(config)];
    for row in 0..piece.shape.m {
        let (block, within) = (
            row / geometry.tiling.block as usize,
            row % geometry.tiling.block as usize,
        );
        let source = &product.a[(piece.first_row + row) * product.k..][..product.k];
        let base = block * geometry.k_tiles as usize * tile + within * side;
        for (index, values) in source.chunks(side).enumerate() {
            copy(&mut out[base + index * tile..], values);
        }
    }
    out
}

/// Right operand: `[tile of N][tile of K][row of K][cols bytes]`, padded with zeros.
pub(super) fn weights(
    product: &MatMul<'_>,
    piece: &Piece,
    geometry: &Geometry,
    config: &Config,
) -> Vec<u8> {
    let (rows, cols) = (config.rows as usize, config.cols as usize);
    let panel = geometry.k_tiles as usize * rows * cols;
    let (layout, values) = product.b.parts();
    let columns = piece.first_col..piece.first_col + piece.shape.n;
    let mut out = vec![0; geometry.weight_bytes(config)];
    match layout {
        Layout::RowMajor => {
            for k in 0..product.k {
                let source = &values[k * product.n..][columns.clone()];
                for (tile, values) in source.chunks(cols).enumerate() {
                    copy(&mut out[tile * panel + k * cols..], values);
                }
            }
        }
        Layout::Transposed => {
            for (column, n) in columns.enumerate() {
                let base = column / cols * panel + column % cols;
                let source = &values[n * product.k..][..product.k];
                for (value, target) in source.iter().zip(out[base..].iter_mut().step_by(cols)) {
                    *target = *value as u8;
                }
            }
        }
    }
    out
}

/// Column parameters: `[tile of N][cols]`, 8 bytes each.
pub(super) fn columns(
    params: &[ColumnParam],
    piece: &Piece,
    geometry: &Geometry,
    config: &Config,
) -> Vec<u8> {
    let params = &params[piece.first_col..][..piece.shape.n];
    let mut out = vec![0; geometry.n_tiles as usize * config.cols as usize * 8];
    for (entry, param) in out.chunks_exact_mut(8).zip(params) {
        let [scale, bias] = param.to_words();
        entry[..4].copy_from_slice(&scale.to_le_bytes());
        entry[4..].copy_from_slice(&bias.to_le_bytes());
    }
    out
}

/// Row scales: `[block of M][scales of a block]`, 4 bytes each.
pub(super) fn row_scales(scales: &[Dyadic], piece: &Piece, geometry: &Geometry) -> Vec<u8> {
    let scales = &scales[piece.first_row..][..piece.shape.m];
    let block = geometry.scales as usize * 4;
    let mut out = vec![0; geometry.m_blocks as usize * block];
    for (target, scales) in out
        .chunks_exact_mut(block)
        .zip(scales.chunks(geometry.tiling.block as usize))
    {
        for (entry, scale) in target.chunks_exact_mut(4).zip(scales) {
            entry.copy_from_slice(&scale.to_word().to_le_bytes());
        }
    }
    out
}

/// A result of zeros.
pub(super) fn empty(product: &MatMul<'_>) -> Values {
    let len = product.m * product.n;
    match product.format() {
        OutputFormat::I32 => Values::I32(vec![0; len]),
        OutputFormat::I16 => Values::I16(vec![0; len]),
        OutputFormat::I8 => Values::I8(vec![0; len]),
    }
}

/// Copies the result of a piece, `bytes` as the card wrote them, into the result of its job.
pub(super) fn unpack(
    values: &mut Values,
    width: usize,
    piece: &Piece,
    plan: &JobPlan,
    bytes: &[u8],
    config: &Config,
) {
    match values {
        Values::I32(out) => place(out, width, piece, plan, bytes, config, i32::from_le_bytes),
        Values::I16(out) => place(out, width, piece, plan, bytes, config, i16::from_le_bytes),
        Values::I8(out) => place(out, width, piece, plan, bytes, config, i8::from_le_bytes),
    }
}

fn place<T, const BYTES: usize>(
    out: &mut [T],
    width: usize,
    piece: &Piece,
    plan: &JobPlan,
    bytes: &[u8],
    config: &Config,
    read: impl Fn([u8; BYTES]) -> T,
) {
    let cols = config.cols as usize;
    for block in &plan.blocks {
        let first_col = block.tile * cols;
        let used = cols.min(piece.shape.n - first_col);
        for row in 0..block.rows {
            let source = bytes[block.offset + row * cols * BYTES..]
                .as_chunks::<BYTES>()
                .0;
            let start =
                (piece.first_row + block.first_row + row) * width + piece.first_col + first_col;
            for (target, value) in out[start..start + used].iter_mut().zip(source) {
                *target = read(*value);
            }
        }
    }
}

fn copy(target: &mut [u8], values: &[i8]) {
    for (target, value) in target.iter_mut().zip(values) {
        *target = *value as u8;
    }
}
