//! How the program ends, and what it says then.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use systole::backend::BackendError;
use systole::embed::EmbedError;
use systole::model::ModelError;
use systole::quant::{QuantiseError, RunError};

use super::say;

/// Text of `--help` on exit codes; [`Failure::code`] gives them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the result is wrong, something is missing, or the output cannot be written
  2  the command line makes no sense
  3  an input is missing or malformed: a file, a model, a text
  4  the device cannot be used or failed";

/// Why the program ends early. Each text is a sentence that says what to do where that helps.
#[derive(Debug)]
pub enum Failure {
    /// The work was done, but what came out is not good enough; or the surroundings failed.
    Failed(String),
    /// Options that contradict each other.
    Usage(String),
    /// An input is missing or malformed.
    Input(String),
    /// The device cannot be used.
    Device(String),
    /// Nobody reads the output any more.
    Closed,
}

/// What commands return.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Tells the person and gives the exit code.
    pub fn report(&self) -> ExitCode {
        let (text, code) = match self {
            Self::Failed(text) => (text, 1),
            Self::Usage(text) => (text, 2),
            Self::Input(text) => (text, 3),
            Self::Device(text) => (text, 4),
            // The reader has seen enough, as in `systole embed | head`.
            Self::Closed => return ExitCode::SUCCESS,
        };
        say(format_args!("error: {text}"));
        ExitCode::from(code)
    }

    /// An input file that cannot be used.
    pub fn file(path: &std::path::Path, problem: impl Display) -> Self {
        Self::Input(format!("{}: {problem}", path.display()))
    }
}

/// Errors of writing to standard output, the only ones that are converted.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Failed(format!("cannot write to standard output: {error}")),
        }
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Fetch(_) | ModelError::Write(_) => Self::Failed(error.to_string()),
            ModelError::TooLong { .. } => {
                Self::Input(format!("{error} with the option --truncate"))
            }
            _ => Self::Input(error.to_string()),
        }
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::Shape(_) => Self::Failed(error.to_string()),
            BackendError::Device(_) => Self::Device(error.to_string()),
        }
    }
}

impl From<QuantiseError> for Failure {
    fn from(error: QuantiseError) -> Self {
        match error {
            QuantiseError::Model(error) => error.into(),
            QuantiseError::Run(error) => EmbedError::Run(error).into(),
            QuantiseError::Scheme(_) => Self::Usage(error.to_string()),
            QuantiseError::FewSentences(_) => Self::Input(error.to_string()),
            QuantiseError::Goal(_) => Self::Failed(error.to_string()),
        }
    }
}

impl From<EmbedError> for Failure {
    fn from(error: EmbedError) -> Self {
        match error {
            EmbedError::Model(error) => error.into(),
            EmbedError::Run(RunError::Backend(error)) => error.into(),
            EmbedError::Run(error) => Self::Failed(error.to_string()),
        }
    }
}
