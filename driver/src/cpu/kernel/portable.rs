//! Kernels in plain Rust.

use super::{Panel, Run, scales};
use crate::cpu::step::{self, COLUMNS, Format, INDEX_BYTES, STEP};

/// Multiplies one row by packed steps.
pub fn stream(panel: &Panel<'_>, runs: &[Run], a: &[i8], sums: &mut [i32; COLUMNS]) {
    let format = panel.format;
    // Pairs of products, as vectors of any instruction set add them up.
    let mut totals = [0i32; STEP / 2];
    for run in runs {
        let scales = scales(panel, run);
        let a = &a[run.k * format.depth()..][..run.count * format.depth()];
        for (step, a) in steps(panel, run).zip(a.chunks_exact(format.depth())) {
            let weights = weights(&format, step, scales);
            let mut left = [0; STEP];
            if format.sparse {
                let indices = indices(step);
                for (place, left) in left.iter_mut().enumerate() {
                    *left = i16::from(a[place % 4 / 2 * 4 + usize::from(indices[place])]);
                }
            } else {
                let four = [a[0], a[1], a[2], a[3]].map(i16::from);
                for left in left.chunks_exact_mut(4) {
                    left.copy_from_slice(&four);
                }
            }
            for (pair, total) in totals.iter_mut().enumerate() {
                let product = |at: usize| i32::from(weights[at]) * i32::from(left[at]);
                *total = total.wrapping_add(product(2 * pair) + product(2 * pair + 1));
            }
        }
    }
    for (sum, pairs) in sums.iter_mut().zip(totals.chunks_exact(2)) {
        *sum = sum.wrapping_add(pairs[0]).wrapping_add(pairs[1]);
    }
}

/// Writes dense steps of int16: values 0 and 2 of the four of each column, then values 1 and 3.
pub fn expand(panel: &Panel<'_>, runs: &[Run], out: &mut [u8]) {
    let format = panel.format;
    let mut out = out.chunks_exact_mut(2 * STEP);
    for run in runs {
        let scales = scales(panel, run);
        for step in steps(panel, run) {
            let weights = weights(&format, step, scales);
            if format.sparse {
                let mut dense = [[0; STEP]; 2];
                for (place, index) in indices(step).into_iter().enumerate() {
                    let (column, four) = (place / 4, place % 4 / 2);
                    // Two places of padding may name the same value; both hold zeros then.
                    dense[four][4 * column + usize::from(index)] += weights[place];
                }
                for (dense, out) in dense.iter().zip(&mut out) {
                    write(dense, out);
                }
            } else if let Some(out) = out.next() {
                write(&weights, out);
            }
        }
    }
}

/// The bytes of each step of `run`.
fn steps<'a>(panel: &Panel<'a>, run: &Run) -> impl Iterator<Item = &'a [u8]> {
    let bytes = panel.format.bytes();
    panel.codes[run.at * bytes..][..run.count * bytes].chunks_exact(bytes)
}

/// Indices of a step of a 2:4 matrix.
fn indices(step: &[u8]) -> [u8; STEP] {
    step::unpack(2, &step[step.len() - INDEX_BYTES..])
}

/// The weights of a step, by [`isa::weights::widen`].
fn weights(format: &Format, step: &[u8], scales: &[u8]) -> [i16; STEP] {
    let codes = match step.first_chunk() {
        Some(codes) if format.bits == 8 => *codes,
        _ => step::unpack(format.bits, step),
    };
    let raise = format.raise();
    let mut weights = codes.map(|code| i16::from(code.wrapping_sub(raise) as i8));
    for (column, scale) in weights.chunks_exact_mut(4).zip(scales) {
        for weight in column {
            // At most 128 * 255 + 4.
            *weight = ((*weight * i16::from(*scale) + 4) >> 3).clamp(-127, 127);
        }
    }
    weights
}

fn write(weights: &[i16; STEP], out: &mut [u8]) {
    let (even, odd) = out.split_at_mut(STEP);
    let out = even.chunks_exact_mut(4).zip(odd.chunks_exact_mut(4));
    for (column, (even, odd)) in weights.chunks_exact(4).zip(out) {
        even[..2].copy_from_slice(&column[0].to_ne_bytes());
        even[2..].copy_from_slice(&column[2].to_ne_bytes());
        odd[..2].copy_from_slice(&column[1].to_ne_bytes());
        odd[2..].copy_from_slice(&column[3].to_ne_bytes());
    }
}

/// Widens values of A, the middle two of each four swapped.
pub fn widen(values: &[i8], target: &mut [i16]) {
    for (four, target) in values.chunks_exact(4).zip(target.chunks_exact_mut(4)) {
        target.copy_from_slice(&[four[0], four[2], four[1], four[3]].map(i16::from));
    }
}

/// Multiplies rows of int16 by such steps, of which one or two make up `depth` rows of K.
pub fn multiply(
    a: &[i16],
    stride: usize,
    block: &[u8],
    depth: usize,
    runs: &[Run],
    sums: &mut [[i32; COLUMNS]],
) {
    for (row, sums) in sums.iter_mut().enumerate() {
        let mut total = *sums;
        for run in runs {
            let a = &a[row * stride + depth * run.k..][..depth * run.count];
            let steps = block[depth / 2 * STEP * run.at..].chunks_exact(STEP);
            for (pair, values) in a.chunks_exact(2).zip(steps) {
                let (even, odd) = (i32::from(pair[0]), i32::from(pair[1]));
                for (total, b) in total.iter_mut().zip(values.chunks_exact(4)) {
                    let first = i32::from(i16::from_ne_bytes([b[0], b[1]]));
                    let second = i32::from(i16::from_ne_bytes([b[2], b[3]]));
                    *total = total.wrapping_add(even * first + odd * second);
                }
            }
        }
        *sums = total;
    }
}
