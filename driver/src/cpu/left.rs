//! Left operands: a block of rows of A as the kernels read it, and what of it is zero.

use std::borrow::Cow;
use std::ops::Range;

use super::pack::{Panel, Run};
use super::step::Format;

/// Rows of A that are not zero, and which steps of K meet anything in them.
pub struct Left<'a> {
    /// Values of a row, a whole number of steps.
    pub stride: usize,
    /// Rows, [`Self::stride`] values each.
    pub values: Cow<'a, [i8]>,
    /// For each row of the block whether it is among [`Self::values`].
    pub kept: Vec<bool>,
    /// Steps of K that meet anything, ascending.
    live: Vec<Range<usize>>,
}

impl<'a> Left<'a> {
    /// Looks through `a`, `count` rows of `k` values, for a product in steps of `depth` rows of K.
    pub fn new(a: &'a [i8], count: usize, k: usize, depth: usize) -> Self {
        let stride = k.next_multiple_of(depth);
        let mut any = vec![0; stride];
        let mut kept = vec![false; count];
        if k > 0 {
            for (row, kept) in a.chunks_exact(k).zip(&mut kept) {
                for (any, value) in any.iter_mut().zip(row) {
                    *any |= value;
                }
                // Most rows tell by their first values.
                *kept = row.iter().any(|value| *value != 0);
            }
        }
        let values = if stride == k && kept.iter().all(|kept| *kept) {
            Cow::Borrowed(a)
        } else {
            let rows = a.chunks_exact(k.max(1)).zip(&kept);
            let mut values = Vec::with_capacity(count * stride);
            for (row, _) in rows.filter(|(_, kept)| **kept) {
                values.extend_from_slice(row);
                values.resize(values.len().next_multiple_of(depth), 0);
            }
            Cow::Owned(values)
        };
        Self {
            stride,
            values,
            kept,
            live: live(&any, depth),
        }
    }

    /// Rows that are there.
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.stride).unwrap_or(0)
    }

    /// Whether panels of `format` meet something in all of their runs, which no group cuts.
    pub fn meets_all(&self, format: &Format) -> bool {
        let steps = self.stride / format.depth();
        format.group == 0 && self.live.first() == Some(&(0..steps))
    }

    /// Writes the runs of `panel` that meet anything, none of them across a border of groups.
    pub fn meet(&self, panel: &Panel<'_>, runs: &mut Vec<Run>) {
        runs.clear();
        let format = panel.format;
        let group = format.group / format.depth();
        let mut live = self.live.iter().peekable();
        for run in panel.runs {
            while let Some(range) = live.peek() {
                let (mut k, end) = (range.start.max(run.k), range.end.min(run.k + run.count));
                while k < end {
                    let count = match group {
                        0 => end - k,
                        // A power of two.
                        _ => (end - k).min(group - (k & (group - 1))),
                    };
                    let at = run.at + k - run.k;
                    runs.push(Run { at, k, count });
                    k += count;
                }
                if range.end > run.k + run.count {
                    // It may meet the next run as well.
                    break;
                }
                live.next();
            }
        }
    }
}

/// Steps of `depth` values of which any is not zero.
fn live(any: &[i8], depth: usize) -> Vec<Range<usize>> {
    let mut live: Vec<Range<usize>> = Vec::new();
    if !any.contains(&0) {
        live.push(0..any.len() / depth);
        return live;
    }
    for (step, values) in any.chunks_exact(depth).enumerate() {
        if values.iter().all(|value| *value == 0) {
            continue;
        }
        match live.last_mut() {
            Some(last) if last.end == step => last.end += 1,
            _ => live.push(step..step + 1),
        }
    }
    live
}
