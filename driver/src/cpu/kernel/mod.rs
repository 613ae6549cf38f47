//! The inner loops: a few rows of A times the steps of one panel of B.
//!
//! None of them saturates, whatever the values; sums wrap, as those of the card do. A row or two
//! are multiplied by packed steps, which are unpacked in registers and read once
//! ([`Kernels::stream`]); for more rows, steps are expanded first, once for all of them
//! ([`Kernels::expand`], [`Kernels::multiply`]).

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod dispatch;
mod portable;

use isa::format::OutputFormat;
use isa::numerics::{ColumnParam, Dyadic};

use super::pack::{Panel, Run};
use super::requant;
use super::step::{COLUMNS, Format, STEP};

/// Bytes from a step that is read to one that is fetched meanwhile: the CPU foresees a single
/// stream by itself, but begins anew with each panel.
#[cfg(target_arch = "x86_64")]
const AHEAD: usize = 2048;

/// A set of kernels; a value exists only where the CPU can run them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
}

impl Kernels {
    /// Plain Rust, for any CPU.
    pub const PORTABLE: Self = Self(Set::Portable);

    /// AVX2 kernels, if this CPU has AVX2.
    #[cfg(target_arch = "x86_64")]
    pub fn avx2() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(Set::Avx2))
    }

    /// AVX-512 kernels, if this CPU has the foundation, those on
    /// bytes and the neural-network instructions.
    #[cfg(target_arch = "x86_64")]
    pub fn avx512_vnni() -> Option<Self> {
        let found = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni");
        found.then_some(Self(Set::Avx512Vnni))
    }

    /// Every set that this CPU can run, the slowest first.
    pub fn available() -> Vec<Self> {
        let mut sets = vec![Self::PORTABLE];
        #[cfg(target_arch = "x86_64")]
        sets.extend([Self::avx2(), Self::avx512_vnni()].into_iter().flatten());
        sets
    }

    /// The fastest set that this CPU can run.
    pub fn best() -> Self {
        Self::available().pop().unwrap_or(Self::PORTABLE)
    }

    /// Name for people.
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni => "avx512-vnni",
        }
    }

    /// Rows that a full call of [`Self::multiply`] takes.
    pub(super) fn rows(self) -> usize {
        match self.0 {
            Set::Portable => 4,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => 6,
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni => 12,
        }
    }

    /// Most rows for which [`Self::stream`] is faster than [`Self::expand`] and
    /// [`Self::multiply`].
    pub(super) fn stream_rows(self, format: &Format) -> usize {
        match self.0 {
            // Plain int8 is multiplied as it lies, whatever the number of rows.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni if self.direct(format) => 1,
            _ => 2,
        }
    }

    /// Whether [`Self::multiply`] reads panels of `format` as they lie.
    pub(super) fn direct(self, format: &Format) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni => format.bits == 8 && !format.sparse && format.group == 0,
            _ => false,
        }
    }

    /// Whether [`Self::stream`] reads rows of A widened to int16 beside their bytes.
    fn streams_wide(self, format: &Format) -> bool {
        self.0 != Set::Portable && !format.sparse && (format.group != 0 || format.lowest)
    }

    /// Rows of A as [`Self::stream`] reads them, from rows of `stride` values, a multiple of 4.
    pub(super) fn prepare_stream(self, values: &[i8], format: &Format, rows: &mut Rows) {
        match self.0 {
            // SAFETY: both sets include AVX2.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 | Set::Avx512Vnni if self.streams_wide(format) => unsafe {
                avx2::widen_left(values, &mut rows.wide);
            },
            _ => rows.wide.clear(),
        }
    }

    /// Rows of A as [`Self::multiply`] reads them, from rows of `stride` values, a multiple of 4.
    pub(super) fn prepare(self, values: &[i8], stride: usize, rows: &mut Rows) {
        match self.0 {
            Set::Portable => {
                rows.wide.resize(values.len(), 0);
                portable::widen(values, &mut rows.wide);
            }
            // SAFETY: the CPU has the features, or this value would not exist.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { avx2::widen_left(values, &mut rows.wide) },
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni => {
                rows.raised.clear();
                rows.raised
                    .extend(values.iter().map(|value| *value as u8 ^ 0x80));
                rows.raised.resize(values.len() + stride, 0x80);
            }
        }
    }

    /// Rows that [`Self::prepare`] adds to those of A, of zeros.
    pub(super) fn extra_rows(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni => 1,
            _ => 0,
        }
    }

    /// Makes the sums of `rows` rows of those that [`Self::multiply`] gave for them and for the
    /// extra rows: what is too much for a row of zeros is too much for all.
    pub(super) fn finish(self, sums: &mut Vec<[i32; COLUMNS]>, rows: usize) {
        let excess = sums.get(rows).copied();
        sums.truncate(rows);
        if let Some(excess) = excess {
            for sum in sums.iter_mut() {
                for (sum, excess) in sum.iter_mut().zip(excess) {
                    *sum = sum.wrapping_sub(excess);
                }
            }
        }
    }

    /// Multiplies one row `a` by the `runs` of `panel`, unpacking in registers, and adds the
    /// products to `sums`. No run may cross a border of groups.
    ///
    /// # Panics
    /// If a slice is too short.
    pub(super) fn stream(
        self,
        panel: &Panel<'_>,
        runs: &[Run],
        a: Row<'_>,
        sums: &mut [i32; COLUMNS],
    ) {
        check_runs(panel, runs);
        let reach = reach(runs) * panel.format.depth();
        assert!(
            reach <= a.bytes.len() && (reach <= a.wide.len() || !self.streams_wide(&panel.format)),
            "the row of A is too short"
        );
        match self.0 {
            Set::Portable => portable::stream(panel, runs, a.bytes, sums),
            // SAFETY: the CPU has the features, or this value would not exist; the runs lie inside
            // of the codes, their scales inside of the scales, and the row reaches beyond them, by
            // the assertions above.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { avx2::stream(panel, runs, a, sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni => unsafe { avx512::stream(panel, runs, a, sums) },
        }
    }

    /// Writes the steps of `runs` as [`Self::multiply`] reads them, one after the other. No run may
    /// cross a border of groups.
    ///
    /// # Panics
    /// If a slice is too short.
    pub(super) fn expand(self, panel: &Panel<'_>, runs: &[Run], out: &mut [u8]) {
        check_runs(panel, runs);
        let steps: usize = runs.iter().map(|run| run.count).sum();
        assert!(
            out.len() >= steps * self.expanded(&panel.format),
            "the expanded steps do not fit"
        );
        match self.0 {
            Set::Portable => portable::expand(panel, runs, out),
            // SAFETY: the CPU has the features, or this value would not exist; the runs lie inside
            // of the codes, their scales inside of the scales, and `out` holds the result, by the
            // assertions above.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { avx2::expand(panel, runs, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni => unsafe { avx512::expand(panel, runs, out) },
        }
    }

    /// Bytes of an expanded step: values of one or two bytes; one of a 2:4 matrix has as many of
    /// the places of what they meet, or is two dense ones.
    pub(super) fn expanded(self, format: &Format) -> usize {
        let bytes = match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni => STEP,
            _ => 2 * STEP,
        };
        format.depth() / 4 * bytes
    }

    /// Multiplies rows of A from `first` on, up to [`Self::rows`] of them, by the `runs` of
    /// expanded steps of `format` in `block`, and adds the products to `sums`.
    ///
    /// A step of a 2:4 matrix is multiplied as it is kept, by values of A that `vpshufb` picks for
    /// each of its codes: a shuffle more a row for half of the products. Against dense int8, 128
    /// rows of 1536 by 384 went 1.2 times as fast with AVX2 and 1.4 times with AVX-512 on a Zen 5.
    /// Plain Rust has no such shuffle, and multiplies what the step expands to.
    ///
    /// # Panics
    /// If a slice is too short, or there are more rows than a kernel takes.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn multiply(
        self,
        rows: &Rows,
        first: usize,
        stride: usize,
        format: &Format,
        block: &[u8],
        runs: &[Run],
        sums: &mut [[i32; COLUMNS]],
    ) {
        let count = sums.len();
        assert!(
            count > 0 && count <= self.rows(),
            "the kernel takes 1..={} rows",
            self.rows()
        );
        assert!(
            runs.iter()
                .all(|run| (run.at + run.count) * self.expanded(format) <= block.len()),
            "the runs reach beyond the block"
        );
        let Rows { wide, raised } = rows;
        let from = first * stride;
        // Up to the last value that the last row meets.
        let to = from + (count - 1) * stride + reach(runs) * format.depth();
        match self.0 {
            Set::Portable => {
                portable::multiply(&wide[from..to], stride, block, format.depth(), runs, sums);
            }
            // SAFETY: the CPU has the features, or this value would not exist; the runs lie inside
            // of the block by the assertion above, and inside of the rows of A as cut here.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe {
                avx2::multiply(&wide[from..to], stride, block, format.sparse, runs, sums);
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni => unsafe {
                avx512::multiply(&raised[from..to], stride, block, format.sparse, runs, sums);
            },
        }
    }

    /// Requantises one row of sums by its columns, of which there are at most [`COLUMNS`].
    pub(super) fn requantize(
        self,
        sums: &[i32; COLUMNS],
        row: Dyadic,
        columns: &requant::Columns<'_>,
        format: OutputFormat,
    ) -> [i32; COLUMNS] {
        match self.0 {
            Set::Portable => requant::portable(sums, row, columns, format),
            // SAFETY: both sets include AVX2.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 | Set::Avx512Vnni => unsafe { requant::avx2(sums, row, columns, format) },
        }
    }

    /// Column parameters in the form that [`Self::requantize`] reads.
    pub(super) fn columns(self, columns: &[ColumnParam]) -> requant::Columns<'_> {
        requant::Columns::new(columns)
    }
}

