//! The encoder with int8 products.

use isa::format::OutputFormat;

use super::attention::attention;
use super::rows::{self, QuantisedRows};
use super::{QuantisedLinear, QuantisedModel, RunError, Runner};
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
    mut vectors: Vec<f32>,
    lengths: &[usize],
    runner: &mut Runner<'_>,
) -> Result<Vec<f32>, RunError> {
    for (index, layer) in model.layers.iter().enumerate() {
        let name = |node: &str| format!("layer.{index}.{node}");
        let input = rows::quantise(&vectors, &layer.qkv.factors);
        let qkv = linear(&name("attention.qkv"), &layer.qkv, &input, runner)?;
        let context = attention(config, layer, index, &qkv, lengths, runner)?;

        let input = rows::requantise(&context, layer.context_unit, config.hidden);
        let output = linear(
            &name("attention.output"),
            &layer.attention_output,
            &input,
            runner,
        )?;
        add(&mut vectors, &output, &layer.attention_output.units);
        layer_norm(&mut vectors, &layer.attention_norm);

        let input = rows::quantise(&vectors, &layer.ffn_in.factors);
        let inner = linear(&name("ffn.in"), &layer.ffn_in, &input, runner)?;
        let input = rows::gelu_quantise(&inner, &layer.ffn_in.units, &layer.ffn_out.factors);
        let output = linear(&name("ffn.out"), &layer.ffn_out, &input, runner)?;
        add(&mut vectors, &output, &layer.ffn_out.units);
        layer_norm(&mut vectors, &layer.output_norm);
    }
    Ok(vectors)
}

/// Applies a linear layer to quantised rows.
fn linear(
    name: &str,
    layer: &QuantisedLinear,
    input: &QuantisedRows,
    runner: &mut Runner<'_>,
) -> Result<Vec<i16>, RunError> {
    let job = MatMul {
        name,
        m: input.scales.len(),
        k: layer.weights.k(),
        n: layer.weights.n(),
        a: &input.values,
        b: Rhs::Kept(&layer.weights),
        finish: Finish::Requantize {
            rows: &input.dyadics(name)?,
            columns: &layer.columns,
            format: OutputFormat::I16,
        },
    };
    Ok(runner.run(&[job])?.swap_remove(0))
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
