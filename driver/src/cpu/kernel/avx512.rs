//! Kernels of AVX-512 with `vpdpbusd`, which multiplies bytes without a sign by bytes with one.
//!
//! The raised codes of less than 8 bits have no sign as they are stored; int8 weights are
//! multiplied by values of A that are raised by 128 instead. What is too much then is what a second
//! `vpdpbusd` by the constant gives, or a row of zeros beside the others.

use std::arch::x86_64::*;

use super::dispatch::{BOUNDED, PLAIN, by_format, by_rows};
use super::{AHEAD, Panel, Row, Run, scales};
use crate::cpu::step::{COLUMNS, INDEX_BYTES, STEP, raise, step_bytes};

/// Steps that are in flight at once: a sum is ready for the next product after a few cycles only.
const FLIGHT: usize = 4;

/// # Safety
/// The CPU has AVX-512 F, BW and VNNI; the runs lie inside of the panel and of `a`.
pub unsafe fn stream(panel: &Panel<'_>, runs: &[Run], a: Row<'_>, sums: &mut [i32; COLUMNS]) {
    by_format!(panel, stream_format, (panel, runs, a, sums));
}

/// # Safety
/// As [`stream`], of the panel's own format.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn stream_format<const BITS: u8, const SPARSE: bool, const SCALE: u8>(
    panel: &Panel<'_>,
    runs: &[Run],
    a: Row<'_>,
    sums: &mut [i32; COLUMNS],
) {
    let bytes = step_bytes(BITS, SPARSE);
    let depth = if SPARSE { 8 } else { 4 };
    let raise = _mm512_set1_epi8(raise(BITS) as i8);
    let zero = _mm512_setzero_si512();
    let mut totals = [zero; FLIGHT];
    let mut excess = [zero; FLIGHT];
    for run in runs {
        let scale = scale_vector(scales(panel, run));
        let mut one = |index: usize, flight: usize| {
            // SAFETY: step `index` of the run lies inside of the panel, and what it meets inside
            // of `a`.
            let (codes, met) = unsafe {
                let step = panel.codes.as_ptr().add((run.at + index) * bytes);
                let met = if SCALE != PLAIN && !SPARSE {
                    // Unlike the others, these read A widened.
                    _mm512_setzero_si512()
                } else {
                    let a = a.bytes.as_ptr().add((run.k + index) * depth);
                    left::<SPARSE>(a, step.add(bytes))
                };
                (codes::<BITS>(step), met)
            };
            if SCALE == PLAIN && BITS == 8 {
                let top = _mm512_set1_epi8(i8::MIN);
                let met = _mm512_xor_si512(met, top);
                totals[flight] = _mm512_dpbusd_epi32(totals[flight], met, codes);
                excess[flight] = _mm512_dpbusd_epi32(excess[flight], top, codes);
            } else if SCALE == PLAIN {
                totals[flight] = _mm512_dpbusd_epi32(totals[flight], codes, met);
                excess[flight] = _mm512_dpbusd_epi32(excess[flight], raise, met);
            } else {
                let [even, odd] = widen::<SCALE>(_mm512_sub_epi8(codes, raise), scale);
                let [met_even, met_odd] = if SPARSE {
                    let even = _mm512_slli_epi16::<8>(met);
                    [_mm512_srai_epi16::<8>(even), _mm512_srai_epi16::<8>(met)]
                } else {
                    // SAFETY: as above.
                    unsafe {
                        let a = a.wide.as_ptr().add((run.k + index) * 4).cast::<i32>();
                        [
                            _mm512_set1_epi32(a.read_unaligned()),
                            _mm512_set1_epi32(a.add(1).read_unaligned()),
                        ]
                    }
                };
                totals[flight] = _mm512_dpwssd_epi32(totals[flight], even, met_even);
                excess[flight] = _mm512_dpwssd_epi32(excess[flight], odd, met_odd);
            }
        };
        let whole = run.count / FLIGHT * FLIGHT;
        for index in (0..whole).step_by(FLIGHT) {
            for flight in 0..FLIGHT {
                one(index + flight, flight);
            }
        }
        for index in whole..run.count {
            one(index, index - whole);
        }
    }
    let add = |vectors: [__m512i; FLIGHT]| {
        let [a, b, c, d] = vectors;
        _mm512_add_epi32(_mm512_add_epi32(a, b), _mm512_add_epi32(c, d))
    };
    let total = if SCALE == PLAIN {
        _mm512_sub_epi32(add(totals), add(excess))
    } else {
        _mm512_add_epi32(add(totals), add(excess))
    };
    // SAFETY: `sums` holds one vector.
    unsafe {
        let sums = sums.as_mut_ptr().cast();
        _mm512_storeu_si512(sums, _mm512_add_epi32(_mm512_loadu_si512(sums), total));
    }
}

