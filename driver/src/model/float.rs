//! The encoder in 32-bit floats: what quantisation is calibrated by and compared with.

use super::math::{gelu_all, layer_norm, softmax, vectorised};
use super::{Bert, Config, LayerWeights, Linear, Model, ModelError};

/// Everything that one layer computed, row-major, a row a token.
#[derive(Clone, Debug, Default)]
pub struct LayerTrace {
    /// Queries, keys and values, `3 * hidden` a row.
    pub qkv: Vec<f32>,
    /// Largest magnitude of the scores of attention, before softmax and after division by the
    /// root of the head's width.
    pub largest_score: f32,
    /// What attention gives, before its projection.
    pub context: Vec<f32>,
    /// Its projection, before the residual is added.
    pub attention_output: Vec<f32>,
    /// Input of the feed-forward part, after its LayerNorm.
    pub ffn_input: Vec<f32>,
    /// After the first linear layer, `intermediate` a row.
    pub ffn_in: Vec<f32>,
    /// After GELU.
    pub gelu: Vec<f32>,
    /// After the second linear layer, before the residual is added.
    pub ffn_out: Vec<f32>,
    /// The layer's result.
    pub output: Vec<f32>,
}

/// Runs one layer on `input`, the token vectors of texts with these numbers of tokens.
pub fn layer(
    config: &Config,
    weights: &LayerWeights,
    input: &[f32],
    lengths: &[usize],
) -> LayerTrace {
    let qkv = apply(&weights.qkv, input);
    let (context, largest_score) = attention(config, &qkv, lengths);
    let attention_output = apply(&weights.attention_output, &context);
    let mut ffn_input = sum(input, &attention_output);
    layer_norm(&mut ffn_input, &weights.attention_norm);
    let ffn_in = apply(&weights.ffn_in, &ffn_input);
    let mut gelu = ffn_in.clone();
    gelu_all(&mut gelu);
    let ffn_out = apply(&weights.ffn_out, &gelu);
    let mut output = sum(&ffn_input, &ffn_out);
    layer_norm(&mut output, &weights.output_norm);
    LayerTrace {
        qkv,
        largest_score,
        context,
        attention_output,
        ffn_input,
        ffn_in,
        gelu,
        ffn_out,
        output,
    }
}

/// Token vectors after the last layer, `hidden` a token, text after text.
///
/// # Errors
/// When weights cannot be read or tokens have no embedding.
pub fn encode(bert: &Bert, config: &Config, texts: &[Vec<u32>]) -> Result<Vec<f32>, ModelError> {
    let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
    let mut vectors = bert.embed(texts)?;
    for index in 0..config.layers {
        vectors = layer(config, &bert.layer(index)?, &vectors, &lengths).output;
    }
    Ok(vectors)
}

