//! What can be wrong with a model or with a text given to it.

use std::path::{Path, PathBuf};

use crate::output::OutputError;

/// A model that cannot be used, or a text that it cannot read.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file is absent.
    #[error("{} is missing: {hint}", path.display())]
    Missing {
        /// The file or folder.
        path: PathBuf,
        /// What it is for, or how to get it.
        hint: String,
    },
    /// A file exists, and reading it failed.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error(transparent)]
    Write(OutputError),
    /// The content of a file makes no sense.
    #[error("{} is malformed: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file asks for something that is not built.
    #[error("{} asks for what Systole does not have yet: {reason}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it asks for.
        reason: String,
    },
    /// A text holds nothing that the tokenizer turns into tokens.
    #[error("text {number} is empty: there is nothing to embed")]
    EmptyText {
        /// Place in the list of texts, from 1.
        number: usize,
    },
    /// A text is longer than the model can read.
    #[error(
        "text {number} has {tokens} tokens, but the model reads at most {limit}: shorten it, or \
         ask for truncation"
    )]
    TooLong {
        /// Place in the list of texts, from 1.
        number: usize,
        /// Its tokens, special ones included.
        tokens: usize,
        /// Most tokens that the model takes, special ones included.
        limit: usize,
    },
    /// The tokenizer failed on a text.
    #[error("text {number} cannot be tokenized: {reason}")]
    Tokenize {
        /// Place in the list of texts, from 1.
        number: usize,
        /// What the tokenizer said.
        reason: String,
    },
    /// The tokenizer gave a token that the model does not have.
    #[error(
        "token {id} of text {number} is outside the model's vocabulary of {vocabulary}: \
         tokenizer.json belongs to another model"
    )]
    UnknownToken {
        /// Place in the list of texts, from 1.
        number: usize,
        /// The token.
        id: u32,
        /// Number of tokens that the model has.
        vocabulary: usize,
    },
    /// A model could not be fetched.
    #[error("cannot fetch the model: {0}")]
    Fetch(String),
}

impl ModelError {
    /// An error of the file system, told as missing where the file is not there.
    pub(crate) fn io(path: &Path, hint: &str, source: std::io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            std::io::ErrorKind::NotFound => Self::Missing {
                path,
                hint: hint.into(),
            },
            _ => Self::Io { path, source },
        }
    }

    pub(crate) fn malformed(path: &Path, reason: impl Into<String>) -> Self {
        Self::Malformed {
            path: path.to_path_buf(),
            reason: reason.into(),
        }
    }

    pub(crate) fn unsupported(path: &Path, reason: impl Into<String>) -> Self {
        Self::Unsupported {
            path: path.to_path_buf(),
            reason: reason.into(),
        }
    }
}
