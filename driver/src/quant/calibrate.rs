//! Quantising a float encoder by what it computes on sentences for calibration.

use super::linear::{QuantisedLinear, smoothing, unit};
use super::nodes::Node;
use super::{QuantisedLayer, QuantisedModel};
use crate::model::float::{self, LayerTrace};
use crate::model::{Config, LayerWeights, Linear, Model, ModelError, TooLong};

/// Sentences for calibration, one a line. No figure of accuracy may be measured on them.
pub const CALIBRATION: &str = include_str!("calibration.txt");

/// More sentences, one a line, for schemes that look at what layers see ([`super::apply`]): second
/// moments need more tokens than ranges. No figure of accuracy may be measured on them.
pub const COMPRESSION: &str = concat!(
    include_str!("calibration.txt"),
    "\n",
    include_str!("compression.txt")
);

/// Quantises `model` by the sentences of `text`, one a line; `progress` hears the number of layers
/// done.
///
/// Layers are read, run and dropped one after the other, so that the float weights are never in
/// memory together.
///
/// # Errors
/// When the weights cannot be read or cannot be quantised, or the tokenizer fails on a sentence.
pub fn calibrate(
    model: &Model,
    text: &str,
    progress: &mut dyn FnMut(usize),
) -> Result<QuantisedModel, ModelError> {
    let texts = tokenize_lines(model, text)?;
    let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
    let mut input = model.bert.embed(&texts)?;
    let mut layers = Vec::with_capacity(model.config.layers);
    for index in 0..model.config.layers {
        let weights = model.bert.layer(index)?;
        let trace = float::layer(&model.config, &weights, &input, &lengths);
        let layer = quantise_layer(&model.config, weights, &input, &trace).ok_or_else(|| {
            let reason = format!("the weights of layer {index} are too large for int8 with scales");
            ModelError::malformed(model.bert.tensors().path(), reason)
        })?;
        layers.push(layer);
        input = trace.output;
        progress(index + 1);
    }
    Ok(QuantisedModel { layers })
}

/// Tokens of the sentences of `text`, one a line, without those that give none.
pub fn tokenize_lines(model: &Model, text: &str) -> Result<Vec<Vec<u32>>, ModelError> {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let malformed =
        |reason: String| ModelError::malformed(&model.folder().join("tokenizer.json"), reason);
    let mut texts = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        // One at a time, and errors told anew: these are not the texts that the caller knows.
        let reason = match model.tokenize(&[line], TooLong::Truncate) {
            Ok(tokens) => {
                texts.extend(tokens);
                continue;
            }
            Err(ModelError::EmptyText { .. }) => continue,
            Err(ModelError::Tokenize { reason, .. }) => reason,
            Err(ModelError::UnknownToken { id, vocabulary, .. }) => {
                format!("token {id} is outside the model's vocabulary of {vocabulary}")
            }
            Err(error) => error.to_string(),
        };
        let number = index + 1;
        return Err(malformed(format!(
            "calibration sentence {number}: {reason}"
        )));
    }
    if texts.is_empty() {
        let reason = "it finds no token in any calibration sentence";
        return Err(malformed(reason.into()));
    }
    Ok(texts)
}

/// Quantises a layer that computed `trace` from `input`.
fn quantise_layer(
    config: &Config,
    mut weights: LayerWeights,
    input: &[f32],
    trace: &LayerTrace,
) -> Option<QuantisedLayer> {
    let hidden = config.hidden;
    let output_divisors = smoothing(
        &channel_maxima(&trace.context, hidden),
        &weights.attention_output,
    );
    // Each channel of what attention gives is a mean of that channel of the values, so dividing
    // the value projection divides it too, at no cost.
    divide_outputs(&mut weights.qkv, 2 * hidden, &output_divisors);
    let mut maxima = channel_maxima(&trace.qkv, 3 * hidden);
    divide(&mut maxima[2 * hidden..], &output_divisors);
    let mut context = channel_maxima(&trace.context, hidden);
    divide(&mut context, &output_divisors);
    let qkv_units = maxima
        .chunks_exact(hidden)
        .map(|part| vec![unit(maximum(part)); hidden]);

    let linear = |node, layer: &Linear, inputs: &[f32], units: Vec<f32>| {
        let divisors = smoothing(&channel_maxima(inputs, layer.inputs), layer);
        QuantisedLinear::new(node, layer, &divisors, units)
    };
    let uniform = |results: &[f32], width: usize| vec![unit(maximum(results)); width];
    Some(QuantisedLayer {
        qkv: linear(
            Node::Qkv,
            &weights.qkv,
            input,
            qkv_units.flatten().collect(),
        )?,
        score_unit: unit(trace.largest_score),
        context_unit: unit(maximum(&context)),
        attention_output: QuantisedLinear::new(
            Node::AttentionOutput,
            &weights.attention_output,
            &output_divisors,
            uniform(&trace.attention_output, hidden),
        )?,
        attention_norm: weights.attention_norm,
        ffn_in: linear(
            Node::FfnIn,
            &weights.ffn_in,
            &trace.ffn_input,
            uniform(&trace.ffn_in, config.intermediate),
        )?,
        ffn_out: linear(
            Node::FfnOut,
            &weights.ffn_out,
            &trace.gelu,
            uniform(&trace.ffn_out, hidden),
        )?,
        output_norm: weights.output_norm,
    })
}

/// Largest magnitude of each of `width` channels.
fn channel_maxima(rows: &[f32], width: usize) -> Vec<f32> {
    let mut maxima = vec![0.0f32; width];
    for row in rows.chunks_exact(width) {
        maxima
            .iter_mut()
            .zip(row)
            .for_each(|(most, value)| *most = most.max(value.abs()));
    }
    maxima
}

fn maximum(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |a, b| a.max(b.abs()))
}

fn divide(values: &mut [f32], divisors: &[f32]) {
    values
        .iter_mut()
        .zip(divisors)
        .for_each(|(value, divisor)| *value /= divisor);
}

/// Divides the output channels from `first` on.
fn divide_outputs(layer: &mut Linear, first: usize, divisors: &[f32]) {
    let rows = layer.weights.chunks_exact_mut(layer.inputs).skip(first);
    for (row, divisor) in rows.zip(divisors) {
        row.iter_mut().for_each(|weight| *weight /= divisor);
    }
    divide(&mut layer.bias[first..], divisors);
}
