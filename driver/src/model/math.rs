//! Float functions whose results are the same bits on every machine.
//!
//! Only additions, multiplications, divisions, square roots and conversions are used, which IEEE
//! 754 defines to the last bit; sums have a fixed order; nothing is contracted to fused
//! operations. The compiler may use vectors of any width, because each lane does what the scalar
//! code would do. So neither the C library nor the CPU shows in an embedding.

use super::Norm;

/// Defines a function twice: for any CPU, and for CPUs with AVX2, chosen at run time.
macro_rules! vectorised {
    ($(#[$meta:meta])* $visible:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?)
        $(-> $result:ty)? $body:block) => {
        $(#[$meta])*
        $visible fn $name($($arg: $type),*) $(-> $result)? {
            #[inline(always)]
            fn body($($arg: $type),*) $(-> $result)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn wide($($arg: $type),*) $(-> $result)? { body($($arg),*) }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the CPU has AVX2.
                    return unsafe { wide($($arg),*) };
                }
            }
            body($($arg),*)
        }
    };
}
pub(crate) use vectorised;

/// Added to a float of magnitude below 2^22 it leaves the nearest integer in the low bits, halves
/// going to even.
const ROUND: f32 = 12_582_912.0;

/// Partial sums of a sum.
const LANES: usize = 16;

/// The integer nearest to `value`, halves to even; `value` lies within ±2^22.
#[inline(always)]
pub fn round(value: f32) -> i32 {
    ((value + ROUND).to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32)
}

/// `e^x` to about two units in the last place; `x` below -87 counts as -87, above 88 as 88.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Comparisons written so that they become vector minimum and maximum.
    let x = if x > -87.0 { x } else { -87.0 };
    let x = if x < 88.0 { x } else { 88.0 };
    // x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, of which the first times n is exact.
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_4;
    let r = r - n * -2.121_944_4e-4;
    // Taylor, of which the first term left out is below 5e-9.
    let mut sum = 1.0 / 5040.0;
    for factor in [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        sum = sum * r + factor;
    }
    let n = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    f32::from_bits(sum.to_bits().wrapping_add(n << 23))
}

/// The error function to 6e-7 (Abramowitz and Stegun, 7.1.26).
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let magnitude = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * magnitude);
    let mut sum = 1.061_405_4;
    for factor in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        sum = sum * t + factor;
    }
    (1.0 - sum * t * exp(-magnitude * magnitude)).copysign(x)
}

/// `x * Phi(x)`, with the error function and not its approximation by tanh.
#[inline(always)]
pub fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

vectorised! {
    /// Applies [`gelu`] to each value.
    pub fn gelu_all(values: &mut [f32]) {
        for value in values {
            *value = gelu(*value);
        }
    }
}

/// Sum of `term(value)` in a fixed order: [`LANES`] partial sums, then a tree.
#[inline(always)]
fn lane_sum(values: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    for chunk in values.chunks(LANES) {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += term(*value);
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        let (low, high) = lanes.split_at_mut(width);
        for (low, high) in low.iter_mut().zip(high) {
            *low += *high;
        }
        width /= 2;
    }
    lanes[0]
}

vectorised! {
    /// LayerNorm of each row of `norm.gain.len()` values.
    pub fn layer_norm(rows: &mut [f32], norm: &Norm) {
        let width = norm.gain.len();
        let count = width as f32;
        for row in rows.chunks_exact_mut(width) {
            let mean = lane_sum(row, |value| value) / count;
            let variance = lane_sum(row, |value| (value - mean) * (value - mean)) / count;
            let factor = 1.0 / (variance + norm.epsilon).sqrt();
            for ((value, gain), offset) in row.iter_mut().zip(&norm.gain).zip(&norm.offset) {
                *value = (*value - mean) * factor * gain + offset;
            }
        }
    }
}

