//! How the program ends, and what it says then.

use std::io::{self, Write};
use std::process::ExitCode;

use vfio_user_protocol::server::BindError;

/// Text of `--help` on exit codes; [`Failure::report`] gives them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  ended by SIGINT or SIGTERM
  1  something failed meanwhile, or the output cannot be written
  2  the command line makes no sense
  3  the socket or the pseudo-terminal cannot be made
  4  the card cannot be made";

/// Why the program ends early. Each text is a sentence that says what to do where that helps.
#[derive(Debug)]
pub enum Failure {
    /// The surroundings failed.
    Failed(String),
    /// The socket or the pseudo-terminal cannot be made.
    Socket(String),
    /// The card cannot be made.
    Card(String),
}

/// What commands return.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Tells the person and gives the exit code.
    pub fn report(&self) -> ExitCode {
        let (text, code) = match self {
            Self::Failed(text) => (text, 1),
            Self::Socket(text) => (text, 3),
            Self::Card(text) => (text, 4),
        };
        // That nobody hears it is no reason to end otherwise.
        let _ = writeln!(io::stderr(), "error: {text}");
        ExitCode::from(code)
    }
}

/// Errors of the system that are the program's own.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<BindError> for Failure {
    fn from(error: BindError) -> Self {
        let advice = match &error {
            BindError::InUse(_) => "; end it, or take another path with --socket",
            BindError::NotASocket(_) => "; take another path with --socket",
            BindError::System { .. } => "",
        };
        Self::Socket(format!("{error}{advice}"))
    }
}

impl From<sim::Error> for Failure {
    fn from(error: sim::Error) -> Self {
        Self::Card(error.to_string())
    }
}
