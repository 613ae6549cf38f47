//! Models from folders as Hugging Face and sentence-transformers write them: BERT-family encoders.

mod bert;
pub mod cache;
mod config;
mod error;
pub mod fetch;
pub mod float;
pub(crate) mod json;
pub mod math;
mod panics;
mod pooling;
mod tensors;
mod tokenizer;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use bert::{Bert, LayerWeights, Linear, Norm};
pub use config::Config;
pub use error::ModelError;
pub use pooling::{Pooling, PoolingMode};
pub use tensors::{Source, Tensors, WRITE_AGAIN};
pub use tokenizer::{Tokenizer, TooLong};

/// A model's folder, opened and checked.
#[derive(Debug)]
pub struct Model {
    folder: PathBuf,
    /// Sizes.
    pub config: Config,
    /// What follows the encoder.
    pub pooling: Pooling,
    /// Text to tokens.
    pub tokenizer: Tokenizer,
    /// The weights.
    pub bert: Bert,
}

/// The fields of `sentence_bert_config.json` that matter here.
#[derive(Default, Deserialize)]
struct SentenceConfig {
    max_seq_length: Option<usize>,
    do_lower_case: Option<bool>,
}

impl Model {
    /// Opens `folder`, which holds `config.json`, `tokenizer.json` and `model.safetensors`.
    ///
    /// A text may have as many tokens as there are positions, or fewer where
    /// `sentence_bert_config.json` says so, which may also ask for small letters.
    ///
    /// # Errors
    /// When a file is missing, malformed, or asks for something that is not built.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        if !folder.is_dir() {
            let hint = "a model is a folder with config.json, tokenizer.json and model.safetensors, or a file \
                        that `systole quantize` wrote";
            return Err(ModelError::Missing {
                path: folder.into(),
                hint: hint.into(),
            });
        }
        let config = Config::read(&folder.join("config.json"))?;
        let pooling = Pooling::read(folder)?;
        let sentence: Option<SentenceConfig> =
            json::read_optional(&folder.join("sentence_bert_config.json"))?;
        let SentenceConfig {
            max_seq_length,
            do_lower_case,
        } = sentence.unwrap_or_default();
        let limit = max_seq_length.map_or(config.positions, |limit| limit.min(config.positions));
        let tokenizer = Tokenizer::read(
            &folder.join("tokenizer.json"),
            limit,
            do_lower_case.unwrap_or(false),
        )?;
        let tensors = Tensors::open(&folder.join("model.safetensors"), Source::Folder)?;
        let bert = Bert::new(config.clone(), tensors)?;
        Ok(Self {
            folder: folder.into(),
            config,
            pooling,
            tokenizer,
            bert,
        })
    }

    /// Puts a model together whose parts come from the file `path`.
    ///
    /// # Errors
    /// When the embeddings are not among its tensors.
    pub(crate) fn of_file(
        path: &Path,
        config: Config,
        pooling: Pooling,
        tokenizer: Tokenizer,
        tensors: Tensors,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            folder: path.into(),
            bert: Bert::new(config.clone(), tensors)?,
            config,
            pooling,
            tokenizer,
        })
    }

    /// The folder, or the file if the model is in one.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Tokens of every text, each known to the model.
    ///
    /// # Errors
    /// When a text is empty, too long (and not to be truncated), or has a token that the model
    /// does not know.
    pub fn tokenize<T: AsRef<str>>(
        &self,
        texts: &[T],
        too_long: TooLong,
    ) -> Result<Vec<Vec<u32>>, ModelError> {
        let encode = |(index, text): (usize, &T)| {
            let number = index + 1;
            let ids = self.tokenizer.encode(text.as_ref(), number, too_long)?;
            let vocabulary = self.config.vocabulary;
            match ids.iter().find(|id| **id as usize >= vocabulary) {
                Some(id) => Err(ModelError::UnknownToken {
                    number,
                    id: *id,
                    vocabulary,
                }),
                None => Ok(ids),
            }
        };
        texts.iter().enumerate().map(encode).collect()
    }

    /// One vector a text, from the token vectors that the encoder gave, text after text.
    ///
    /// # Errors
    /// When the weights are so large that a vector is not finite.
    pub fn pool(&self, tokens: &[f32], lengths: &[usize]) -> Result<Vec<Vec<f32>>, ModelError> {
        let vectors = self.pooling.pool(tokens, self.config.hidden, lengths);
        if vectors.iter().flatten().any(|value| !value.is_finite()) {
            let reason = "the weights are too large: an embedding is not a finite number";
            return Err(ModelError::malformed(self.bert.tensors().path(), reason));
        }
        Ok(vectors)
    }
}
