//! Activations to int8, row by row.

use isa::numerics::Dyadic;

use super::RunError;
use crate::model::math::{exp, gelu, round, vectorised};

/// Largest magnitude of a quantised value: -128 is never used.
pub const LARGEST: f32 = 127.0;

/// Rows of int8 values, each with a scale of its own.
#[derive(Clone, Debug, Default)]
pub struct QuantisedRows {
    /// The values, row-major.
    pub values: Vec<i8>,
    /// Value of one step in each row.
    pub scales: Vec<f32>,
}

impl QuantisedRows {
    fn with_room(rows: usize, width: usize) -> Self {
        Self {
            values: vec![0; rows * width],
            scales: vec![0.0; rows],
        }
    }

    /// The scales as the card takes them.
    ///
    /// # Errors
    /// When a scale is too large or no number; `node` names the product in the error.
    pub fn dyadics(&self, node: &str) -> Result<Vec<Dyadic>, RunError> {
        self.scales
            .iter()
            .map(|scale| dyadic(*scale, node))
            .collect()
    }
}

/// `scale` as the card takes it; `node` names the product in the error.
pub fn dyadic(scale: f32, node: &str) -> Result<Dyadic, RunError> {
    Dyadic::from_f32(scale).ok_or_else(|| RunError::Range { node: node.into() })
}

/// Quantises rows of floats, each multiplied by the factors of its channels first.
pub fn quantise(values: &[f32], factors: &[f32]) -> QuantisedRows {
    let mut rows = QuantisedRows::with_room(values.len() / factors.len(), factors.len());
    quantise_into(values, factors, &mut rows.values, &mut rows.scales);
    rows
}

/// Applies GELU to rows of int16 values with a unit a channel and quantises the results, each
/// multiplied by the factors of its channels first.
pub fn gelu_quantise(values: &[i16], units: &[f32], factors: &[f32]) -> QuantisedRows {
    let width = factors.len();
    let mut rows = QuantisedRows::with_room(values.len() / width, width);
    let mut buffer = vec![0.0; width];
    let results = rows
        .values
        .chunks_exact_mut(width)
        .zip(rows.scales.chunks_exact_mut(1));
    for (values, (results, scale)) in values.chunks_exact(width).zip(results) {
        gelu_row(values, units, &mut buffer);
        quantise_into(&buffer, factors, results, scale);
    }
    rows
}

/// Quantises rows of `width` int16 values of one unit.
pub fn requantise(values: &[i16], unit: f32, width: usize) -> QuantisedRows {
    let mut rows = QuantisedRows::with_room(values.len() / width, width);
    requantise_into(values, unit, width, &mut rows.values, &mut rows.scales);
    rows
}

/// Softmax of rows of `width` int16 scores of one unit.
///
/// A row's values are relative to its largest probability, which becomes [`LARGEST`]; its scale is
/// that probability, so one step stands for `scale / LARGEST`.
pub fn softmax(scores: &[i16], unit: f32, width: usize) -> QuantisedRows {
    let mut rows = QuantisedRows::with_room(scores.len() / width, width);
    softmax_into(scores, unit, width, &mut rows.values, &mut rows.scales);
    rows
}

/// Largest magnitude of `value(index)` in a row; partial maxima let the compiler use vectors.
#[inline(always)]
fn largest(values: &[f32], factors: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    for (values, factors) in values.chunks(16).zip(factors.chunks(16)) {
        for (lane, (value, factor)) in lanes.iter_mut().zip(values.iter().zip(factors)) {
            let magnitude = (value * factor).abs();
            *lane = if magnitude > *lane { magnitude } else { *lane };
        }
    }
    lanes
        .into_iter()
        .fold(0.0, |a, b| if a > b { a } else { b })
}

vectorised! {
    fn quantise_into(values: &[f32], factors: &[f32], out: &mut [i8], scales: &mut [f32]) {
        let width = factors.len();
        let rows = values.chunks_exact(width).zip(out.chunks_exact_mut(width));
        for ((values, out), scale) in rows.zip(scales) {
            let largest = largest(values, factors);
            *scale = largest / LARGEST;
            let inverse = if largest > 0.0 { LARGEST / largest } else { 0.0 };
            for ((value, factor), out) in values.iter().zip(factors).zip(out) {
                *out = round(value * factor * inverse) as i8;
            }
        }
    }
}

vectorised! {
    fn gelu_row(values: &[i16], units: &[f32], out: &mut [f32]) {
        for ((value, unit), out) in values.iter().zip(units).zip(out) {
            *out = gelu(f32::from(*value) * unit);
        }
    }
}

vectorised! {
    fn requantise_into(
        values: &[i16],
        unit: f32,
        width: usize,
        out: &mut [i8],
        scales: &mut [f32],
    ) {
        let rows = values.chunks_exact(width).zip(out.chunks_exact_mut(width));
        for ((values, out), scale) in rows.zip(scales) {
            let largest = values.iter().fold(0, |a, b| i32::from(*b).abs().max(a)) as f32;
            *scale = largest * unit / LARGEST;
            let inverse = if largest > 0.0 { LARGEST / largest } else { 0.0 };
            for (value, out) in values.iter().zip(out) {
                *out = round(f32::from(*value) * inverse) as i8;
            }
        }
    }
}

vectorised! {
    fn softmax_into(
        scores: &[i16],
        unit: f32,
        width: usize,
        out: &mut [i8],
        scales: &mut [f32],
    ) {
        let rows = scores.chunks_exact(width).zip(out.chunks_exact_mut(width));
        for ((scores, out), scale) in rows.zip(scales) {
            let largest = scores.iter().fold(i16::MIN, |a, b| a.max(*b));
            let largest = i32::from(largest);
            let mut sum = 0i32;
            for (score, out) in scores.iter().zip(out) {
                let step = round(LARGEST * exp((i32::from(*score) - largest) as f32 * unit));
                sum += step;
                *out = step as i8;
            }
            // Dividing by the sum of the rounded values makes the probabilities sum to one.
            *scale = LARGEST / sum as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantised_rows_use_the_range_and_never_minus_128() {
        let rows = quantise(&[1.0, -2.0, 0.5, 0.0, 0.0, 0.0], &[1.0, 1.0, 2.0]);
        assert_eq!(rows.values, [64, -127, 64, 0, 0, 0]);
        assert_eq!(rows.scales, [2.0 / 127.0, 0.0]);
        let rows = requantise(&[i16::MIN, i16::MAX, 0, 1], 0.5, 2);
        assert_eq!(rows.values, [-127, 127, 0, 127]);
        assert_eq!(rows.scales, [32_768.0 * 0.5 / 127.0, 0.5 / 127.0]);
    }

    #[test]
    fn softmax_sums_to_one() {
        let rows = softmax(&[10, 10, -30_000, 0, 32_767, -32_768], 1.0, 3);
        assert_eq!(rows.values, [127, 127, 0, 0, 127, 0]);
        assert_eq!(rows.scales, [0.5, 1.0]);
    }

    #[test]
    fn a_scale_beyond_the_format_is_an_error() {
        let rows = quantise(&[1e9], &[1.0]);
        let error = rows
            .dyadics("layer.0.ffn.in")
            .expect_err("1e9 / 127 has no dyadic");
        assert!(error.to_string().contains("layer.0.ffn.in"), "{error}");
    }
}
