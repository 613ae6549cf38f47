//! Products without what is zero in their activations: rows, and columns together with the rows of
//! weights that only they meet.
//!
//! Leaving zeros out changes no integer. It is what makes activation thresholding
//! ([`isa::numerics::threshold`]) worth its while: what it sets to zero is neither fetched nor
//! computed.

use isa::format::OutputFormat;
use isa::numerics::{ColumnParam, Dyadic, requantize};

use crate::encoding::{BlockMap, Encoding};
use crate::matmul::{Finish, Layout, MatMul, Rhs, Values, Weights};

/// What is left of a product.
pub(super) enum Left {
    /// All of it: too little is zero.
    Whole,
    /// Nothing.
    Nothing,
    /// A smaller product.
    Part(Box<Compact>),
}

/// A product without zeros.
pub(super) struct Compact {
    a: Vec<i8>,
    /// Rows of A that are left.
    rows: Vec<usize>,
    k: usize,
    /// The weights that are left, if not all.
    weights: Option<Right>,
    scales: Vec<Dyadic>,
}

enum Right {
    Once(Layout, Vec<i8>),
    Kept(Weights),
}

/// Looks for zeros in the activations of `job`.
pub(super) fn compact(job: &MatMul<'_>) -> Left {
    let MatMul { m, k, .. } = *job;
    if m == 0 || k == 0 {
        return Left::Whole;
    }
    let rows: Vec<usize> = (0..m)
        .filter(|row| job.a[row * k..][..k].iter().any(|value| *value != 0))
        .collect();
    if rows.is_empty() {
        return Left::Nothing;
    }
    let unit = unit(job);
    let groups: Vec<usize> = (0..k.div_ceil(unit))
        .filter(|group| {
            let columns = group * unit..(group * unit + unit).min(k);
            rows.iter().any(|row| {
                job.a[row * k..][columns.clone()]
                    .iter()
                    .any(|value| *value != 0)
            })
        })
        .collect();
    let left: usize = groups.iter().map(|group| unit.min(k - group * unit)).sum();
    // Weights that the card keeps must be brought to it anew when some of them are left out.
    let worth = match job.b {
        Rhs::Once(..) => left * 16 <= k * 15,
        Rhs::Kept(_) => left * 4 <= k * 3,
    };
    if !worth && rows.len() * 16 > m * 15 {
        return Left::Whole;
    }
    let weights = worth.then(|| job.b.select(job, unit, &groups));
    let kept: Vec<usize> = match worth {
        true => groups
            .iter()
            .flat_map(|group| group * unit..(group * unit + unit).min(k))
            .collect(),
        false => (0..k).collect(),
    };
    let a = rows
        .iter()
        .flat_map(|row| kept.iter().map(move |column| job.a[row * k + column]))
        .collect();
    let scales = match job.finish {
        Finish::Raw => vec![],
        Finish::Requantize { rows: scales, .. } => rows.iter().map(|row| scales[*row]).collect(),
    };
    Left::Part(Box::new(Compact {
        a,
        rows,
        k: kept.len(),
        weights,
        scales,
    }))
}

/// Values of K that only leave together.
fn unit(job: &MatMul<'_>) -> usize {
    let Some(encoding) = job.encoding() else {
        return 1;
    };
    // Groups are multiples of four.
    let unit = match (encoding.group, &encoding.indices) {
        (0, None) => 1,
        (0, Some(_)) => 4,
        (group, _) => group,
    };
    match &encoding.blocks {
        None => unit,
        Some(blocks) => least_common_multiple(unit, blocks.k).unwrap_or(job.k),
    }
}

/// `None` when it does not fit.
fn least_common_multiple(a: usize, b: usize) -> Option<usize> {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    (a / x).checked_mul(b)
}

impl Rhs<'_> {
    /// The groups of `unit` values of K that are left.
    fn select(self, job: &MatMul<'_>, unit: usize, groups: &[usize]) -> Right {
        if let Some(encoding) = job.encoding()
            && let Ok(weights) = Weights::encoded(select_encoding(encoding, unit, groups))
        {
            return Right::Kept(weights.for_once());
        }
        let (layout, values) = self.parts();
        let rows = groups
            .iter()
            .flat_map(|group| group * unit..(group * unit + unit).min(job.k));
        let values = match layout {
            Layout::RowMajor => rows
                .flat_map(|row| &values[row * job.n..][..job.n])
                .copied()
                .collect(),
            Layout::Transposed => {
                let rows: Vec<usize> = rows.collect();
                values
                    .chunks_exact(job.k)
                    .flat_map(|column| rows.iter().map(move |row| column[*row]))
                    .collect()
            }
        };
        Right::Once(layout, values)
    }
}

