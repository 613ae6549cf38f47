//! Kernels of AVX2.
//!
//! `vpmaddubsw` multiplies bytes without a sign by bytes with one and saturates sums of two
//! products at 16 bits. Codes of up to seven bits, raised, stay below that whatever A holds. Eight
//! bits do where the weight carries the sign of both and A none, as long as no weight is -128,
//! whose sign cannot be turned. All else is multiplied in 16 bits.

use std::arch::x86_64::*;

use super::dispatch::{BOUNDED, PLAIN, by_format, by_rows};
use super::{AHEAD, Panel, Row, Run, portable, scales};
use crate::cpu::step::{COLUMNS, INDEX_BYTES, STEP, raise, step_bytes};

/// Sums of one panel, or a step of bytes: the lower eight columns and the upper.
type Halves = [__m256i; 2];

/// # Safety
/// The CPU has AVX2; the runs lie inside of the panel and of `a`.
pub unsafe fn stream(panel: &Panel<'_>, runs: &[Run], a: Row<'_>, sums: &mut [i32; COLUMNS]) {
    by_format!(panel, stream_format, (panel, runs, a, sums));
}

/// # Safety
/// As [`stream`], of the panel's own format.
#[target_feature(enable = "avx2")]
unsafe fn stream_format<const BITS: u8, const SPARSE: bool, const SCALE: u8>(
    panel: &Panel<'_>,
    runs: &[Run],
    a: Row<'_>,
    sums: &mut [i32; COLUMNS],
) {
    // SAFETY: the caller's promise.
    let total = unsafe {
        if SCALE != PLAIN || panel.format.lowest {
            stream_wide::<BITS, SPARSE, SCALE>(panel, runs, a)
        } else if SPARSE || BITS == 8 {
            stream_signed::<BITS, SPARSE>(panel, runs, a.bytes)
        } else {
            stream_raised::<BITS>(panel, runs, a.bytes)
        }
    };
    for (half, total) in total.into_iter().enumerate() {
        // SAFETY: `sums` holds two vectors.
        unsafe {
            let sums = sums.as_mut_ptr().cast::<__m256i>().add(half);
            _mm256_storeu_si256(sums, _mm256_add_epi32(_mm256_loadu_si256(sums), total));
        }
    }
}

/// Dense codes of up to seven bits, raised.
///
/// # Safety
/// As [`stream`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn stream_raised<const BITS: u8>(panel: &Panel<'_>, runs: &[Run], a: &[i8]) -> Halves {
    // Sums of two products that 16 bits hold: a product is at most (2^BITS - 1) * 128.
    let most = (128 / ((1usize << BITS) - 1)).max(1);
    let ones = _mm256_set1_epi16(1);
    let mut totals = [_mm256_setzero_si256(); 2];
    let mut excess = _mm256_setzero_si256();
    for run in runs {
        let mut index = 0;
        while index < run.count {
            let end = run.count.min(index + most);
            let mut short = [_mm256_setzero_si256(); 2];
            for index in index..end {
                // SAFETY: step `index` of the run lies inside of the panel, and what it meets
                // inside of `a`.
                let (codes, a) = unsafe {
                    let bytes = step_bytes(BITS, false);
                    let step = panel.codes.as_ptr().add((run.at + index) * bytes);
                    let a = a.as_ptr().add((run.k + index) * 4).cast::<i32>();
                    (codes::<BITS>(step), _mm256_set1_epi32(a.read_unaligned()))
                };
                for (short, codes) in short.iter_mut().zip(codes) {
                    *short = _mm256_add_epi16(*short, _mm256_maddubs_epi16(codes, a));
                }
            }
            for (total, short) in totals.iter_mut().zip(short) {
                *total = _mm256_add_epi32(*total, _mm256_madd_epi16(short, ones));
            }
            index = end;
        }
        // SAFETY: what the run meets lies inside of `a`.
        let met = unsafe { sum(a.as_ptr().add(4 * run.k), run.count) };
        excess = _mm256_add_epi32(excess, met);
    }
    // Raised codes give this much too much in every column.
    let excess = _mm256_mullo_epi32(total_of(excess), _mm256_set1_epi32(raise(BITS).into()));
    for total in &mut totals {
        *total = _mm256_sub_epi32(*total, excess);
    }
    totals
}