/// Rows of A as [`Kernels::prepare`] leaves them, in one form or the other.
#[derive(Default)]
pub(super) struct Rows {
    /// int16, the middle two of each four swapped: wide kernels multiply pairs, and a byte is
    /// widened fastest within its own 16 bits, where its neighbour is two values off.
    wide: Vec<i16>,
    /// Bytes raised by 128 to have no sign.
    raised: Vec<u8>,
}

impl Rows {
    /// Row `index` of those that [`Kernels::prepare_stream`] made of `values`.
    pub(super) fn row<'a>(&'a self, values: &'a [i8], index: usize, stride: usize) -> Row<'a> {
        Row {
            bytes: &values[index * stride..][..stride],
            wide: self
                .wide
                .get(index * stride..(index + 1) * stride)
                .unwrap_or(&[]),
        }
    }
}

/// One row of A: as it came, and widened where that is asked for.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    bytes: &'a [i8],
    wide: &'a [i16],
}

/// Steps of K up to the end of the last run.
fn reach(runs: &[Run]) -> usize {
    let ends = runs.iter().map(|run| run.k + run.count);
    ends.max().unwrap_or(0)
}

/// Asserts that the steps and scales of `runs` are there.
fn check_runs(panel: &Panel<'_>, runs: &[Run]) {
    let Format { group, .. } = panel.format;
    for run in runs {
        assert!(
            (run.at + run.count) * panel.format.bytes() <= panel.codes.len(),
            "a run reaches beyond its panel"
        );
        if group != 0 {
            let of = |k| panel.format.group_of(k);
            assert!(
                of(run.k) == of(run.k + run.count - 1)
                    && (of(run.k) + 1) * COLUMNS <= panel.scales.len(),
                "the steps of a run share a scale"
            );
        }
    }
}

/// Scales of the columns of `panel` for `run`; empty without groups.
fn scales<'a>(panel: &Panel<'a>, run: &Run) -> &'a [u8] {
    match panel.format.group {
        0 => &[],
        _ => &panel.scales[panel.format.group_of(run.k) * COLUMNS..][..COLUMNS],
    }
}
