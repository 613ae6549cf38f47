//! Kernels in plain Rust.

use isa::weights::widen;

use super::{Panel, Run, scales};
use crate::cpu::step::{self, COLUMNS, INDEX_BYTES, STEP};

/// Writes dense steps of int16: values 0 and 2 of the four of each column, then values 1 and 3.
pub fn expand(panel: &Panel<'_>, runs: &[Run], out: &mut [u8]) {
    let format = panel.format;
    let mut out = out.chunks_exact_mut(2 * STEP);
    for run in runs {
        let scales = scales(panel, run);
        let bytes = format.bytes();
        for step in panel.codes[run.at * bytes..][..run.count * bytes].chunks_exact(bytes) {
            let codes = step::unpack(format.bits, step);
            let value = |place: usize| {
                let code = codes[place].wrapping_sub(format.raise()) as i8;
                widen(code, scales.get(place / 4).copied())
            };
            if format.sparse {
                let indices = step::unpack(2, &step[bytes - INDEX_BYTES..]);
                let mut dense = [[0; STEP]; 2];
                for (place, index) in indices.into_iter().enumerate() {
                    let (column, four) = (place / 4, place % 4 / 2);
                    // Two places of padding may name the same value; both hold zeros then.
                    dense[four][4 * column + usize::from(index)] += value(place);
                }
                for (dense, out) in dense.iter().zip(&mut out) {
                    write(out, |place| dense[place]);
                }
            } else if let Some(out) = out.next() {
                write(out, value);
            }
        }
    }
}

fn write(out: &mut [u8], value: impl Fn(usize) -> i8) {
    for (at, out) in out.chunks_exact_mut(2).enumerate() {
        let (half, column, odd) = (at / (2 * COLUMNS), at / 2 % COLUMNS, at % 2);
        let wide = i16::from(value(4 * column + half + 2 * odd));
        out.copy_from_slice(&wide.to_ne_bytes());
    }
}

/// Multiplies rows of int16 by such steps.
pub fn multiply(a: &[i16], stride: usize, block: &[u8], runs: &[Run], sums: &mut [[i32; COLUMNS]]) {
    for (row, sums) in sums.iter_mut().enumerate() {
        let mut total = *sums;
        for run in runs {
            let a = &a[row * stride + 4 * run.k..][..4 * run.count];
            let steps = block[2 * STEP * run.at..].chunks_exact(STEP);
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
