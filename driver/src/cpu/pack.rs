//! Operands in the order in which the kernels read them.

use crate::matmul::Layout;

/// Columns of a panel.
pub const COLUMNS: usize = 16;

/// int16 values of one pair of inner indices in a panel.
pub const PAIR: usize = 2 * COLUMNS;

/// A right operand, widened to int16 and cut into panels of [`COLUMNS`] columns.
///
/// A panel holds, for each pair of inner indices, the two values of each column side by side, as
/// `vpmaddwd` wants them. Missing columns and an odd last index are filled with zeros.
#[derive(Debug)]
pub struct Panels {
    pairs: usize,
    values: Vec<i16>,
}

impl Panels {
    /// Packs a `k x n` operand.
    pub fn pack(k: usize, n: usize, layout: Layout, source: &[i8]) -> Self {
        let pairs = k.div_ceil(2);
        let mut values = vec![0; n.div_ceil(COLUMNS) * pairs * PAIR];
        if pairs == 0 {
            return Self { pairs, values };
        }
        for (index, panel) in values.chunks_exact_mut(pairs * PAIR).enumerate() {
            let first = index * COLUMNS;
            let width = COLUMNS.min(n - first);
            match layout {
                Layout::RowMajor => pack_rows(panel, &source[first..], k, n, width),
                Layout::Transposed => pack_columns(panel, &source[first * k..], k, width),
            }
        }
        Self { pairs, values }
    }

    /// Pairs of inner indices.
    pub fn pairs(&self) -> usize {
        self.pairs
    }

    /// Values of panel `index`, [`Self::pairs`] times [`PAIR`] of them.
    pub fn panel(&self, index: usize) -> &[i16] {
        &self.values[index * self.pairs * PAIR..][..self.pairs * PAIR]
    }
}

/// Fills a panel from rows of `stride` values, of which the first `width` belong to the panel.
fn pack_rows(panel: &mut [i16], source: &[i8], k: usize, stride: usize, width: usize) {
    for (pair, target) in panel.chunks_exact_mut(PAIR).enumerate() {
        let even = &source[2 * pair * stride..][..width];
        if 2 * pair + 1 < k {
            let odd = &source[(2 * pair + 1) * stride..][..width];
            for ((target, even), odd) in target.chunks_exact_mut(2).zip(even).zip(odd) {
                target[0] = i16::from(*even);
                target[1] = i16::from(*odd);
            }
        } else {
            for (target, even) in target.chunks_exact_mut(2).zip(even) {
                target[0] = i16::from(*even);
            }
        }
    }
}

/// Fills a panel from `width` columns of `k` values each, one after the other.
fn pack_columns(panel: &mut [i16], source: &[i8], k: usize, width: usize) {
    for (column, values) in source.chunks_exact(k).take(width).enumerate() {
        for (target, pair) in panel.chunks_exact_mut(PAIR).zip(values.chunks(2)) {
            for (target, value) in target[2 * column..].iter_mut().zip(pair) {
                *target = i16::from(*value);
            }
        }
    }
}

/// Widens `rows` of `k` values each to int16, a zero after each row of odd length.
pub fn widen_rows(rows: &[i8], k: usize, target: &mut Vec<i16>) {
    target.clear();
    if k.is_multiple_of(2) {
        target.extend(rows.iter().map(|value| i16::from(*value)));
        return;
    }
    for row in rows.chunks_exact(k) {
        target.extend(row.iter().map(|value| i16::from(*value)));
        target.push(0);
    }
}