/// The sum of all lanes, in all lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn total_of(lanes: __m256i) -> __m256i {
    let lanes = _mm256_add_epi32(lanes, _mm256_permute2x128_si256::<1>(lanes, lanes));
    let lanes = _mm256_add_epi32(lanes, _mm256_shuffle_epi32::<0b01_00_11_10>(lanes));
    _mm256_add_epi32(lanes, _mm256_shuffle_epi32::<0b10_11_00_01>(lanes))
}

/// Lanes that add up to the sum of `fours` times four values.
///
/// # Safety
/// They lie behind `a`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn sum(a: *const i8, fours: usize) -> __m256i {
    let ones = _mm256_set1_epi16(1);
    let add = |sum: __m256i, values: __m256i| {
        let pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), values);
        _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones))
    };
    let mut sum = _mm256_setzero_si256();
    for index in 0..fours / 8 {
        // SAFETY: eight fours lie there.
        sum = add(sum, unsafe { _mm256_loadu_si256(a.add(32 * index).cast()) });
    }
    for index in fours / 8 * 8..fours {
        // SAFETY: a four lies there.
        let four = unsafe { a.add(4 * index).cast::<i32>().read_unaligned() };
        sum = add(sum, _mm256_setr_epi32(four, 0, 0, 0, 0, 0, 0, 0));
    }
    sum
}

/// Codes without scales, none of them -128.
///
/// # Safety
/// As [`stream`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn stream_signed<const BITS: u8, const SPARSE: bool>(
    panel: &Panel<'_>,
    runs: &[Run],
    a: &[i8],
) -> Halves {
    let bytes = step_bytes(BITS, SPARSE);
    let depth = if SPARSE { 8 } else { 4 };
    let raise = _mm256_set1_epi8(raise(BITS) as i8);
    let ones = _mm256_set1_epi16(1);
    let mut totals = [_mm256_setzero_si256(); 2];
    for run in runs {
        for index in 0..run.count {
            // SAFETY: step `index` of the run lies inside of the panel, and what it meets inside
            // of `a`.
            let (codes, a) = unsafe {
                let step = panel.codes.as_ptr().add((run.at + index) * bytes);
                let a = a.as_ptr().add((run.k + index) * depth);
                (codes::<BITS>(step), left::<SPARSE>(a, step.add(bytes)))
            };
            for ((total, codes), a) in totals.iter_mut().zip(codes).zip(a) {
                let weights = _mm256_sign_epi8(_mm256_sub_epi8(codes, raise), a);
                let products = _mm256_maddubs_epi16(_mm256_abs_epi8(a), weights);
                *total = _mm256_add_epi32(*total, _mm256_madd_epi16(products, ones));
            }
        }
    }
    totals
}

/// Any codes.
///
/// # Safety
/// As [`stream`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn stream_wide<const BITS: u8, const SPARSE: bool, const SCALE: u8>(
    panel: &Panel<'_>,
    runs: &[Run],
    a: Row<'_>,
) -> Halves {
    let bytes = step_bytes(BITS, SPARSE);
    let mut totals = [_mm256_setzero_si256(); 2];
    for run in runs {
        let scale = scale_vectors(scales(panel, run));
        for index in 0..run.count {
            // SAFETY: step `index` of the run lies inside of the panel, and what it meets inside
            // of `a`.
            let (codes, met) = unsafe {
                let step = panel.codes.as_ptr().add((run.at + index) * bytes);
                let met = if SPARSE {
                    let a = a.bytes.as_ptr().add((run.k + index) * 8);
                    let [low, high] = left::<true>(a, step.add(bytes));
                    [halves(low), halves(high)]
                } else {
                    let a = a.wide.as_ptr().add((run.k + index) * 4).cast::<i32>();
                    [[
                        _mm256_set1_epi32(a.read_unaligned()),
                        _mm256_set1_epi32(a.add(1).read_unaligned()),
                    ]; 2]
                };
                (codes::<BITS>(step), met)
            };
            for half in 0..2 {
                let [even, odd] = widen::<BITS, SCALE>(codes[half], scale[half]);
                let products = _mm256_add_epi32(
                    _mm256_madd_epi16(even, met[half][0]),
                    _mm256_madd_epi16(odd, met[half][1]),
                );
                totals[half] = _mm256_add_epi32(totals[half], products);
            }
        }
    }
    totals
}

/// The lower bytes of 16 bits and the upper, with their signs.
#[inline]
#[target_feature(enable = "avx2")]
fn halves(bytes: __m256i) -> Halves {
    let even = _mm256_slli_epi16::<8>(bytes);
    [_mm256_srai_epi16::<8>(even), _mm256_srai_epi16::<8>(bytes)]
}

