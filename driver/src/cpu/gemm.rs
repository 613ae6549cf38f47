//! One block of rows of a product: loops over panels, inner blocks and kernels.

use super::kernel::{Kernels, Rows};
use super::left::Left;
use super::lines::Lines;
use super::pack::{Packed, Panel, Run};
use super::step::COLUMNS;
use crate::matmul::Finish;

/// Rows of K of one block, without those that are left out: its part of a panel (at most 16 KiB
/// expanded) stays in the first-level cache while all rows pass.
const BLOCK_DEPTH: usize = 512;

/// A value of a result.
pub trait Element: Copy {
    /// From a value that is known to fit.
    fn narrow(value: i32) -> Self;
}

impl Element for i32 {
    fn narrow(value: i32) -> Self {
        value
    }
}

impl Element for i16 {
    fn narrow(value: i32) -> Self {
        value as Self
    }
}

impl Element for i8 {
    fn narrow(value: i32) -> Self {
        value as Self
    }
}

/// Memory that blocks use one after the other.
#[derive(Default)]
pub struct Scratch {
    prepared: Rows,
    runs: Vec<Run>,
    block: Block,
    sums: Vec<[i32; COLUMNS]>,
}

/// A part of a panel that is multiplied by all rows before the next.
#[derive(Default)]
struct Block {
    runs: Vec<Run>,
    expanded: Lines,
}

/// Multiplies the rows `a` (each `k` long) by `packed` into `out` (each row `n` long).
///
/// Rows of A that are zero, and steps of K in which all of them are, are neither read nor
/// multiplied. `finish` tells of these rows only.
pub fn rows<T: Element>(
    kernels: Kernels,
    scratch: &mut Scratch,
    (k, n): (usize, usize),
    a: &[i8],
    packed: &Packed,
    finish: Finish<'_>,
    out: &mut [T],
) {
    if out.is_empty() {
        return;
    }
    let format = packed.format();
    let left = Left::new(a, out.len() / n, k, format.depth());
    let stream = left.rows() <= kernels.stream_rows(&format);
    if stream {
        kernels.prepare_stream(&left.values, &format, &mut scratch.prepared);
    } else {
        kernels.prepare(&left.values, left.stride, &mut scratch.prepared);
    }
    let meets_all = left.meets_all(&format);
    let mut met: Option<&[Run]> = None;
    for index in 0..n.div_ceil(COLUMNS) {
        let panel = packed.panel(index);
        // Panels without zeros are alike in what they meet.
        if !meets_all && met != Some(panel.runs) {
            left.meet(&panel, &mut scratch.runs);
            met = Some(panel.runs);
        }
        let runs = if meets_all { panel.runs } else { &scratch.runs };
        let sums = &mut scratch.sums;
        sums.clear();
        sums.resize(left.rows(), [0; COLUMNS]);
        if stream {
            for (row, sums) in sums.iter_mut().enumerate() {
                let row = scratch.prepared.row(&left.values, row, left.stride);
                kernels.stream(&panel, runs, row, sums);
            }
        } else {
            let rows = (&scratch.prepared, left.stride);
            multiply(kernels, &mut scratch.block, rows, &panel, runs, sums);
        }
        let first = index * COLUMNS;
        let width = COLUMNS.min(n - first);
        let out = out
            .chunks_exact_mut(n)
            .map(|row| &mut row[first..first + width]);
        let mut sums = scratch.sums.iter();
        let rows = left.kept.iter().zip(out).map(|(kept, out)| {
            let sums = if *kept { sums.next() } else { None };
            (sums.unwrap_or(&[0; COLUMNS]), out)
        });
        match finish {
            Finish::Raw => rows.for_each(|(sums, out)| store(out, sums)),
            Finish::Requantize {
                rows: scales,
                columns,
                format,
            } => {
                let columns = kernels.columns(&columns[first..first + width]);
                for ((sums, out), scale) in rows.zip(scales) {
                    store(out, &kernels.requantize(sums, *scale, &columns, format));
                }
            }
        }
    }
}

/// Multiplies all rows by the runs of a panel, block by block, each expanded once unless it is
/// multiplied as it lies.
fn multiply(
    kernels: Kernels,
    block: &mut Block,
    (prepared, stride): (&Rows, usize),
    panel: &Panel<'_>,
    runs: &[Run],
    sums: &mut Vec<[i32; COLUMNS]>,
) {
    let rows = sums.len();
    sums.resize(rows + kernels.extra_rows(), [0; COLUMNS]);
    let format = panel.format;
    let direct = kernels.direct(&format);
    let mut rest = runs.iter().copied();
    let mut next = rest.next();
    while next.is_some() {
        block.runs.clear();
        let mut room = BLOCK_DEPTH / format.depth();
        while let Some(run) = next
            && room > 0
        {
            let count = run.count.min(room);
            room -= count;
            block.runs.push(Run { count, ..run });
            next = if count < run.count {
                Some(Run {
                    at: run.at + count,
                    k: run.k + count,
                    count: run.count - count,
                })
            } else {
                rest.next()
            };
        }
        let steps = if direct {
            panel.codes
        } else {
            let room = BLOCK_DEPTH / format.depth();
            block.expanded.reserve(room * kernels.expanded(&format));
            kernels.expand(panel, &block.runs, block.expanded.bytes_mut());
            let mut at = 0;
            for run in &mut block.runs {
                run.at = at;
                at += run.count;
            }
            block.expanded.bytes()
        };
        let mut row = 0;
        for sums in sums.chunks_mut(kernels.rows()) {
            kernels.multiply(prepared, row, stride, &format, steps, &block.runs, sums);
            row += sums.len();
        }
    }
    kernels.finish(sums, rows);
}

fn store<T: Element>(out: &mut [T], values: &[i32; COLUMNS]) {
    // A length known while compiling makes the common case one vector store.
    if let Ok(out) = <&mut [T; COLUMNS]>::try_from(&mut *out) {
        *out = values.map(T::narrow);
    } else {
        for (out, value) in out.iter_mut().zip(values) {
            *out = T::narrow(*value);
        }
    }
}
