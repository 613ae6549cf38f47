//! `tokenizer.json`, without the padding and the truncation that it may ask for.

use std::path::Path;

use tokenizers::{TruncationDirection, TruncationParams};

use super::ModelError;

/// What becomes of a text that is longer than the model's limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TooLong {
    /// It is an error.
    #[default]
    Refuse,
    /// Its end is cut off; special tokens at either end stay.
    Truncate,
}

/// Turns texts into token numbers.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    limit: usize,
}

impl Tokenizer {
    /// Reads the file for a model that takes `limit` tokens, special ones included.
    ///
    /// # Errors
    /// When the file is missing or malformed, or the limit leaves no room for text.
    pub fn read(path: &Path, limit: usize) -> Result<Self, ModelError> {
        let bytes = std::fs::read(path)
            .map_err(|source| ModelError::io(path, "it turns text into tokens", source))?;
        let mut inner = tokenizers::Tokenizer::from_bytes(&bytes)
            .map_err(|error| ModelError::malformed(path, error.to_string()))?;
        inner.with_padding(None);
        inner
            .with_truncation(None::<TruncationParams>)
            .map_err(|error| ModelError::malformed(path, error.to_string()))?;
        let tokenizer = Self { inner, limit };
        if tokenizer.special_tokens() >= limit {
            let reason = format!("the model's limit of {limit} tokens leaves no room for text");
            return Err(ModelError::malformed(path, reason));
        }
        Ok(tokenizer)
    }

    /// Most tokens of a text, special ones included.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Tokens that are added to each text.
    fn special_tokens(&self) -> usize {
        use tokenizers::PostProcessor;
        self.inner
            .get_post_processor()
            .map_or(0, |processor| processor.added_tokens(false))
    }

    /// Token numbers of a text, special tokens included. `number` names the text in errors.
    ///
    /// # Errors
    /// When the text is empty, or too long and not to be truncated.
    pub fn encode(
        &self,
        text: &str,
        number: usize,
        too_long: TooLong,
    ) -> Result<Vec<u32>, ModelError> {
        let failed = |error: tokenizers::Error| ModelError::Tokenize {
            number,
            reason: error.to_string(),
        };
        let mut encoding = self.inner.encode_fast(text, false).map_err(failed)?;
        if encoding.is_empty() {
            return Err(ModelError::EmptyText { number });
        }
        let tokens = encoding.len() + self.special_tokens();
        if tokens > self.limit {
            match too_long {
                TooLong::Refuse => {
                    return Err(ModelError::TooLong {
                        number,
                        tokens,
                        limit: self.limit,
                    });
                }
                TooLong::Truncate => encoding.truncate(
                    self.limit - self.special_tokens(),
                    0,
                    TruncationDirection::Right,
                ),
            }
        }
        let encoding = self
            .inner
            .post_process(encoding, None, true)
            .map_err(failed)?;
        Ok(encoding.get_ids().to_vec())
    }
}
