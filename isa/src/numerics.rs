//! The integer functions of the slice, each defined once.
//!
//! Device, functional model and CPU kernels must give exactly these integers for every shape;
//! the code here is written to be read and checked, not to be fast.

use crate::format::OutputFormat;

/// Product of an `m x k` int8 matrix and a `k x n` int8 matrix, both row-major, with int32
/// accumulation.
///
/// `out` is `m x n`, row-major. Sums wrap modulo 2^32, as the accumulators of the card do; they
/// cannot wrap for `k <= 131,071`, because one product is at most 2^14 in magnitude.
///
/// # Panics
/// If a slice's length does not match its shape.
pub fn gemm_i8(m: usize, k: usize, n: usize, a: &[i8], b: &[i8], out: &mut [i32]) {
    assert_eq!(a.len(), m * k, "a must hold m*k values");
    assert_eq!(b.len(), k * n, "b must hold k*n values");
    assert_eq!(out.len(), m * n, "out must hold m*n values");
    for row in 0..m {
        for col in 0..n {
            let mut sum = 0i32;
            for inner in 0..k {
                let product = i32::from(a[row * k + inner]) * i32::from(b[inner * n + col]);
                sum = sum.wrapping_add(product);
            }
            out[row * n + col] = sum;
        }
    }
}

/// A non-negative real number held as `multiplier * 2^-shift` (a dyadic rational).
///
/// Requantisation by dyadic numbers needs no division and no floating point on the card
/// (HAWQ-V3, arXiv:2011.10680).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dyadic {
    /// Multiplier, `0..=65535`; a normalised non-zero number has its top bit set.
    pub multiplier: u16,
    /// Right shift in bits, `0..=31`.
    pub shift: u8,
}

impl Dyadic {
    /// Largest shift of one dyadic number; two of them, row and column, add up to at most 62.
    pub const MAX_SHIFT: u8 = 31;

    /// One, exactly.
    pub const ONE: Self = Self {
        multiplier: 1 << 15,
        shift: 15,
    };

    /// The dyadic number nearest to `value`, to 16 significant bits.
    ///
    /// Returns `None` when `value` is negative, not finite, or too large (65535.5 or more).
    /// Values too small for a full mantissa at [`Self::MAX_SHIFT`] lose bits and end at zero.
    pub fn from_f32(value: f32) -> Option<Self> {
        if !value.is_finite() || value < 0.0 {
            return None;
        }
        let bits = value.to_bits();
        let biased = (bits >> 23) as i32;
        if biased == 0 {
            // Zero and subnormal numbers lie far below 2^-31 / 2.
            return Some(Self::default());
        }
        // value = mantissa * 2^exponent with mantissa in [2^23, 2^24).
        let mantissa = (bits & 0x7f_ffff) | 0x80_0000;
        let exponent = biased - 150;
        // Keep 16 bits: value = rounded * 2^(exponent + 8).
        let mut rounded = (mantissa + 0x80) >> 8;
        let mut exponent = exponent + 8;
        if rounded == 1 << 16 {
            rounded >>= 1;
            exponent += 1;
        }
        let mut shift = -exponent;
        if shift < 0 {
            return None;
        }
        if shift > i32::from(Self::MAX_SHIFT) {
            let excess = shift - i32::from(Self::MAX_SHIFT);
            // Round the full mantissa once, not the shortened one again.
            let total = excess + 8;
            rounded = if total > 24 {
                0
            } else {
                (mantissa + (1 << (total - 1))) >> total
            };
            shift = i32::from(Self::MAX_SHIFT);
        }
        Some(Self {
            multiplier: rounded as u16,
            shift: shift as u8,
        })
    }

    /// The number as a float, exactly.
    pub fn to_f64(self) -> f64 {
        f64::from(self.multiplier) / (1u64 << self.shift) as f64
    }
}

/// What requantisation needs to know about one output channel (column of the result).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ColumnParam {
    /// Scale of the channel: weight scale over output scale.
    pub scale: Dyadic,
    /// Bias in units of the output, added after scaling.
    pub bias: i32,
}

/// Requantises one accumulator.
///
/// With `p = acc * row.multiplier * column.multiplier` (exact in 64 bits) and
/// `s = row.shift + column.shift`, the result is `saturate(round(p / 2^s) + bias)`, where `round`
/// takes halves towards positive infinity and `saturate` clamps to the range of `format`.
/// [`OutputFormat::I32`] is the raw accumulator: no scale, no bias.
pub fn requantize(acc: i32, row: Dyadic, column: ColumnParam, format: OutputFormat) -> i32 {
    let (low, high) = match format {
        OutputFormat::I32 => return acc,
        OutputFormat::I16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        OutputFormat::I8 => (i64::from(i8::MIN), i64::from(i8::MAX)),
    };
    let scale = i64::from(row.multiplier) * i64::from(column.scale.multiplier);
    let product = i64::from(acc) * scale;
    let shift = u32::from(row.shift) + u32::from(column.scale.shift);
    let rounded = round_shift(product, shift);
    rounded
        .saturating_add(i64::from(column.bias))
        .clamp(low, high) as i32
}

/// `value / 2^shift`, halves rounded towards positive infinity, `shift` in `0..=62`.
pub fn round_shift(value: i64, shift: u32) -> i64 {
    if shift == 0 {
        value
    } else {
        ((value >> (shift - 1)) + 1) >> 1
    }
}

impl Dyadic {
    /// As it stands in the buffer of row scales: multiplier in bits 15:0, shift in 20:16; the
    /// card ignores the bits above.
    pub const fn to_word(self) -> u32 {
        self.multiplier as u32 | (self.shift as u32 & 31) << 16
    }

    /// Reads what [`Self::to_word`] writes.
    pub const fn from_word(word: u32) -> Self {
        Self {
            multiplier: word as u16,
            shift: (word >> 16 & 31) as u8,
        }
    }
}

impl ColumnParam {
    /// As it stands in the buffer of column parameters: the scale as [`Dyadic::to_word`], then
    /// the bias.
    pub const fn to_words(self) -> [u32; 2] {
        [self.scale.to_word(), self.bias as u32]
    }

    /// Reads what [`Self::to_words`] writes.
    pub const fn from_words(words: [u32; 2]) -> Self {
        Self {
            scale: Dyadic::from_word(words[0]),
            bias: words[1] as i32,
        }
    }
}

/// Sets to zero what activation thresholding leaves out of an `m x k` matrix: rows, and groups of
/// `group` columns (the last may be shorter), of which every value is less than `threshold` in
/// magnitude. A threshold of 0 leaves nothing out.
///
/// A product of what remains is the product with thresholding: neither the activations that are
/// left out nor the weights that only they meet are needed.
///
/// # Panics
/// If `a` does not hold `m * k` values, or `group` is 0.
pub fn threshold(m: usize, k: usize, a: &mut [i8], group: usize, threshold: u8) {
    assert_eq!(a.len(), m * k, "a must hold m*k values");
    assert!(group > 0, "a group holds at least one column");
    if k == 0 {
        return;
    }
    for first in (0..k).step_by(group) {
        let columns = first..(first + group).min(k);
        if a.chunks_exact(k).all(|row| {
            row[columns.clone()]
                .iter()
                .all(|value| value.unsigned_abs() < threshold)
        }) {
            for row in a.chunks_exact_mut(k) {
                row[columns.clone()].fill(0);
            }
        }
    }
    for row in a.chunks_exact_mut(k) {
        if row.iter().all(|value| value.unsigned_abs() < threshold) {
            row.fill(0);
        }
    }
}
