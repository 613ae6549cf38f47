//! `tokenizer.json`, without the padding and the truncation that it may ask for.

use std::borrow::Cow;
use std::path::Path;

use tokenizers::{PostProcessor, TruncationDirection, TruncationParams};

use super::ModelError;
use super::panics::caught;

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
    /// Tokens that are added to each text.
    special_tokens: usize,
    limit: usize,
    lower_case: bool,
}

impl Tokenizer {
    /// Reads the file for a model that takes `limit` tokens, special ones included. With
    /// `lower_case`, texts are turned into small letters first, whatever the file says.
    ///
    /// # Errors
    /// When the file is missing or malformed, or the limit leaves no room for text.
    pub fn read(path: &Path, limit: usize, lower_case: bool) -> Result<Self, ModelError> {
        let bytes = std::fs::read(path)
            .map_err(|source| ModelError::io(path, "it turns text into tokens", source))?;
        Self::parse(path, &bytes, limit, lower_case)
    }

    /// Reads the text of such a file, which is in the file `path`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(
        path: &Path,
        text: &[u8],
        limit: usize,
        lower_case: bool,
    ) -> Result<Self, ModelError> {
        let read = guarded(|| {
            let mut inner = tokenizers::Tokenizer::from_bytes(text)?;
            inner.with_padding(None);
            inner.with_truncation(None::<TruncationParams>)?;
            let special_tokens = inner
                .get_post_processor()
                .map_or(0, |processor| processor.added_tokens(false));
            Ok((inner, special_tokens))
        });
        let (inner, special_tokens) = read.map_err(|reason| ModelError::malformed(path, reason))?;
        if special_tokens >= limit {
            let reason = format!("the model's limit of {limit} tokens leaves no room for text");
            return Err(ModelError::malformed(path, reason));
        }
        Ok(Self {
            inner,
            special_tokens,
            limit,
            lower_case,
        })
    }

    /// Whether texts are turned into small letters first.
    pub fn lower_case(&self) -> bool {
        self.lower_case
    }

    /// Most tokens of a text, special ones included.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Token numbers of a text, special tokens included. `number` names the text in errors.
    ///
    /// # Errors
    /// When the text is empty, or too long and not to be truncated, or the tokenizer fails on it.
    pub fn encode(
        &self,
        text: &str,
        number: usize,
        too_long: TooLong,
    ) -> Result<Vec<u32>, ModelError> {
        let failed = |reason| ModelError::Tokenize { number, reason };
        let text = match self.lower_case {
            true => Cow::Owned(text.to_lowercase()),
            false => Cow::Borrowed(text),
        };
        let encoding = guarded(|| self.inner.encode_fast(&*text, false));
        let mut encoding = encoding.map_err(failed)?;
        if encoding.is_empty() {
            return Err(ModelError::EmptyText { number });
        }
        let tokens = encoding.len() + self.special_tokens;
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
                    self.limit - self.special_tokens,
                    0,
                    TruncationDirection::Right,
                ),
            }
        }
        let encoding = guarded(|| self.inner.post_process(encoding, None, true));
        Ok(encoding.map_err(failed)?.get_ids().to_vec())
    }
}

/// What `work` gives, or what went wrong. The library panics on some files that make no sense.
fn guarded<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    match caught(work) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => Err(format!("the tokenizer library broke off: {panic}")),
    }
}
