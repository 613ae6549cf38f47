//! `config.json` of a BERT-family encoder.

use std::path::Path;

use serde::Deserialize;

use super::{ModelError, json};

/// Sizes of an encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Width of a token's vector.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Attention heads; they divide [`Self::hidden`].
    pub heads: usize,
    /// Width between the two linear layers of the feed-forward part.
    pub intermediate: usize,
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
    /// Positions that have an embedding.
    pub positions: usize,
    /// Token types that have an embedding.
    pub token_types: usize,
    /// Added to the variance in LayerNorm.
    pub epsilon: f32,
}

/// The fields of the file that matter here.
#[derive(Deserialize)]
struct Fields {
    model_type: Option<String>,
    architectures: Option<Vec<String>>,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    #[serde(default = "two")]
    type_vocab_size: usize,
    #[serde(default = "usual_epsilon")]
    layer_norm_eps: f64,
    #[serde(default = "gelu")]
    hidden_act: String,
    position_embedding_type: Option<String>,
    #[serde(default)]
    is_decoder: bool,
}

fn two() -> usize {
    2
}

fn usual_epsilon() -> f64 {
    1e-12
}

fn gelu() -> String {
    "gelu".into()
}

/// Widest layer: sums of this many int8 products fit in an int32.
const WIDEST: usize = 65_536;

/// Most layers, ten times those of any encoder: a wrong number is found before any work.
const MOST_LAYERS: usize = 1024;

/// Most tokens or positions: far beyond any model, near enough to keep products in range.
const MOST: usize = 1 << 24;

impl Config {
    /// Width of one head.
    pub fn head(&self) -> usize {
        self.hidden / self.heads
    }

    /// Reads and checks the file.
    ///
    /// # Errors
    /// When the file is missing or malformed, or describes a model of another family.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        Self::check(path, json::read(path, "a model's folder needs it")?)
    }

    /// Reads and checks the text of such a file, which is in the file `path`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, ModelError> {
        Self::check(path, json::parse(path, text.as_bytes())?)
    }

    fn check(path: &Path, fields: Fields) -> Result<Self, ModelError> {
        fields.check_family(path)?;
        let sizes = [
            ("hidden_size", fields.hidden_size, WIDEST),
            ("intermediate_size", fields.intermediate_size, WIDEST),
            ("num_attention_heads", fields.num_attention_heads, WIDEST),
            ("num_hidden_layers", fields.num_hidden_layers, MOST_LAYERS),
            ("vocab_size", fields.vocab_size, MOST),
            (
                "max_position_embeddings",
                fields.max_position_embeddings,
                MOST,
            ),
            ("type_vocab_size", fields.type_vocab_size, MOST),
        ];
        for (name, value, most) in sizes {
            if value == 0 || value > most {
                let reason = format!("`{name}` is {value}, but must be 1..={most}");
                return Err(ModelError::malformed(path, reason));
            }
        }
        let (hidden, heads) = (fields.hidden_size, fields.num_attention_heads);
        if !hidden.is_multiple_of(heads) {
            let reason = format!(
                "`hidden_size` {hidden} cannot be divided by `num_attention_heads` {heads}"
            );
            return Err(ModelError::malformed(path, reason));
        }
        let epsilon = fields.layer_norm_eps as f32;
        if !(epsilon > 0.0 && epsilon < 1.0) {
            let reason = format!("`layer_norm_eps` is {epsilon}, but must be between 0 and 1");
            return Err(ModelError::malformed(path, reason));
        }
        Ok(Self {
            hidden,
            layers: fields.num_hidden_layers,
            heads,
            intermediate: fields.intermediate_size,
            vocabulary: fields.vocab_size,
            positions: fields.max_position_embeddings,
            token_types: fields.type_vocab_size,
            epsilon,
        })
    }
}

impl Fields {
    fn check_family(&self, path: &Path) -> Result<(), ModelError> {
        let architecture = self.architectures.iter().flatten().next();
        let family = self.model_type.as_ref().or(architecture);
        let is_bert = match (&self.model_type, architecture) {
            (Some(family), _) => family == "bert",
            (None, Some(architecture)) => architecture.starts_with("Bert"),
            (None, None) => false,
        };
        let unsupported = |reason| Err(ModelError::unsupported(path, reason));
        if !is_bert {
            let family = family.map_or("unnamed", String::as_str);
            return unsupported(format!("the architecture `{family}`; BERT encoders run"));
        }
        if self.is_decoder {
            return unsupported("a decoder; BERT encoders run".into());
        }
        if self.hidden_act != "gelu" {
            return unsupported(format!("the activation `{}`; `gelu` runs", self.hidden_act));
        }
        match self.position_embedding_type.as_deref() {
            None | Some("absolute") => Ok(()),
            Some(kind) => unsupported(format!("position embeddings `{kind}`; `absolute` run")),
        }
    }
}