/// Embeddings of tokenized texts in floats, `hidden` values each.
///
/// # Errors
/// As [`encode`] and [`Model::pool`].
pub fn embed(model: &Model, texts: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, ModelError> {
    let vectors = encode(&model.bert, &model.config, texts)?;
    let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
    model.pool(&vectors, &lengths)
}

fn sum(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// Applies a linear layer to each row of `input`.
pub(crate) fn apply(layer: &Linear, input: &[f32]) -> Vec<f32> {
    let Linear {
        inputs,
        outputs,
        weights,
        bias,
    } = layer;
    let mut transposed = vec![0.0; weights.len()];
    for (output, row) in weights.chunks_exact(*inputs).enumerate() {
        for (input, weight) in row.iter().enumerate() {
            transposed[input * outputs + output] = *weight;
        }
    }
    let rows = input.len() / inputs;
    let mut result: Vec<f32> = bias.iter().copied().cycle().take(rows * outputs).collect();
    let threads = threads().min(rows * weights.len() / MACS_PER_THREAD + 1);
    // Each row is summed as if it were alone, so that the cut does not show in the result.
    let band = rows.div_ceil(threads).next_multiple_of(TILE.0).max(TILE.0);
    std::thread::scope(|scope| {
        let bands = input.chunks(band * inputs);
        for (input, result) in bands.zip(result.chunks_mut(band * outputs)) {
            let mut work = || multiply(input, &transposed, *inputs, *outputs, result);
            match threads {
                1 => work(),
                _ => drop(scope.spawn(work)),
            }
        }
    });
    result
}

/// Threads worth starting.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Multiply-accumulates below which a second thread costs more than it saves.
const MACS_PER_THREAD: usize = 2_000_000;

/// Rows and columns of a tile, whose sums stay in registers.
const TILE: (usize, usize) = (4, 16);

vectorised! {
    /// Adds `a (m x k) * b (k x n)` to `out`, every sum in the order of `k`.
    pub(crate) fn multiply(a: &[f32], b: &[f32], k: usize, n: usize, out: &mut [f32]) {
        let (height, width) = TILE;
        for (a, out) in a.chunks(height * k).zip(out.chunks_mut(height * n)) {
            for first in (0..n).step_by(width) {
                if a.len() == height * k && first + width <= n {
                    tile(a, &b[first..], (k, n), &mut out[first..]);
                } else {
                    edge(a, &b[first..], (k, n), width.min(n - first), &mut out[first..]);
                }
            }
        }
    }
}

/// A whole tile; `b` and `out` begin at its first column and have rows of `n`.
#[inline(always)]
fn tile(a: &[f32], b: &[f32], (k, n): (usize, usize), out: &mut [f32]) {
    let mut sums = [[0.0f32; TILE.1]; TILE.0];
    for inner in 0..k {
        let b = &b[inner * n..][..TILE.1];
        for (row, sums) in sums.iter_mut().enumerate() {
            let factor = a[row * k + inner];
            sums.iter_mut()
                .zip(b)
                .for_each(|(sum, b)| *sum += factor * b);
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        out[row * n..]
            .iter_mut()
            .zip(sums)
            .for_each(|(out, sum)| *out += sum);
    }
}

/// A tile of fewer rows or columns.
#[inline(always)]
fn edge(a: &[f32], b: &[f32], (k, n): (usize, usize), width: usize, out: &mut [f32]) {
    for (row, a) in a.chunks_exact(k).enumerate() {
        let mut sums = [0.0f32; TILE.1];
        for (inner, factor) in a.iter().enumerate() {
            let b = &b[inner * n..][..width];
            sums.iter_mut()
                .zip(b)
                .for_each(|(sum, b)| *sum += factor * b);
        }
        out[row * n..][..width]
            .iter_mut()
            .zip(sums)
            .for_each(|(out, sum)| *out += sum);
    }
}

/// What attention gives for each text and head, and the largest magnitude of a score.
fn attention(config: &Config, qkv: &[f32], lengths: &[usize]) -> (Vec<f32>, f32) {
    let (hidden, width) = (config.hidden, config.head());
    let factor = 1.0 / (width as f32).sqrt();
    let mut context = vec![0.0; qkv.len() / 3];
    let mut largest = 0.0f32;
    let mut first = 0;
    for &length in lengths {
        let rows = &qkv[first * 3 * hidden..(first + length) * 3 * hidden];
        for head in 0..config.heads {
            let part = |which: usize| {
                let at = which * hidden + head * width;
                let row = move |row| &rows[row * 3 * hidden + at..][..width];
                (0..length).flat_map(row).copied()
            };
            let queries: Vec<f32> = part(0).map(|value| value * factor).collect();
            let keys: Vec<f32> = part(1).collect();
            let values: Vec<f32> = part(2).collect();
            let keys: Vec<f32> = (0..width)
                .flat_map(|column| keys.iter().skip(column).step_by(width).copied())
                .collect();
            let mut scores = vec![0.0; length * length];
            multiply(&queries, &keys, width, length, &mut scores);
            largest = scores.iter().fold(largest, |a, b| a.max(b.abs()));
            softmax(&mut scores, length);
            let mut result = vec![0.0; length * width];
            multiply(&scores, &values, length, width, &mut result);
            for (row, result) in result.chunks_exact(width).enumerate() {
                context[(first + row) * hidden + head * width..][..width].copy_from_slice(result);
            }
        }
        first += length;
    }
    (context, largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_threads_share_are_as_they_are_alone() {
        let noise = |count: usize| -> Vec<f32> {
            let value = |index: usize| (index * 7919 % 1009) as f32 / 504.0 - 1.0;
            (0..count).map(value).collect()
        };
        let (inputs, outputs) = (130, 150);
        let layer = Linear {
            weights: noise(inputs * outputs),
            bias: noise(outputs),
            inputs,
            outputs,
        };
        // Many enough for several threads, and none of them gets whole tiles only.
        for rows in [1, 5, 1003] {
            let input = noise(rows * inputs);
            let together = apply(&layer, &input);
            let alone: Vec<f32> = input
                .chunks(inputs)
                .flat_map(|row| apply(&layer, row))
                .collect();
            assert!(together == alone, "{rows} rows");
        }
        assert!(apply(&layer, &[]).is_empty());
    }
}