/// The raised codes of a step.
///
/// # Safety
/// The step is there.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn codes<const BITS: u8>(step: *const u8) -> __m512i {
    _mm_prefetch::<_MM_HINT_T0>(step.wrapping_add(AHEAD).cast());
    if BITS == 8 {
        // SAFETY: a step of 8 bits fills the vector.
        return unsafe { _mm512_loadu_si512(step.cast()) };
    }
    let mut codes = _mm512_setzero_si512();
    let mut plane = step;
    if BITS & 4 != 0 {
        // SAFETY: the plane of four bits has 32 bytes.
        let bits = unsafe { _mm256_loadu_si256(plane.cast()) };
        let fields = _mm512_srlv_epi64(
            _mm512_broadcast_i64x4(bits),
            _mm512_setr_epi64(0, 0, 0, 0, 4, 4, 4, 4),
        );
        codes = _mm512_and_si512(fields, _mm512_set1_epi8(15));
        plane = plane.wrapping_add(32);
    }
    if BITS & 2 != 0 {
        // SAFETY: the plane of two bits has 16 bytes.
        let fields = unsafe { pairs(plane) };
        codes = if BITS & 4 != 0 {
            _mm512_or_si512(codes, _mm512_slli_epi16::<4>(fields))
        } else {
            fields
        };
        plane = plane.wrapping_add(16);
    }
    if BITS & 1 != 0 {
        // SAFETY: the plane of one bit has 8 bytes.
        let bits = unsafe { plane.cast::<i64>().read_unaligned() };
        let fields = _mm512_srlv_epi64(
            _mm512_set1_epi64(bits),
            _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7),
        );
        let fields = _mm512_and_si512(fields, _mm512_set1_epi8(1));
        let fields = match BITS {
            3 => _mm512_slli_epi16::<2>(fields),
            5 => _mm512_slli_epi16::<4>(fields),
            _ => _mm512_slli_epi16::<6>(fields),
        };
        codes = _mm512_or_si512(codes, fields);
    }
    codes
}

/// Two bits for each byte.
///
/// # Safety
/// 16 bytes lie behind `plane`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn pairs(plane: *const u8) -> __m512i {
    // SAFETY: the caller's promise.
    let bits = unsafe { _mm_loadu_si128(plane.cast()) };
    let fields = _mm512_srlv_epi64(
        _mm512_broadcast_i32x4(bits),
        _mm512_setr_epi64(0, 0, 2, 2, 4, 4, 6, 6),
    );
    _mm512_and_si512(fields, _mm512_set1_epi8(3))
}

/// Places of the values of a step of a 2:4 matrix among the eight of K.
///
/// # Safety
/// A step of a 2:4 matrix ends at `end`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn places(end: *const u8) -> __m512i {
    // SAFETY: the step ends with the plane of indices.
    let indices = unsafe { pairs(end.sub(INDEX_BYTES)) };
    _mm512_or_si512(indices, _mm512_set1_epi32(0x0404_0000))
}

/// The values of A that the codes of a step meet.
///
/// # Safety
/// What the step meets lies behind `a`; the step, if it is one of a 2:4 matrix, ends at `end`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn left<const SPARSE: bool>(a: *const i8, end: *const u8) -> __m512i {
    // SAFETY: eight values for a 2:4 step, four for a dense one, and its indices.
    unsafe {
        if SPARSE {
            let eight = _mm512_set1_epi64(a.cast::<i64>().read_unaligned());
            _mm512_shuffle_epi8(eight, places(end))
        } else {
            _mm512_set1_epi32(a.cast::<i32>().read_unaligned())
        }
    }
}

/// Scales of the columns, raised by 2^4, for each half of 32 bits; zeros where there are none.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn scale_vector(scales: &[u8]) -> __m512i {
    let Some(scales) = scales.first_chunk::<COLUMNS>() else {
        return _mm512_setzero_si512();
    };
    // SAFETY: 16 bytes.
    let scales = unsafe { _mm_loadu_si128(scales.as_ptr().cast()) };
    let scales = _mm512_slli_epi32::<4>(_mm512_cvtepu8_epi32(scales));
    _mm512_or_si512(scales, _mm512_slli_epi32::<16>(scales))
}

/// The weights of scaled codes in 16 bits: values 0 and 2 of each four, values 1 and 3.
///
/// A code in the upper byte and a scale raised by 2^4 give a product raised by 2^12, which
/// `vpmulhrsw` shifts by 15, halves upwards: the rounding of [`isa::weights::widen`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn widen<const SCALE: u8>(codes: __m512i, scale: __m512i) -> [__m512i; 2] {
    let even = _mm512_slli_epi16::<8>(codes);
    let odd = _mm512_and_si512(codes, _mm512_set1_epi16(-256));
    let mut values = [
        _mm512_mulhrs_epi16(even, scale),
        _mm512_mulhrs_epi16(odd, scale),
    ];
    if SCALE == BOUNDED {
        for values in &mut values {
            *values = _mm512_min_epi16(*values, _mm512_set1_epi16(127));
            *values = _mm512_max_epi16(*values, _mm512_set1_epi16(-127));
        }
    }
    values
}

