//! Attention with int8 products: all heads of all texts of a layer at once.

use isa::format::OutputFormat;
use isa::numerics::{ColumnParam, Dyadic};

use super::rows::{self, LARGEST, QuantisedRows, dyadic};
use super::{QuantisedLayer, RunError, Runner};
use crate::matmul::{Finish, Layout, MatMul, Rhs};
use crate::model::Config;

/// Operands of one head for one text.
struct Head {
    tokens: usize,
    /// Queries, `tokens x width`.
    queries: Vec<i8>,
    query_scales: Vec<Dyadic>,
    /// Keys, `tokens x width`.
    keys: Vec<i8>,
    key_columns: Vec<ColumnParam>,
    /// Values, `tokens x width`.
    values: Vec<i8>,
    value_columns: Vec<ColumnParam>,
}

/// Probabilities of one head for one text.
struct Probabilities {
    values: Vec<i8>,
    scales: Vec<Dyadic>,
}

/// What attention gives, `hidden` int16 values a token in [`QuantisedLayer::context_unit`].
///
/// `qkv` holds `3 * hidden` values a token; texts have `lengths` tokens.
pub fn attention(
    config: &Config,
    layer: &QuantisedLayer,
    index: usize,
    qkv: &[i16],
    lengths: &[usize],
    runner: &mut Runner<'_>,
) -> Result<Vec<i16>, RunError> {
    let (hidden, width) = (config.hidden, config.head());
    let score_name = format!("layer.{index}.attention.scores");
    let context_name = format!("layer.{index}.attention.context");
    let mut heads = Vec::with_capacity(lengths.len() * config.heads);
    let mut first = 0;
    for &tokens in lengths {
        let text = &qkv[first * 3 * hidden..(first + tokens) * 3 * hidden];
        for head in 0..config.heads {
            heads.push(Head::new(
                config,
                layer,
                text,
                head,
                (&score_name, &context_name),
            )?);
        }
        first += tokens;
    }

    let jobs: Vec<MatMul<'_>> = heads
        .iter()
        .map(|head| head.score_job(&score_name, width))
        .collect();
    let scores = runner.run(&jobs)?;
    let probabilities: Vec<Probabilities> = heads
        .iter()
        .zip(scores)
        .map(|(head, scores)| {
            let rows = rows::softmax(&scores, layer.score_unit, head.tokens);
            Ok(Probabilities {
                scales: rows.dyadics(&context_name)?,
                values: rows.values,
            })
        })
        .collect::<Result<_, RunError>>()?;

    let jobs: Vec<MatMul<'_>> = heads
        .iter()
        .zip(&probabilities)
        .map(|(head, probabilities)| head.context_job(&context_name, width, probabilities))
        .collect();
    let results = runner.run(&jobs)?;
    let mut context = vec![0; qkv.len() / 3];
    let mut first = 0;
    for (number, (head, result)) in heads.iter().zip(results).enumerate() {
        let at = number % config.heads;
        for (token, row) in result.chunks_exact(width).enumerate() {
            context[(first + token) * hidden + at * width..][..width].copy_from_slice(row);
        }
        if at + 1 == config.heads {
            first += head.tokens;
        }
    }
    Ok(context)
}

impl Head {
    /// Quantises the operands of head `head` for one text.
    fn new(
        config: &Config,
        layer: &QuantisedLayer,
        text: &[i16],
        head: usize,
        (score_name, context_name): (&str, &str),
    ) -> Result<Self, RunError> {
        let (hidden, width) = (config.hidden, config.head());
        // Queries, keys and values each have one unit.
        let unit = |part: usize| layer.qkv.units[part * hidden];
        let part = |part: usize| -> Vec<i16> {
            let at = part * hidden + head * width;
            text.chunks_exact(3 * hidden)
                .flat_map(|row| &row[at..at + width])
                .copied()
                .collect()
        };
        let queries = rows::requantise(&part(0), unit(0), width);
        let keys = rows::requantise(&part(1), unit(1), width);
        let (values, value_scales) = quantise_columns(&part(2), unit(2), width);
        let factor = 1.0 / ((width as f32).sqrt() * layer.score_unit);
        Ok(Self {
            tokens: queries.scales.len(),
            query_scales: queries.dyadics(score_name)?,
            queries: queries.values,
            key_columns: columns(&keys.scales, factor, score_name)?,
            keys: keys.values,
            values,
            value_columns: columns(
                &value_scales,
                1.0 / (LARGEST * layer.context_unit),
                context_name,
            )?,
        })
    }

    fn score_job<'a>(&'a self, name: &'a str, width: usize) -> MatMul<'a> {
        MatMul {
            name,
            m: self.tokens,
            k: width,
            n: self.tokens,
            a: &self.queries,
            b: Rhs::Once(Layout::Transposed, &self.keys),
            finish: Finish::Requantize {
                rows: &self.query_scales,
                columns: &self.key_columns,
                format: OutputFormat::I16,
            },
        }
    }

    fn context_job<'a>(
        &'a self,
        name: &'a str,
        width: usize,
        probabilities: &'a Probabilities,
    ) -> MatMul<'a> {
        MatMul {
            name,
            m: self.tokens,
            k: self.tokens,
            n: width,
            a: &probabilities.values,
            b: Rhs::Once(Layout::RowMajor, &self.values),
            finish: Finish::Requantize {
                rows: &probabilities.scales,
                columns: &self.value_columns,
                format: OutputFormat::I16,
            },
        }
    }
}

/// Column parameters with scales multiplied by `factor`, and no bias.
fn columns(scales: &[f32], factor: f32, node: &str) -> Result<Vec<ColumnParam>, RunError> {
    let column = |scale: &f32| {
        Ok(ColumnParam {
            scale: dyadic(scale * factor, node)?,
            bias: 0,
        })
    };
    scales.iter().map(column).collect()
}

/// Quantises each of `width` columns with a scale of its own; the result is row-major as well.
fn quantise_columns(values: &[i16], unit: f32, width: usize) -> (Vec<i8>, Vec<f32>) {
    let tokens = values.len() / width;
    let column = |column: usize| values.iter().skip(column).step_by(width).copied();
    let transposed: Vec<i16> = (0..width).flat_map(column).collect();
    let QuantisedRows { values, scales } = rows::requantise(&transposed, unit, tokens);
    let row = |token: usize| values.iter().skip(token).step_by(tokens).copied();
    ((0..tokens).flat_map(row).collect(), scales)
}