/// The raised codes of a step.
///
/// # Safety
/// The step is there.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn codes<const BITS: u8>(step: *const u8) -> Halves {
    if BITS == 8 {
        // SAFETY: a step of 8 bits fills both vectors.
        return unsafe {
            let step = step.cast::<__m256i>();
            [_mm256_loadu_si256(step), _mm256_loadu_si256(step.add(1))]
        };
    }
    // Not for int8, whose loop in the caches it would slow down by a third.
    _mm_prefetch::<_MM_HINT_T0>(step.wrapping_add(AHEAD).cast());
    let mut codes = [_mm256_setzero_si256(); 2];
    let mut plane = step;
    if BITS & 4 != 0 {
        // SAFETY: the plane of four bits has 32 bytes.
        let bits = unsafe { _mm256_loadu_si256(plane.cast()) };
        let mask = _mm256_set1_epi8(15);
        codes = [
            _mm256_and_si256(bits, mask),
            _mm256_and_si256(_mm256_srli_epi16::<4>(bits), mask),
        ];
        plane = plane.wrapping_add(32);
    }
    if BITS & 2 != 0 {
        // SAFETY: the plane of two bits has 16 bytes.
        let fields = unsafe { pairs(plane) };
        for (codes, fields) in codes.iter_mut().zip(fields) {
            let fields = if BITS & 4 != 0 {
                _mm256_slli_epi16::<4>(fields)
            } else {
                fields
            };
            *codes = _mm256_or_si256(*codes, fields);
        }
        plane = plane.wrapping_add(16);
    }
    if BITS & 1 != 0 {
        // SAFETY: the plane of one bit has 8 bytes.
        let bits = _mm256_set1_epi64x(unsafe { plane.cast::<i64>().read_unaligned() });
        let shifts = [
            _mm256_setr_epi64x(0, 1, 2, 3),
            _mm256_setr_epi64x(4, 5, 6, 7),
        ];
        for (codes, shift) in codes.iter_mut().zip(shifts) {
            let fields = _mm256_and_si256(_mm256_srlv_epi64(bits, shift), _mm256_set1_epi8(1));
            let fields = match BITS {
                3 => _mm256_slli_epi16::<2>(fields),
                5 => _mm256_slli_epi16::<4>(fields),
                _ => _mm256_slli_epi16::<6>(fields),
            };
            *codes = _mm256_or_si256(*codes, fields);
        }
    }
    codes
}

/// Two bits for each byte.
///
/// # Safety
/// 16 bytes lie behind `plane`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn pairs(plane: *const u8) -> Halves {
    // SAFETY: the caller's promise.
    let bits = _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(plane.cast()) });
    let mask = _mm256_set1_epi8(3);
    [
        _mm256_and_si256(
            _mm256_srlv_epi64(bits, _mm256_setr_epi64x(0, 0, 2, 2)),
            mask,
        ),
        _mm256_and_si256(
            _mm256_srlv_epi64(bits, _mm256_setr_epi64x(4, 4, 6, 6)),
            mask,
        ),
    ]
}

/// The values of A that the codes of a step meet.
///
/// # Safety
/// What the step meets lies behind `a`; the step, if it is one of a 2:4 matrix, ends at `end`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn left<const SPARSE: bool>(a: *const i8, end: *const u8) -> Halves {
    // SAFETY: eight values for a 2:4 step, four for a dense one, and its indices.
    unsafe {
        if SPARSE {
            let eight = _mm256_set1_epi64x(a.cast::<i64>().read_unaligned());
            let upper = _mm256_set1_epi32(0x0404_0000);
            let [low, high] = pairs(end.sub(INDEX_BYTES));
            [
                _mm256_shuffle_epi8(eight, _mm256_or_si256(low, upper)),
                _mm256_shuffle_epi8(eight, _mm256_or_si256(high, upper)),
            ]
        } else {
            [_mm256_set1_epi32(a.cast::<i32>().read_unaligned()); 2]
        }
    }
}

/// Scales of the columns, raised by 2^4, for each half of 32 bits; zeros where there are none.
#[inline]
#[target_feature(enable = "avx2")]
fn scale_vectors(scales: &[u8]) -> Halves {
    let Some(scales) = scales.first_chunk::<COLUMNS>() else {
        return [_mm256_setzero_si256(); 2];
    };
    let mut vectors = [_mm256_setzero_si256(); 2];
    for (vector, scales) in vectors.iter_mut().zip(scales.chunks_exact(8)) {
        // SAFETY: eight bytes.
        let scales = unsafe { _mm_loadl_epi64(scales.as_ptr().cast()) };
        let scales = _mm256_slli_epi32::<4>(_mm256_cvtepu8_epi32(scales));
        *vector = _mm256_or_si256(scales, _mm256_slli_epi32::<16>(scales));
    }
    vectors
}