/// # Safety
/// The CPU has AVX-512 F, BW and VNNI; the runs lie inside of the panel, and their expanded
/// steps inside of `out`.
pub unsafe fn expand(panel: &Panel<'_>, runs: &[Run], out: &mut [u8]) {
    by_format!(panel, expand_format, (panel, runs, out));
}

/// # Safety
/// As [`expand`], of the panel's own format.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn expand_format<const BITS: u8, const SPARSE: bool, const SCALE: u8>(
    panel: &Panel<'_>,
    runs: &[Run],
    out: &mut [u8],
) {
    let bytes = step_bytes(BITS, SPARSE);
    let raise = _mm512_set1_epi8(raise(BITS) as i8);
    let mut out = out.chunks_exact_mut(STEP);
    let mut put = |values: __m512i| {
        let out = out.next().expect("the expanded steps fit");
        // SAFETY: a step of bytes is one vector.
        unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), values) };
    };
    for run in runs {
        let scale = scale_vector(scales(panel, run));
        for index in 0..run.count {
            // SAFETY: step `index` of the run lies inside of the panel.
            let (codes, end) = unsafe {
                let step = panel.codes.as_ptr().add((run.at + index) * bytes);
                (codes::<BITS>(step), step.add(bytes))
            };
            let mut values = _mm512_sub_epi8(codes, raise);
            if SCALE != PLAIN {
                let [even, odd] = widen::<SCALE>(values, scale);
                let even = _mm512_and_si512(even, _mm512_set1_epi16(255));
                values = _mm512_or_si512(even, _mm512_slli_epi16::<8>(odd));
            }
            put(values);
            if SPARSE {
                // SAFETY: the step ends there.
                put(unsafe { places(end) });
            }
        }
    }
}

/// # Safety
/// The CPU has AVX-512 F, BW and VNNI; the runs lie inside of the block and, for each row of
/// `sums`, of `a`.
pub unsafe fn multiply(
    a: &[u8],
    stride: usize,
    block: &[u8],
    sparse: bool,
    runs: &[Run],
    sums: &mut [[i32; COLUMNS]],
) {
    if sparse {
        by_rows!(
            multiply_rows, true, (a, stride, block, runs, sums), sums.len(),
            1 2 3 4 5 6 7 8 9 10 11 12
        );
    } else {
        by_rows!(
            multiply_rows, false, (a, stride, block, runs, sums), sums.len(),
            1 2 3 4 5 6 7 8 9 10 11 12
        );
    }
}

/// # Safety
/// As [`multiply`]; `sums` has `ROWS` rows.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn multiply_rows<const ROWS: usize, const SPARSE: bool>(
    a: &[u8],
    stride: usize,
    block: &[u8],
    runs: &[Run],
    sums: &mut [[i32; COLUMNS]],
) {
    let sums = sums.as_mut_ptr().cast::<__m512i>();
    let mut totals = [_mm512_setzero_si512(); ROWS];
    for (row, total) in totals.iter_mut().enumerate() {
        // SAFETY: `sums` holds one vector for each of `ROWS` rows.
        *total = unsafe { _mm512_loadu_si512(sums.add(row)) };
    }
    let (depth, bytes) = if SPARSE { (8, 2 * STEP) } else { (4, STEP) };
    for run in runs {
        for index in 0..run.count {
            // SAFETY: step `index` of the run lies inside of the block, and what it meets inside
            // of each row.
            unsafe {
                let b = block.as_ptr().add((run.at + index) * bytes);
                let a = a.as_ptr().add((run.k + index) * depth);
                if SPARSE {
                    let places = _mm512_loadu_si512(b.add(STEP).cast());
                    let b = _mm512_loadu_si512(b.cast());
                    for (row, total) in totals.iter_mut().enumerate() {
                        let eight = a.add(row * stride).cast::<i64>().read_unaligned();
                        let met = _mm512_shuffle_epi8(_mm512_set1_epi64(eight), places);
                        *total = _mm512_dpbusd_epi32(*total, met, b);
                    }
                } else {
                    let b = _mm512_loadu_si512(b.cast());
                    for (row, total) in totals.iter_mut().enumerate() {
                        let four = a.add(row * stride).cast::<i32>().read_unaligned();
                        *total = _mm512_dpbusd_epi32(*total, _mm512_set1_epi32(four), b);
                    }
                }
            }
        }
    }
    for (row, total) in totals.into_iter().enumerate() {
        // SAFETY: as above.
        unsafe { _mm512_storeu_si512(sums.add(row), total) };
    }
}
