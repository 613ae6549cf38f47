//! Why a request failed.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::Errno;
use crate::message::Command;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody could be reached.
    #[error("cannot connect to {}: {source}", path.display())]
    Connect {
        /// The socket file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The socket cannot be used.
    #[error("cannot use the socket: {0}")]
    Socket(io::Error),
    /// The server refused.
    #[error("the server refused {command:?}: {errno}")]
    Refused {
        /// What was asked for.
        command: Command,
        /// Its reason.
        errno: Errno,
    },
    /// The server did not answer in time.
    #[error("no answer to {command:?} within {patience:?}")]
    Timeout {
        /// What was asked for.
        command: Command,
        /// How long the server had.
        patience: Duration,
    },
    /// The server closed the connection or is dead.
    #[error("the server is gone, {command:?} has no answer")]
    Disconnected {
        /// What was asked for.
        command: Command,
    },
    /// The server sent what makes no sense.
    #[error("the server broke the protocol at {command:?}: {why}")]
    Protocol {
        /// What was asked for.
        command: Command,
        /// What it sent.
        why: String,
    },
    /// The request itself makes no sense and was not sent.
    #[error("a request that cannot be sent: {0}")]
    Invalid(String),
}
