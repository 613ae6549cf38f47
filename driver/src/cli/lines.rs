//! Files of sentences, one a line.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use systole::model::{Model, ModelError, TooLong};

use super::failure::{Failure, Result};

/// A file of sentences; empty lines do not count.
pub struct Lines {
    path: PathBuf,
    text: String,
}

impl Lines {
    /// Reads the file that `option` names.
    pub fn read(path: &Path, option: &str) -> Result<Self> {
        let wanted = format!("{option} takes a text file with one sentence a line");
        let bytes = std::fs::read(path).map_err(|error| {
            Failure::file(
                path,
                match error.kind() {
                    io::ErrorKind::NotFound => format!("there is no such file; {wanted}"),
                    io::ErrorKind::IsADirectory => format!("it is a folder; {wanted}"),
                    _ => format!("it cannot be read: {error}; {wanted}"),
                },
            )
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let byte = error.as_bytes()[good.len()];
            let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
            at(
                path,
                line,
                format_args!(
                    "byte 0x{byte:02x} is no UTF-8, which the text must be; convert the file, for \
                     example with `iconv --from-code latin1 --to-code utf-8`"
                ),
            )
        })?;
        let lines = Self {
            path: path.into(),
            text,
        };
        match lines.sentences().is_empty() {
            true => Err(Failure::file(
                path,
                format!("it holds no sentence; {wanted}"),
            )),
            false => Ok(lines),
        }
    }

    /// The sentences.
    pub fn sentences(&self) -> Vec<&str> {
        self.numbered().map(|(_, line)| line).collect()
    }

    /// The file as it is.
    pub fn into_text(self) -> String {
        self.text
    }

    /// Finds the first line that `model` cannot read, so that errors name the line. What is too long
    /// is refused unless it is to be cut.
    pub fn check(&self, model: &Model, too_long: TooLong) -> Result<()> {
        for (number, line) in self.numbered() {
            let problem = match model.tokenize(&[line], too_long) {
                Ok(_) => continue,
                Err(ModelError::TooLong { tokens, limit, .. }) => format!(
                    "the sentence has {tokens} tokens, but the model reads at most {limit}: \
                     shorten it, or cut what is too long with --truncate"
                ),
                Err(ModelError::EmptyText { .. }) => {
                    "the tokenizer finds nothing to read there: remove the line".into()
                }
                Err(ModelError::Tokenize { reason, .. }) => {
                    format!("the tokenizer fails on it: {reason}")
                }
                Err(ModelError::UnknownToken { id, vocabulary, .. }) => format!(
                    "it has token {id}, but the model knows {vocabulary}: tokenizer.json belongs \
                     to another model"
                ),
                Err(error) => return Err(error.into()),
            };
            return Err(at(&self.path, number, problem));
        }
        Ok(())
    }

    /// Sentences and the numbers of their lines, from 1.
    fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = (1..).zip(self.text.lines());
        lines.filter(|(_, line)| !line.trim().is_empty())
    }
}

/// What is wrong with a line of a file.
fn at(path: &Path, line: usize, problem: impl Display) -> Failure {
    Failure::Input(format!("{}, line {line}: {problem}", path.display()))
}
