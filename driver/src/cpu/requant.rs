//! Requantisation of one row of a panel.

use isa::format::OutputFormat;
use isa::numerics::{ColumnParam, Dyadic, requantize};

use super::step::COLUMNS;

/// Parameters of the columns of one panel, field by field.
pub struct Columns<'a> {
    source: &'a [ColumnParam],
    multiplier: [u32; COLUMNS],
    shift: [u32; COLUMNS],
    bias: [i32; COLUMNS],
    /// The bias, no larger than what saturates every result of [`near`].
    near_bias: [i32; COLUMNS],
    /// Smallest of the shifts.
    least_shift: u32,
}

/// Sum of the shifts from which on scaled sums fit in 31 bits before rounding: a product has 64.
const NEAR_SHIFT: u32 = 34;

/// Results of [`near`] before the bias lie within ±2^29; this bias takes them out of 16 bits.
const NEAR_BIAS: i32 = 1 << 30;

impl<'a> Columns<'a> {
    /// Parameters of at most [`COLUMNS`] columns; columns that are missing give zeros.
    pub fn new(source: &'a [ColumnParam]) -> Self {
        let mut columns = Self {
            source,
            multiplier: [0; COLUMNS],
            shift: [u32::from(Dyadic::MAX_SHIFT); COLUMNS],
            bias: [0; COLUMNS],
            near_bias: [0; COLUMNS],
            least_shift: u32::from(Dyadic::MAX_SHIFT),
        };
        for (index, column) in source.iter().enumerate() {
            let shift = u32::from(column.scale.shift);
            columns.multiplier[index] = u32::from(column.scale.multiplier);
            columns.shift[index] = shift;
            columns.bias[index] = column.bias;
            columns.near_bias[index] = column.bias.clamp(-NEAR_BIAS, NEAR_BIAS);
            columns.least_shift = columns.least_shift.min(shift);
        }
        columns
    }
}

/// The definition, column by column.
pub fn portable(
    sums: &[i32; COLUMNS],
    row: Dyadic,
    columns: &Columns<'_>,
    format: OutputFormat,
) -> [i32; COLUMNS] {
    let mut results = [0; COLUMNS];
    for ((result, sum), column) in results.iter_mut().zip(sums).zip(columns.source) {
        *result = requantize(*sum, row, *column, format);
    }
    results
}

/// The same integers, several columns at a time. `format` is not [`OutputFormat::I32`].
///
/// # Safety
/// The CPU has AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
pub unsafe fn avx2(
    sums: &[i32; COLUMNS],
    row: Dyadic,
    columns: &Columns<'_>,
    format: OutputFormat,
) -> [i32; COLUMNS] {
    if u32::from(row.shift) + columns.least_shift >= NEAR_SHIFT {
        near(sums, row, columns, format)
    } else {
        far(sums, row, columns, format)
    }
}

/// [`avx2`] where every shift is at least [`NEAR_SHIFT`], as those of models mostly are: after the
/// shift, 32 bits a value are enough.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn near(
    sums: &[i32; COLUMNS],
    row: Dyadic,
    columns: &Columns<'_>,
    format: OutputFormat,
) -> [i32; COLUMNS] {
    use std::arch::x86_64::*;

    let (low, high) = match format {
        OutputFormat::I8 => (i32::from(i8::MIN), i32::from(i8::MAX)),
        OutputFormat::I16 | OutputFormat::I32 => (i32::from(i16::MIN), i32::from(i16::MAX)),
    };
    let row_multiplier = _mm256_set1_epi64x(i64::from(row.multiplier));
    let row_shift = _mm256_set1_epi32(i32::from(row.shift));
    let (one, top) = (_mm256_set1_epi32(1), _mm256_set1_epi64x(i64::MIN));
    let mut results = [0; COLUMNS];
    for half in (0..COLUMNS).step_by(8) {
        // SAFETY: eight values lie behind index `half` of each array of 16.
        let (sum, multiplier, shift, bias) = unsafe {
            let load = |pointer: *const i32| _mm256_loadu_si256(pointer.add(half).cast());
            (
                load(sums.as_ptr()),
                load(columns.multiplier.as_ptr().cast()),
                load(columns.shift.as_ptr().cast()),
                load(columns.near_bias.as_ptr()),
            )
        };
        let shift = _mm256_add_epi32(shift, row_shift);
        let all_but_one = _mm256_sub_epi32(shift, one);
        // Even columns where they are, odd ones shifted down: no lane has to cross the middle.
        let even = _mm256_and_si256(all_but_one, _mm256_set1_epi64x(0xffff_ffff));
        let even = shifted(sum, multiplier, row_multiplier, even, top);
        let odd = shifted(
            _mm256_srli_epi64::<32>(sum),
            _mm256_srli_epi64::<32>(multiplier),
            row_multiplier,
            _mm256_srli_epi64::<32>(all_but_one),
            top,
        );
        let raised = _mm256_blend_epi32::<0b1010_1010>(even, _mm256_slli_epi64::<32>(odd));
        // What was raised by 2^63 is now too large by 2^(64 - shift).
        let excess = _mm256_sllv_epi32(one, _mm256_sub_epi32(_mm256_set1_epi32(64), shift));
        let doubled = _mm256_sub_epi32(raised, excess);
        let rounded = _mm256_srai_epi32::<1>(_mm256_add_epi32(doubled, one));
        let result = _mm256_add_epi32(rounded, bias);
        let result = _mm256_min_epi32(result, _mm256_set1_epi32(high));
        let result = _mm256_max_epi32(result, _mm256_set1_epi32(low));
        // SAFETY: as above.
        unsafe { _mm256_storeu_si256(results.as_mut_ptr().add(half).cast(), result) };
    }
    results
}