vectorised! {
    /// Softmax of each row of `width` values.
    pub fn softmax(rows: &mut [f32], width: usize) {
        for row in rows.chunks_exact_mut(width) {
            let largest = row.iter().fold(f32::MIN, |a, b| if a > *b { a } else { *b });
            for value in row.iter_mut() {
                *value = exp(*value - largest);
            }
            let factor = 1.0 / lane_sum(row, |value| value);
            for value in row {
                *value *= factor;
            }
        }
    }
}

vectorised! {
    /// Scales `vector` to length one; a vector of zeros stays.
    pub fn normalise(vector: &mut [f32]) {
        let mut square = lane_sum(vector, |value| value * value);
        // Squares beyond the range of floats; within it the values keep their bits.
        if !square.is_normal() {
            let largest = vector.iter().fold(0.0f32, |a, b| a.max(b.abs()));
            if largest > 0.0 {
                vector.iter_mut().for_each(|value| *value /= largest);
                square = lane_sum(vector, |value| value * value);
            }
        }
        if square > 0.0 {
            let factor = 1.0 / square.sqrt();
            for value in vector {
                *value *= factor;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values from -`most` to `most`, evenly.
    fn grid(most: f32) -> impl Iterator<Item = f32> {
        (-100_000..=100_000).map(move |step| step as f32 * (most / 100_000.0))
    }

    #[test]
    fn exp_is_near_the_true_one() {
        for x in grid(80.0) {
            let truth = f64::from(x).exp();
            assert!((f64::from(exp(x)) / truth - 1.0).abs() < 4e-7, "exp({x})");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NEG_INFINITY) < 1e-37 && exp(f32::INFINITY).is_finite());
    }

    #[test]
    fn erf_and_gelu_are_near_the_true_ones() {
        for x in grid(8.0) {
            let truth = libm::erf(f64::from(x));
            assert!((f64::from(erf(x)) - truth).abs() < 6e-7, "erf({x})");
            let half = f64::from(x) * 0.5;
            let truth = half * (1.0 + libm::erf(f64::from(x) / std::f64::consts::SQRT_2));
            assert!((f64::from(gelu(x)) - truth).abs() < 2e-6, "gelu({x})");
        }
    }

    #[test]
    fn rounding_takes_halves_to_even() {
        let cases = [
            (0.5, 0),
            (1.5, 2),
            (-0.5, 0),
            (-1.5, -2),
            (126.6, 127),
            (-127.0, -127),
        ];
        for (value, expected) in cases {
            assert_eq!(round(value), expected, "round({value})");
        }
    }

    #[test]
    fn vectors_of_any_magnitude_get_length_one() {
        for scale in [1e-45f32, 1e-30, 1e-3, 1.0, 1e19, 5e37] {
            let mut vector = vec![0.0; 37];
            vector[3] = 4.0 * scale;
            vector[36] = -3.0 * scale;
            normalise(&mut vector);
            // Exact even at 1e-45, the smallest float, of which these are four and three.
            assert!((vector[3] - 0.8).abs() < 1e-6, "{scale}: {}", vector[3]);
            assert!((vector[36] + 0.6).abs() < 1e-6, "{scale}: {}", vector[36]);
        }
        let mut zeros = [0.0; 5];
        normalise(&mut zeros);
        assert_eq!(zeros, [0.0; 5]);
        let mut infinite = [1.0, f32::INFINITY];
        normalise(&mut infinite);
        assert!(infinite.iter().any(|value| !value.is_finite()));
    }

    #[test]
    fn softmax_sums_to_one_and_layer_norm_has_unit_variance() {
        let mut row: Vec<f32> = (0..37)
            .map(|index| (index as f32 * 0.7).sin() * 9.0)
            .collect();
        let norm = Norm {
            gain: vec![1.0; 37],
            offset: vec![0.0; 37],
            epsilon: 1e-12,
        };
        let mut normed = row.clone();
        layer_norm(&mut normed, &norm);
        let square: f32 = normed.iter().map(|value| value * value).sum();
        assert!((square / 37.0 - 1.0).abs() < 1e-5);
        softmax(&mut row, 37);
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
