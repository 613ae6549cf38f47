//! The inner loops: a few rows of A times one panel of B.
//!
//! All of them multiply pairs of int16 values into int32, which holds the sum of two products of
//! int8 values whatever they are. Sums wrap, as those of the card do.

use super::pack::{COLUMNS, PAIR};
use super::requant;
use isa::format::OutputFormat;
use isa::numerics::{ColumnParam, Dyadic};

/// Most rows that any kernel takes at once.
const MOST_ROWS: usize = 12;

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

    /// AVX-512 kernels, if this CPU has the foundation and the neural-network instructions.
    #[cfg(target_arch = "x86_64")]
    pub fn avx512_vnni() -> Option<Self> {
        let found = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("avx512f")
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
            Set::Avx512Vnni => MOST_ROWS,
        }
    }

    /// Multiplies up to [`Self::rows`] rows by a slice of a panel into `sums`, [`COLUMNS`] a row.
    ///
    /// Row `r` of A is `a[r * stride..]`; `panel` holds [`PAIR`] values for each pair of inner
    /// indices. The products are added to `sums` if `add`, or else replace them.
    ///
    /// # Panics
    /// If a slice is too short, or there are more rows than a kernel takes.
    pub(super) fn multiply(
        self,
        a: &[i16],
        stride: usize,
        panel: &[i16],
        sums: &mut [[i32; COLUMNS]],
        add: bool,
    ) {
        let rows = sums.len();
        let pairs = panel.len() / PAIR;
        assert!(
            panel.len().is_multiple_of(PAIR),
            "a panel holds whole pairs"
        );
        assert!(
            rows > 0 && rows <= self.rows(),
            "the kernel takes 1..={} rows",
            self.rows()
        );
        assert!(
            a.len() >= (rows - 1) * stride + 2 * pairs,
            "rows of A are too short"
        );
        match self.0 {
            Set::Portable => portable(a, stride, panel, sums, add),
            // SAFETY: the CPU has the features, or this value would not exist; the kernels read
            // `rows` rows of `pairs` pairs, which lie inside `a` by the assertion above.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { x86::avx2(a, stride, panel, sums, add) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni => unsafe { x86::avx512_vnni(a, stride, panel, sums, add) },
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

fn portable(a: &[i16], stride: usize, panel: &[i16], sums: &mut [[i32; COLUMNS]], add: bool) {
    for (row, sums) in sums.iter_mut().enumerate() {
        let a = &a[row * stride..];
        let mut total = if add { *sums } else { [0; COLUMNS] };
        for (pair, panel) in a.chunks_exact(2).zip(panel.chunks_exact(PAIR)) {
            let (even, odd) = (i32::from(pair[0]), i32::from(pair[1]));
            for (total, b) in total.iter_mut().zip(panel.chunks_exact(2)) {
                let products = even * i32::from(b[0]) + odd * i32::from(b[1]);
                *total = total.wrapping_add(products);
            }
        }
        *sums = total;
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{COLUMNS, MOST_ROWS, PAIR};

    /// Calls `$kernel::<rows>` for a number of rows that is known at run time only.
    macro_rules! by_rows {
        ($kernel:ident, $arguments:tt, $rows:expr, $($count:literal)*) => {
            match $rows {
                // SAFETY: the caller's promise.
                $($count => unsafe { $kernel::<$count> $arguments },)*
                _ => unreachable!("more rows than the kernel takes"),
            }
        };
    }

    /// # Safety
    /// The CPU has AVX2 and `a` holds a whole slice for each row of `sums`.
    pub unsafe fn avx2(
        a: &[i16],
        stride: usize,
        panel: &[i16],
        sums: &mut [[i32; COLUMNS]],
        add: bool,
    ) {
        by_rows!(avx2_rows, (a, stride, panel, sums, add), sums.len(), 1 2 3 4 5 6);
    }

    /// # Safety
    /// The CPU has AVX2, `sums` has `ROWS` rows and `a` holds a whole slice for each of them.
    #[target_feature(enable = "avx2")]
    unsafe fn avx2_rows<const ROWS: usize>(
        a: &[i16],
        stride: usize,
        panel: &[i16],
        sums: &mut [[i32; COLUMNS]],
        add: bool,
    ) {
        let (a, sums) = (a.as_ptr(), sums.as_mut_ptr().cast::<__m256i>());
        let mut total = [[_mm256_setzero_si256(); 2]; ROWS];
        for (pair, b) in panel.chunks_exact(PAIR).enumerate() {
            // SAFETY: `b` holds 32 values, and row `row` of A reaches beyond this pair.
            unsafe {
                let b = b.as_ptr().cast::<__m256i>();
                let (low, high) = (_mm256_loadu_si256(b), _mm256_loadu_si256(b.add(1)));
                for (row, total) in total.iter_mut().enumerate() {
                    let a = a.add(row * stride + 2 * pair).cast::<i32>();
                    let a = _mm256_set1_epi32(a.read_unaligned());
                    total[0] = _mm256_add_epi32(total[0], _mm256_madd_epi16(a, low));
                    total[1] = _mm256_add_epi32(total[1], _mm256_madd_epi16(a, high));
                }
            }
        }
        for (row, total) in total.iter().enumerate() {
            for (half, total) in total.iter().enumerate() {
                // SAFETY: `sums` holds two vectors for each of `ROWS` rows.
                unsafe {
                    let target = sums.add(2 * row + half);
                    let old = if add {
                        _mm256_loadu_si256(target)
                    } else {
                        _mm256_setzero_si256()
                    };
                    _mm256_storeu_si256(target, _mm256_add_epi32(old, *total));
                }
            }
        }
    }

    /// # Safety
    /// The CPU has AVX-512 F and VNNI, and `a` holds a whole slice for each row of `sums`.
    pub unsafe fn avx512_vnni(
        a: &[i16],
        stride: usize,
        panel: &[i16],
        sums: &mut [[i32; COLUMNS]],
        add: bool,
    ) {
        const { assert!(MOST_ROWS == 12) };
        by_rows!(
            avx512_rows, (a, stride, panel, sums, add), sums.len(),
            1 2 3 4 5 6 7 8 9 10 11 12
        );
    }

    /// # Safety
    /// The CPU has AVX-512 F and VNNI, `sums` has `ROWS` rows and `a` holds a whole slice for each.
    #[target_feature(enable = "avx512f,avx512vnni")]
    unsafe fn avx512_rows<const ROWS: usize>(
        a: &[i16],
        stride: usize,
        panel: &[i16],
        sums: &mut [[i32; COLUMNS]],
        add: bool,
    ) {
        let (a, sums) = (a.as_ptr(), sums.as_mut_ptr().cast::<__m512i>());
        let mut total = [_mm512_setzero_si512(); ROWS];
        for (pair, b) in panel.chunks_exact(PAIR).enumerate() {
            // SAFETY: `b` holds 32 values, and row `row` of A reaches beyond this pair.
            unsafe {
                let b = _mm512_loadu_si512(b.as_ptr().cast());
                for (row, total) in total.iter_mut().enumerate() {
                    let a = a.add(row * stride + 2 * pair).cast::<i32>();
                    // The instruction without saturation: `vpdpwssd`.
                    *total = _mm512_dpwssd_epi32(*total, _mm512_set1_epi32(a.read_unaligned()), b);
                }
            }
        }
        for (row, total) in total.iter().enumerate() {
            // SAFETY: `sums` holds one vector for each of `ROWS` rows.
            unsafe {
                let target = sums.add(row);
                let old = if add {
                    _mm512_loadu_si512(target.cast())
                } else {
                    _mm512_setzero_si512()
                };
                _mm512_storeu_si512(target.cast(), _mm512_add_epi32(old, *total));
            }
        }
    }
}