/// `(sum * multiplier * row_multiplier + 2^63) >> shift` of the low halves of 64-bit lanes, `sum`
/// with its sign; the upper halves of the first two do not matter.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn shifted(
    sum: std::arch::x86_64::__m256i,
    multiplier: std::arch::x86_64::__m256i,
    row_multiplier: std::arch::x86_64::__m256i,
    shift: std::arch::x86_64::__m256i,
    top: std::arch::x86_64::__m256i,
) -> std::arch::x86_64::__m256i {
    use std::arch::x86_64::*;

    let scale = _mm256_mul_epu32(multiplier, row_multiplier);
    // sum + 2^31 has no sign; 2^31 * scale goes off again.
    let unsigned = _mm256_xor_si256(sum, _mm256_set1_epi32(i32::MIN));
    let product = _mm256_mul_epu32(unsigned, scale);
    let product = _mm256_sub_epi64(product, _mm256_slli_epi64::<31>(scale));
    _mm256_srlv_epi64(_mm256_xor_si256(product, top), shift)
}

/// [`avx2`] for any shift.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn far(
    sums: &[i32; COLUMNS],
    row: Dyadic,
    columns: &Columns<'_>,
    format: OutputFormat,
) -> [i32; COLUMNS] {
    use std::arch::x86_64::*;

    debug_assert_ne!(format, OutputFormat::I32);
    let (low, high) = match format {
        OutputFormat::I8 => (i64::from(i8::MIN), i64::from(i8::MAX)),
        OutputFormat::I16 | OutputFormat::I32 => (i64::from(i16::MIN), i64::from(i16::MAX)),
    };
    let (low, high) = (_mm256_set1_epi64x(low), _mm256_set1_epi64x(high));
    let row_multiplier = _mm256_set1_epi64x(i64::from(row.multiplier));
    let row_shift = _mm256_set1_epi64x(i64::from(row.shift));
    let one = _mm256_set1_epi64x(1);
    let top = _mm256_set1_epi64x(i64::MIN);
    let mut results = [0; COLUMNS];
    for quad in (0..COLUMNS).step_by(4) {
        // SAFETY: four values lie behind index `quad` of each array of 16.
        let (sum, multiplier, shift, bias) = unsafe {
            (
                _mm256_cvtepi32_epi64(_mm_loadu_si128(sums.as_ptr().add(quad).cast())),
                _mm256_cvtepu32_epi64(_mm_loadu_si128(
                    columns.multiplier.as_ptr().add(quad).cast(),
                )),
                _mm256_cvtepu32_epi64(_mm_loadu_si128(columns.shift.as_ptr().add(quad).cast())),
                _mm256_cvtepi32_epi64(_mm_loadu_si128(columns.bias.as_ptr().add(quad).cast())),
            )
        };
        let scale = _mm256_mul_epu32(multiplier, row_multiplier);
        // The scale has 32 bits without a sign, so it multiplies the sum as if that had no sign
        // either, and 2^32 * scale goes off again where the sum is negative.
        let negative = _mm256_cmpgt_epi64(_mm256_setzero_si256(), sum);
        let excess = _mm256_and_si256(negative, _mm256_slli_epi64::<32>(scale));
        let product = _mm256_sub_epi64(_mm256_mul_epu32(sum, scale), excess);
        // AVX2 shifts 64-bit values without their sign only: shift `product + 2^63`. Halves round
        // up by adding the last bit that falls off; a shift of -1, where none does, gives zero.
        let shift = _mm256_add_epi64(shift, row_shift);
        let raised = _mm256_xor_si256(product, top);
        let last = _mm256_srlv_epi64(raised, _mm256_sub_epi64(shift, one));
        let rounded = _mm256_add_epi64(
            _mm256_srlv_epi64(raised, shift),
            _mm256_and_si256(last, one),
        );
        let rounded = _mm256_sub_epi64(rounded, _mm256_srlv_epi64(top, shift));
        // With a shift of zero the magnitude may be near 2^63: saturate before the bias is added,
        // to bounds that no bias of 32 bits brings back into the range of the format.
        let bound = _mm256_set1_epi64x(1 << 40);
        let rounded = clamp(
            rounded,
            _mm256_sub_epi64(_mm256_setzero_si256(), bound),
            bound,
        );
        let result = clamp(_mm256_add_epi64(rounded, bias), low, high);
        let packed = _mm256_permutevar8x32_epi32(result, _mm256_setr_epi32(0, 2, 4, 6, 0, 0, 0, 0));
        // SAFETY: as above.
        unsafe {
            _mm_storeu_si128(
                results.as_mut_ptr().add(quad).cast(),
                _mm256_castsi256_si128(packed),
            );
        }
    }
    results
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn clamp(
    value: std::arch::x86_64::__m256i,
    low: std::arch::x86_64::__m256i,
    high: std::arch::x86_64::__m256i,
) -> std::arch::x86_64::__m256i {
    use std::arch::x86_64::{_mm256_blendv_epi8, _mm256_cmpgt_epi64};

    let value = _mm256_blendv_epi8(value, high, _mm256_cmpgt_epi64(value, high));
    _mm256_blendv_epi8(value, low, _mm256_cmpgt_epi64(low, value))
}