/// The groups of an encoding; `unit` is a multiple of what belongs together in it.
fn select_encoding(from: &Encoding, unit: usize, groups: &[usize]) -> Encoding {
    let n = from.n;
    // Rows of a table that has one for each `of` values of K.
    let rows = |of: usize| {
        let all = from.k.div_ceil(of);
        let each = unit / of;
        groups
            .iter()
            .flat_map(move |group| group * each..(group * each + each).min(all))
    };
    fn pick<T: Copy>(table: &[T], n: usize, rows: impl Iterator<Item = usize>) -> Vec<T> {
        rows.flat_map(|row| &table[row * n..][..n])
            .copied()
            .collect()
    }
    let kept: Vec<usize> = match from.indices {
        None => rows(1).collect(),
        Some(_) => rows(4).flat_map(|four| [2 * four, 2 * four + 1]).collect(),
    };
    let k = rows(1).count();
    let blocks = from.blocks.as_ref().map(|blocks| {
        let view = from.view();
        let across = n.div_ceil(blocks.n);
        let there: Vec<bool> = rows(blocks.k)
            .flat_map(|row| (0..across).map(move |column| (row, column)))
            .map(|(row, column)| {
                view.blocks
                    .is_some_and(|blocks| blocks.holds(row, column, n))
            })
            .collect();
        let mut bitmap = vec![0; there.len().div_ceil(8)];
        for (bit, _) in there.iter().enumerate().filter(|(_, there)| **there) {
            bitmap[bit / 8] |= 1 << (bit % 8);
        }
        BlockMap {
            k: blocks.k,
            n: blocks.n,
            bitmap,
        }
    });
    Encoding {
        k,
        n,
        bits: from.bits,
        codes: pick(&from.codes, n, kept.iter().copied()),
        indices: from
            .indices
            .as_ref()
            .map(|indices| pick(indices, n, kept.iter().copied())),
        group: from.group,
        scales: match from.group {
            0 => vec![],
            group => pick(&from.scales, n, rows(group)),
        },
        blocks,
    }
}

impl Compact {
    /// The product that is left.
    pub(super) fn job<'a>(&'a self, whole: &MatMul<'a>) -> MatMul<'a> {
        MatMul {
            m: self.rows.len(),
            k: self.k,
            a: &self.a,
            b: match &self.weights {
                None => whole.b,
                Some(Right::Once(layout, values)) => Rhs::Once(*layout, values),
                Some(Right::Kept(weights)) => Rhs::Kept(weights),
            },
            finish: match whole.finish {
                Finish::Raw => Finish::Raw,
                Finish::Requantize {
                    columns, format, ..
                } => Finish::Requantize {
                    rows: &self.scales,
                    columns,
                    format,
                },
            },
            ..*whole
        }
    }

    /// The result of the whole product from that of what is left: rows of zeros give what the
    /// biases say.
    pub(super) fn spread(&self, whole: &MatMul<'_>, values: Values) -> Values {
        let n = whole.n;
        let empty: Vec<i32> = match whole.finish {
            Finish::Raw => vec![0; n],
            Finish::Requantize {
                columns, format, ..
            } => columns
                .iter()
                .map(|column| of_nothing(*column, format))
                .collect(),
        };
        match values {
            Values::I32(values) => Values::I32(self.rows(whole.m, &empty, &values, |it| it)),
            Values::I16(values) => Values::I16(self.rows(whole.m, &empty, &values, |it| it as i16)),
            Values::I8(values) => Values::I8(self.rows(whole.m, &empty, &values, |it| it as i8)),
        }
    }

    fn rows<T: Copy>(
        &self,
        m: usize,
        empty: &[i32],
        values: &[T],
        narrow: impl Fn(i32) -> T,
    ) -> Vec<T> {
        let n = empty.len();
        let empty: Vec<T> = empty.iter().map(|value| narrow(*value)).collect();
        let mut out = Vec::with_capacity(m * n);
        let mut left = self.rows.iter().zip(values.chunks_exact(n)).peekable();
        for row in 0..m {
            match left.next_if(|(place, _)| **place == row) {
                Some((_, values)) => out.extend_from_slice(values),
                None => out.extend_from_slice(&empty),
            }
        }
        out
    }
}

/// A sum of nothing, requantised; its row's scale does not matter.
fn of_nothing(column: ColumnParam, format: OutputFormat) -> i32 {
    requantize(0, Dyadic::ONE, column, format)
}
