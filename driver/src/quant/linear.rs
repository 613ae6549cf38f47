//! Linear layers with quantised weights.

use isa::numerics::{ColumnParam, Dyadic};

use super::file::matrix_bytes;
use super::nodes::Node;
use super::rows::LARGEST;
use crate::matmul::{Layout, Weights};
use crate::model::Linear;

/// Smallest magnitude that a channel counts as, so that nothing is divided by zero.
const SMALLEST: f32 = 1e-5;

/// How much larger than in calibration an int16 value may be before it saturates.
const HEADROOM: f32 = 2.0;

/// A linear layer with quantised weights and int16 results.
#[derive(Debug)]
pub struct QuantisedLinear {
    /// The output channels, in one part or in several that have encodings of their own.
    pub parts: Vec<Part>,
    /// What each input channel is multiplied by before it is quantised.
    pub factors: Vec<f32>,
    /// Value of one step of each output channel.
    pub units: Vec<f32>,
}

/// Neighbouring output channels of a linear layer.
#[derive(Debug)]
pub struct Part {
    /// Which.
    pub node: Node,
    /// Their weights.
    pub weights: Weights,
    /// Scale and bias of each channel.
    pub columns: Vec<ColumnParam>,
}

/// Value of one step of int16 results whose largest magnitude in calibration was `largest`.
pub fn unit(largest: f32) -> f32 {
    largest.max(SMALLEST) * HEADROOM / f32::from(i16::MAX)
}

/// SmoothQuant's divisor of each input channel, from the largest magnitude that each had in
/// calibration and from the weights that read it.
pub fn smoothing(inputs: &[f32], layer: &Linear) -> Vec<f32> {
    let mut weights = vec![SMALLEST; layer.inputs];
    for row in layer.weights.chunks_exact(layer.inputs) {
        weights
            .iter_mut()
            .zip(row)
            .for_each(|(most, weight)| *most = most.max(weight.abs()));
    }
    let divisor = |(input, weight): (&f32, f32)| (input.max(SMALLEST) / weight).sqrt();
    inputs.iter().zip(weights).map(divisor).collect()
}

/// Parameters of an output channel whose weights have steps of `step`, with results in `unit`;
/// `None` if its scale cannot be represented.
pub fn column(step: f32, bias: f32, unit: f32) -> Option<ColumnParam> {
    Some(ColumnParam {
        scale: Dyadic::from_f32(step / unit)?,
        bias: (bias / unit).round_ties_even() as i32,
    })
}

impl Part {
    /// Bytes of the weights: codes, indices, group scales and the bitmap of blocks.
    pub fn weight_bytes(&self) -> u64 {
        match self.weights.encoding() {
            Some(encoding) => matrix_bytes(encoding),
            None => self.weights.values().len() as u64,
        }
    }
}

impl QuantisedLinear {
    /// Quantises `layer`, named `node`, whose input channels are divided by `divisors`, with results in `units`.
    ///
    /// Returns `None` if a channel's scale cannot be represented: its weights are too large.
    pub fn new(node: Node, layer: &Linear, divisors: &[f32], units: Vec<f32>) -> Option<Self> {
        let mut values = Vec::with_capacity(layer.weights.len());
        let mut columns = Vec::with_capacity(layer.outputs);
        let rows = layer.weights.chunks_exact(layer.inputs);
        for ((row, bias), unit) in rows.zip(&layer.bias).zip(&units) {
            let row = row
                .iter()
                .zip(divisors)
                .map(|(weight, divisor)| weight * divisor);
            let largest = row.clone().fold(0.0f32, |a, b| a.max(b.abs()));
            let inverse = if largest > 0.0 {
                LARGEST / largest
            } else {
                0.0
            };
            let quantise = |weight: f32| (weight * inverse).round_ties_even() as i8;
            values.extend(row.map(|weight| quantise(weight).max(-127)));
            columns.push(column(largest / LARGEST, *bias, *unit)?);
        }
        let weights = Weights::new(layer.inputs, layer.outputs, Layout::Transposed, values);
        let part = Part {
            node,
            weights,
            columns,
        };
        Some(Self {
            parts: vec![part],
            factors: divisors.iter().map(|divisor| 1.0 / divisor).collect(),
            units,
        })
    }

    /// Inputs and outputs.
    pub fn shape(&self) -> (usize, usize) {
        (self.factors.len(), self.units.len())
    }

    /// The same layer once more, its weights under numbers of their own.
    pub(crate) fn copy(&self) -> Self {
        let copy = |part: &Part| Part {
            node: part.node,
            weights: part.weights.copy(),
            columns: part.columns.clone(),
        };
        Self {
            parts: self.parts.iter().map(copy).collect(),
            factors: self.factors.clone(),
            units: self.units.clone(),
        }
    }
}
