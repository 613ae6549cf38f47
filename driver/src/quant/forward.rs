//! The encoder with int8 products.

use isa::format::OutputFormat;

use super::attention::attention;
use super::rows::{self, QuantisedRows};
use super::{QuantisedLayer, QuantisedLinear, QuantisedModel, RunError, Runner};
use crate::matmul::{Finish, MatMul, Rhs};
use crate::model::Config;
use crate::model::math::{layer_norm, vectorised};

/// Token vectors after the last layer, from those that enter the first, `hidden` values a token.
///
/// Texts have `lengths` tokens, one after the other; none sees another.
///
/// # Errors
/// When the backend fails, or values leave the range that scales can represent.
pub fn forward(
    model: &QuantisedModel,
    config: &Config,
    vectors: Vec<f32>,
    lengths: &[usize],
    runner: &mut Runner<'_>,
) -> Result<Vec<f32>, RunError> {
    forward_watched(model, config, vectors, lengths, runner, &mut |_, _| ())
}

/// As [`forward`]; `watch` sees the token vectors after each layer.
///
/// # Errors
/// As [`forward`].
pub fn forward_watched(
    model: &QuantisedModel,
    config: &Config,
    mut vectors: Vec<f32>,
    lengths: &[usize],
    runner: &mut Runner<'_>,
    watch: &mut dyn FnMut(usize, &[f32]),
) -> Result<Vec<f32>, RunError> {
    for (index, quantised) in model.layers.iter().enumerate() {
        layer(quantised, config, index, &mut vectors, lengths, runner)?;
        watch(index, &vectors);
    }
    Ok(vectors)
}

/// Runs layer `index` on `vectors`, in place.
///
/// # Errors
/// As [`forward`].
pub fn layer(
    layer: &QuantisedLayer,
    config: &Config,
    index: usize,
    vectors: &mut [f32],
    lengths: &[usize],
    runner: &mut Runner<'_>,
) -> Result<(), RunError> {
    let input = rows::quantise(vectors, &layer.qkv.factors);
    let qkv = linear(index, &layer.qkv, &input, runner)?;
    let context = attention(config, layer, index, &qkv, lengths, runner)?;

    let input = rows::requantise(&context, layer.context_unit, config.hidden);
    let output = linear(index, &layer.attention_output, &input, runner)?;
    add(vectors, &output, &layer.attention_output.units);
    layer_norm(vectors, &layer.attention_norm);

    let input = rows::quantise(vectors, &layer.ffn_in.factors);
    let inner = linear(index, &layer.ffn_in, &input, runner)?;
    let input = rows::gelu_quantise(&inner, &layer.ffn_in.units, &layer.ffn_out.factors);
    let output = linear(index, &layer.ffn_out, &input, runner)?;
    add(vectors, &output, &layer.ffn_out.units);
    layer_norm(vectors, &layer.output_norm);
    Ok(())
}

/// Applies a linear layer of layer `index` to quantised rows.
fn linear(
    index: usize,
    layer: &QuantisedLinear,
    input: &QuantisedRows,
    runner: &mut Runner<'_>,
) -> Result<Vec<i16>, RunError> {
    let names: Vec<String> = layer
        .parts
        .iter()
        .map(|part| part.node.of_layer(index))
        .collect();
    let scales = input.dyadics(&names[0])?;
    let jobs = layer.parts.iter().zip(&names).map(|(part, name)| MatMul {
        name,
        m: input.scales.len(),
        k: part.weights.k(),
        n: part.weights.n(),
        a: &input.values,
        b: Rhs::Kept(&part.weights),
        finish: Finish::Requantize {
            rows: &scales,
            columns: &part.columns,
            format: OutputFormat::I16,
        },
    });
    let mut results = runner.run(&jobs.collect::<Vec<_>>())?;
    if results.len() == 1 {
        return Ok(results.swap_remove(0));
    }
    let width = layer.units.len();
    let mut whole = vec![0; input.scales.len() * width];
    let mut first = 0;
    for (part, result) in layer.parts.iter().zip(results) {
        let n = part.weights.n();
        for (row, result) in whole.chunks_exact_mut(width).zip(result.chunks_exact(n)) {
            row[first..first + n].copy_from_slice(result);
        }
        first += n;
    }
    Ok(whole)
}

vectorised! {
    /// Adds int16 values with a unit a channel to rows of floats.
    fn add(rows: &mut [f32], values: &[i16], units: &[f32]) {
        let width = units.len();
        for (row, values) in rows.chunks_exact_mut(width).zip(values.chunks_exact(width)) {
            for ((sum, value), unit) in row.iter_mut().zip(values).zip(units) {
                *sum += f32::from(*value) * unit;
            }
        }
    }
}
