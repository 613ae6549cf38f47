//! Weights of a BERT encoder, read when they are asked for.

use super::math::layer_norm;
use super::tensors::{Table, Tensors};
use super::{Config, ModelError};

/// A BERT encoder in a mapped file.
#[derive(Debug)]
pub struct Bert {
    config: Config,
    tensors: Tensors,
    embedding_norm: Norm,
}

/// Gain and offset of a LayerNorm.
#[derive(Clone, Debug)]
pub struct Norm {
    /// Factor of each channel.
    pub gain: Vec<f32>,
    /// Added to each channel afterwards.
    pub offset: Vec<f32>,
    /// Added to the variance.
    pub epsilon: f32,
}

/// A linear layer `y = W x + b`.
#[derive(Clone, Debug)]
pub struct Linear {
    /// Length of `x`.
    pub inputs: usize,
    /// Length of `y`.
    pub outputs: usize,
    /// W, `outputs x inputs`, row-major.
    pub weights: Vec<f32>,
    /// b.
    pub bias: Vec<f32>,
}

/// Weights of one layer.
#[derive(Clone, Debug)]
pub struct LayerWeights {
    /// Query, key and value projections, one above the other: `3 * hidden` outputs.
    pub qkv: Linear,
    /// Projection of what attention gives.
    pub attention_output: Linear,
    /// LayerNorm after attention.
    pub attention_norm: Norm,
    /// First linear layer of the feed-forward part.
    pub ffn_in: Linear,
    /// Second linear layer of the feed-forward part.
    pub ffn_out: Linear,
    /// LayerNorm after the feed-forward part.
    pub output_norm: Norm,
}

impl Bert {
    /// Takes the tensors of a model, of which the embeddings must be there.
    ///
    /// # Errors
    /// When an embedding table or its norm is missing or has another shape.
    pub fn new(config: Config, tensors: Tensors) -> Result<Self, ModelError> {
        let epsilon = config.epsilon;
        let embedding_norm = read_norm(&tensors, "embeddings.LayerNorm", config.hidden, epsilon)?;
        let bert = Self {
            config,
            tensors,
            embedding_norm,
        };
        bert.tables()?;
        Ok(bert)
    }

    /// The file of the weights.
    pub fn tensors(&self) -> &Tensors {
        &self.tensors
    }

    /// Tables of words, positions and token types.
    fn tables(&self) -> Result<[Table<'_>; 3], ModelError> {
        let Config {
            hidden,
            vocabulary,
            positions,
            token_types,
            ..
        } = self.config;
        let table = |kind, rows| {
            self.tensors.table(
                &format!("embeddings.{kind}_embeddings.weight"),
                rows,
                hidden,
            )
        };
        let words = table("word", vocabulary)?;
        Ok([
            words,
            table("position", positions)?,
            table("token_type", token_types)?,
        ])
    }

    /// Vectors that enter the first layer, `hidden` values a token, text after text.
    ///
    /// # Errors
    /// When a token or a position has no embedding, or an embedding is not a finite number.
    pub fn embed(&self, texts: &[Vec<u32>]) -> Result<Vec<f32>, ModelError> {
        let [words, positions, types] = self.tables()?;
        let hidden = self.config.hidden;
        let tokens: usize = texts.iter().map(Vec::len).sum();
        let mut vectors = Vec::with_capacity(tokens * hidden);
        for text in texts {
            for (position, id) in text.iter().enumerate() {
                let rows = (
                    words.row(*id as usize),
                    positions.row(position),
                    types.row(0),
                );
                let (Some(word), Some(position), Some(kind)) = rows else {
                    let reason = format!("there is no embedding for token {id} at {position}");
                    return Err(ModelError::malformed(self.tensors.path(), reason));
                };
                vectors.extend(word.zip(position).zip(kind).map(|((a, b), c)| a + c + b));
            }
        }
        if vectors.iter().any(|value| !value.is_finite()) {
            let reason = "an embedding holds a value that is not a finite number";
            return Err(ModelError::malformed(self.tensors.path(), reason));
        }
        layer_norm(&mut vectors, &self.embedding_norm);
        Ok(vectors)
    }

    /// Weights of layer `index`.
    ///
    /// # Errors
    /// When a tensor is missing, has another shape or type, or holds a value that is no number.
    pub fn layer(&self, index: usize) -> Result<LayerWeights, ModelError> {
        let Config {
            hidden,
            intermediate,
            epsilon,
            ..
        } = self.config;
        let linear = |name: &str, outputs: usize, inputs: usize| {
            let name = format!("encoder.layer.{index}.{name}");
            Ok(Linear {
                inputs,
                outputs,
                weights: self
                    .tensors
                    .read(&format!("{name}.weight"), &[outputs, inputs])?,
                bias: self.tensors.read(&format!("{name}.bias"), &[outputs])?,
            })
        };
        let norm = |name: &str| {
            let name = format!("encoder.layer.{index}.{name}.LayerNorm");
            read_norm(&self.tensors, &name, hidden, epsilon)
        };
        let mut qkv = linear("attention.self.query", hidden, hidden)?;
        for name in ["attention.self.key", "attention.self.value"] {
            let part = linear(name, hidden, hidden)?;
            qkv.outputs += part.outputs;
            qkv.weights.extend(part.weights);
            qkv.bias.extend(part.bias);
        }
        Ok(LayerWeights {
            qkv,
            attention_output: linear("attention.output.dense", hidden, hidden)?,
            attention_norm: norm("attention.output")?,
            ffn_in: linear("intermediate.dense", intermediate, hidden)?,
            ffn_out: linear("output.dense", hidden, intermediate)?,
            output_norm: norm("output")?,
        })
    }
}

fn read_norm(
    tensors: &Tensors,
    name: &str,
    width: usize,
    epsilon: f32,
) -> Result<Norm, ModelError> {
    Ok(Norm {
        gain: tensors.read(&format!("{name}.weight"), &[width])?,
        offset: tensors.read(&format!("{name}.bias"), &[width])?,
        epsilon,
    })
}