/// The weights of raised codes in 16 bits: values 0 and 2 of each four, values 1 and 3.
///
/// A code in the upper byte and a scale raised by 2^4 give a product raised by 2^12, which
/// `vpmulhrsw` shifts by 15, halves upwards: the rounding of [`isa::weights::widen`].
#[inline]
#[target_feature(enable = "avx2")]
fn widen<const BITS: u8, const SCALE: u8>(codes: __m256i, scale: __m256i) -> Halves {
    let codes = _mm256_sub_epi8(codes, _mm256_set1_epi8(raise(BITS) as i8));
    if SCALE == PLAIN {
        return halves(codes);
    }
    let even = _mm256_slli_epi16::<8>(codes);
    let odd = _mm256_and_si256(codes, _mm256_set1_epi16(-256));
    let mut values = [
        _mm256_mulhrs_epi16(even, scale),
        _mm256_mulhrs_epi16(odd, scale),
    ];
    if SCALE == BOUNDED {
        for values in &mut values {
            *values = _mm256_min_epi16(*values, _mm256_set1_epi16(127));
            *values = _mm256_max_epi16(*values, _mm256_set1_epi16(-127));
        }
    }
    values
}

/// # Safety
/// The CPU has AVX2; the runs lie inside of the panel, and their expanded steps inside of `out`.
pub unsafe fn expand(panel: &Panel<'_>, runs: &[Run], out: &mut [u8]) {
    by_format!(panel, expand_format, (panel, runs, out));
}

/// # Safety
/// As [`expand`], of the panel's own format.
#[target_feature(enable = "avx2")]
unsafe fn expand_format<const BITS: u8, const SPARSE: bool, const SCALE: u8>(
    panel: &Panel<'_>,
    runs: &[Run],
    out: &mut [u8],
) {
    let bytes = step_bytes(BITS, SPARSE);
    let mut out = out.chunks_exact_mut(2 * STEP);
    let mut put = |low: Halves, high: Halves| {
        let out = out.next().expect("the expanded steps fit");
        let vectors = [low[0], high[0], low[1], high[1]];
        for (out, values) in out.chunks_exact_mut(32).zip(vectors) {
            // SAFETY: a piece is one vector.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), values) };
        }
    };
    for run in runs {
        let scale = scale_vectors(scales(panel, run));
        for index in 0..run.count {
            // SAFETY: step `index` of the run lies inside of the panel.
            let (codes, end) = unsafe {
                let step = panel.codes.as_ptr().add((run.at + index) * bytes);
                (codes::<BITS>(step), step.add(bytes))
            };
            let low = widen::<BITS, SCALE>(codes[0], scale[0]);
            let high = widen::<BITS, SCALE>(codes[1], scale[1]);
            put(low, high);
            if SPARSE {
                // SAFETY: the step ends there.
                let [low, high] = unsafe { pairs(end.sub(INDEX_BYTES)) };
                put(wide_places(low), wide_places(high));
            }
        }
    }
}

/// Where `vpshufb` finds the values of A that widened codes of a 2:4 matrix meet, among eight of
/// those that [`widen_left`] leaves: for slots 0 and 2 of each column, for slots 1 and 3.
#[inline]
#[target_feature(enable = "avx2")]
fn wide_places(indices: __m256i) -> Halves {
    // First bytes of values 0, 1, 2 and 3 of a four.
    let bytes = _mm256_set1_epi32(0x0602_0400);
    let bytes = _mm256_shuffle_epi8(bytes, indices);
    // The second four begins at byte 8.
    let bytes = _mm256_or_si256(bytes, _mm256_set1_epi32(0x0808_0000));
    let even = _mm256_and_si256(bytes, _mm256_set1_epi16(255));
    let odd = _mm256_srli_epi16::<8>(bytes);
    let both = _mm256_set1_epi16(0x0100);
    [
        _mm256_add_epi8(_mm256_or_si256(even, _mm256_slli_epi16::<8>(even)), both),
        _mm256_add_epi8(_mm256_or_si256(odd, _mm256_slli_epi16::<8>(odd)), both),
    ]
}

