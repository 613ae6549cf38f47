//! Left operands: a block of rows of A as the kernels read it, and what of it is zero.

use std::borrow::Cow;

use super::pack::{Panel, Run};

/// Rows of A that are not zero, and which steps of K meet anything in them.
pub struct Left<'a> {
    /// Values of a row, a whole number of steps.
    pub stride: usize,
    /// Rows, [`Self::stride`] values each.
    pub values: Cow<'a, [i8]>,
    /// For each row of the block whether it is among [`Self::values`].
    pub kept: Vec<bool>,
    depth: usize,
    live: Option<Vec<bool>>,
    /// For each row, from zero on: sums of the values before each step.
    before: Vec<i32>,
}

impl<'a> Left<'a> {
    /// Looks through `a`, rows of `k` values, for a product in steps of `depth` rows of K.
    pub fn new(a: &'a [i8], count: usize, k: usize, depth: usize) -> Self {
        let stride = k.next_multiple_of(depth);
        let mut any = vec![0; stride];
        let mut kept = vec![false; count];
        if k > 0 {
            for (row, kept) in a.chunks_exact(k).zip(&mut kept) {
                let mut seen = 0;
                for (any, value) in any.iter_mut().zip(row) {
                    *any |= value;
                    seen |= value;
                }
                *kept = seen != 0;
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
        let live: Vec<bool> = any
            .chunks_exact(depth)
            .map(|step| step.iter().any(|value| *value != 0))
            .collect();
        let live = live.contains(&false).then_some(live);
        Self {
            stride,
            values,
            kept,
            depth,
            live,
            before: Vec::new(),
        }
    }

    /// Rows that are there.
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.stride).unwrap_or(0)
    }

    /// Writes the runs of `panel` that meet anything, none of them across a border of groups.
    pub fn meet(&self, panel: &Panel<'_>, runs: &mut Vec<Run>) {
        runs.clear();
        let cut = match panel.format.group {
            0 => usize::MAX,
            group => group / self.depth,
        };
        if cut == usize::MAX && self.live.is_none() {
            runs.extend_from_slice(panel.runs);
            return;
        }
        for run in panel.runs {
            let mut done = 0;
            while done < run.count {
                let k = run.k + done;
                let most = (run.count - done).min(cut - k % cut);
                let count = match &self.live {
                    Some(live) => {
                        let live = &live[k..k + most];
                        let live = live.iter().take_while(|live| **live);
                        live.count()
                    }
                    None => most,
                };
                if count > 0 {
                    let at = run.at + done;
                    runs.push(Run { at, k, count });
                }
                // What ended the run is dead as well, unless it is the end of a group.
                done += if count < most { count + 1 } else { count };
            }
        }
    }

    /// Gets ready to tell sums of values.
    pub fn add_up(&mut self) {
        let steps = self.stride / self.depth;
        self.before.clear();
        for row in self.values.chunks_exact(self.stride.max(1)) {
            let mut sum = 0i32;
            for step in row.chunks_exact(self.depth) {
                self.before.push(sum);
                sum += step.iter().map(|value| i32::from(*value)).sum::<i32>();
            }
            self.before.push(sum);
        }
        debug_assert_eq!(self.before.len(), self.rows() * (steps + 1));
    }

    /// Sum of the values of `row` in `runs`, wrapping; [`Self::add_up`] must have been called.
    pub fn sum(&self, row: usize, runs: &[Run]) -> i32 {
        let steps = self.stride / self.depth;
        let before = &self.before[row * (steps + 1)..][..steps + 1];
        runs.iter().fold(0i32, |sum, run| {
            sum.wrapping_add(before[run.k + run.count])
                .wrapping_sub(before[run.k])
        })
    }
}
