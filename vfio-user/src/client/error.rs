//! Why a request failed.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Errno;
use crate::message::Command;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody could be reached.
    #[error("cannot connect to {}: {source}{}", path.display(), advice(path, source))]
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
    #[error("the server refused {command:?}: {errno}{}", reason(*command, *errno))]
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

/// What to do when nobody can be reached.
fn advice(path: &Path, source: &io::Error) -> String {
    let path = path.display();
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            format!(
                ": no server listens there; start one with `systole-card serve --socket {path}`"
            )
        }
        io::ErrorKind::PermissionDenied => format!(
            ": the socket belongs to the user who started the server, with mode 0600; run both as \
             the same user, or see `ls -l {path}`"
        ),
        io::ErrorKind::TimedOut => {
            ": the server lets nobody in; it may be stopped, or hang: restart it".into()
        }
        _ => String::new(),
    }
}

/// What a refusal means where that says what to do.
fn reason(command: Command, errno: Errno) -> &'static str {
    match (command, errno) {
        (Command::Version, Errno::BUSY) => {
            ": another program uses the card; end that first, because a server has one client"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_to_connect_say_what_to_do() {
        let text = |kind: io::ErrorKind| {
            let path = "/run/card".into();
            let source = kind.into();
            Error::Connect { path, source }.to_string()
        };
        let start = "systole-card serve --socket /run/card";
        assert!(text(io::ErrorKind::NotFound).contains(start));
        assert!(text(io::ErrorKind::ConnectionRefused).contains(start));
        assert!(text(io::ErrorKind::PermissionDenied).contains("0600"));
        let refused = |command, errno| Error::Refused { command, errno }.to_string();
        let busy = refused(Command::Version, Errno::BUSY);
        assert!(busy.contains("another program uses the card"), "{busy}");
        let other = refused(Command::DmaMap, Errno::BUSY);
        assert!(!other.contains("another program"), "{other}");
    }
}