/// Widens values of A, the middle two of each four swapped.
///
/// # Safety
/// The CPU has AVX2.
#[target_feature(enable = "avx2")]
pub unsafe fn widen_left(values: &[i8], target: &mut Vec<i16>) {
    target.resize(values.len(), 0);
    let (values, values_rest) = values.split_at(values.len() / 16 * 16);
    let (target, target_rest) = target.split_at_mut(values.len());
    for (values, target) in values.chunks_exact(16).zip(target.chunks_exact_mut(16)) {
        // SAFETY: 16 bytes, and as many values of 16 bits.
        unsafe {
            let wide = _mm256_cvtepi8_epi16(_mm_loadu_si128(values.as_ptr().cast()));
            let wide = _mm256_shufflelo_epi16::<0b11_01_10_00>(wide);
            let wide = _mm256_shufflehi_epi16::<0b11_01_10_00>(wide);
            _mm256_storeu_si256(target.as_mut_ptr().cast(), wide);
        }
    }
    portable::widen(values_rest, target_rest);
}

/// # Safety
/// The CPU has AVX2; the runs lie inside of the block and, for each row of `sums`, of `a`.
pub unsafe fn multiply(
    a: &[i16],
    stride: usize,
    block: &[u8],
    sparse: bool,
    runs: &[Run],
    sums: &mut [[i32; COLUMNS]],
) {
    if sparse {
        by_rows!(multiply_rows, true, (a, stride, block, runs, sums), sums.len(), 1 2 3 4 5 6);
    } else {
        by_rows!(multiply_rows, false, (a, stride, block, runs, sums), sums.len(), 1 2 3 4 5 6);
    }
}

/// # Safety
/// As [`multiply`]; `sums` has `ROWS` rows.
#[target_feature(enable = "avx2")]
unsafe fn multiply_rows<const ROWS: usize, const SPARSE: bool>(
    a: &[i16],
    stride: usize,
    block: &[u8],
    runs: &[Run],
    sums: &mut [[i32; COLUMNS]],
) {
    let sums = sums.as_mut_ptr().cast::<__m256i>();
    let mut totals = [[_mm256_setzero_si256(); 2]; ROWS];
    let block = block.as_ptr().cast::<__m256i>();
    for run in runs {
        // SAFETY: the steps of the run lie inside of the block, and what they meet inside of each
        // row.
        unsafe {
            if SPARSE {
                for index in 0..run.count {
                    let a = a.as_ptr().add(8 * (run.k + index));
                    for pair in 0..2 {
                        let b = block.add(8 * (run.at + index) + 2 * pair);
                        let (low, high) = (_mm256_loadu_si256(b), _mm256_loadu_si256(b.add(1)));
                        // Places are four vectors behind their values.
                        let places = b.add(4);
                        for (row, total) in totals.iter_mut().enumerate() {
                            let eight = _mm_loadu_si128(a.add(row * stride).cast());
                            let eight = _mm256_broadcastsi128_si256(eight);
                            let met = [
                                _mm256_shuffle_epi8(eight, _mm256_loadu_si256(places)),
                                _mm256_shuffle_epi8(eight, _mm256_loadu_si256(places.add(1))),
                            ];
                            total[0] = _mm256_add_epi32(total[0], _mm256_madd_epi16(met[0], low));
                            total[1] = _mm256_add_epi32(total[1], _mm256_madd_epi16(met[1], high));
                        }
                    }
                }
            } else {
                // Two pairs a step.
                for pair in 0..2 * run.count {
                    let b = block.add(4 * run.at + 2 * pair);
                    let (low, high) = (_mm256_loadu_si256(b), _mm256_loadu_si256(b.add(1)));
                    let a = a.as_ptr().add(4 * run.k + 2 * pair);
                    for (row, total) in totals.iter_mut().enumerate() {
                        let met = a.add(row * stride).cast::<i32>().read_unaligned();
                        let met = _mm256_set1_epi32(met);
                        total[0] = _mm256_add_epi32(total[0], _mm256_madd_epi16(met, low));
                        total[1] = _mm256_add_epi32(total[1], _mm256_madd_epi16(met, high));
                    }
                }
            }
        }
    }
    for (index, total) in totals.into_iter().flatten().enumerate() {
        // SAFETY: `sums` holds two vectors for each of `ROWS` rows.
        unsafe {
            let sums = sums.add(index);
            _mm256_storeu_si256(sums, _mm256_add_epi32(_mm256_loadu_si256(sums), total));
        }
    }
}
