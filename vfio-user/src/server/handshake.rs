//! The first message of a connection.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::{Ended, Options};
use crate::Errno;
use crate::calls::refuse;
use crate::message::{Capabilities, Command, Header, Kind, MAJOR, MINOR, Version};
use crate::socket::{Message, ReceiveError, Socket};

/// Bytes of a `VERSION` that are looked at.
const LIMIT: usize = 64 << 10;

/// A connection whose client wants a version that this server speaks.
pub(super) struct Greeted {
    pub socket: Socket,
    /// What the client can take.
    pub client: Capabilities,
    /// The client's `VERSION`, which is to be answered.
    header: Header,
    minor: u16,
}

impl Greeted {
    /// Waits for the `VERSION` of a client.
    pub fn new(stream: UnixStream, options: &Options) -> Result<Self, Ended> {
        let socket = Socket::new(stream, options.send).map_err(Ended::of_socket)?;
        let message = first(&socket, options.handshake)?;
        let header = message.header;
        match Self::check(&message) {
            Ok(version) => Ok(Self {
                socket,
                client: version.capabilities,
                header,
                minor: version.minor.min(MINOR),
            }),
            Err(why) => {
                // The client is told why, if it listens; the connection ends in any case.
                let _ = refuse(&socket, &header, Errno::INVAL);
                Err(Ended::Protocol(why))
            }
        }
    }

    fn check(message: &Message) -> Result<Version, String> {
        let header = &message.header;
        if header.kind() != Some(Kind::Command) || header.command != Command::Version as u16 {
            return Err("the first message is not a VERSION".into());
        }
        if header.has_foreign_flags() || header.no_reply() {
            return Err(format!("a VERSION with flags {:#x}", header.flags));
        }
        if message.fault.is_some() || !message.fds.is_empty() {
            return Err("a VERSION that is too large or brings descriptors".into());
        }
        let version = Version::decode(&message.payload).map_err(|error| error.to_string())?;
        if version.major != MAJOR {
            return Err(format!(
                "the client speaks version {}.{}, this server {MAJOR}.{MINOR}",
                version.major, version.minor
            ));
        }
        Ok(version)
    }

    /// Tells the client that the connection stands.
    pub fn accept(&self, options: &Options) -> Result<(), Ended> {
        let answer = Version {
            major: MAJOR,
            minor: self.minor,
            capabilities: options.capabilities(),
        }
        .encode();
        let reply = Header::new(
            self.header.id,
            self.header.command,
            Kind::Reply,
            answer.len(),
        );
        let sent = self.socket.send(&reply, [&answer, &[]], &[]);
        sent.map_err(Ended::of_socket)
    }

    /// Tells the client that the device is taken.
    pub fn turn_away(&self) {
        // Nothing is left to do for a client that does not listen.
        let _ = refuse(&self.socket, &self.header, Errno::BUSY);
    }
}

/// The first message, if it comes in time as a whole.
fn first(socket: &Socket, patience: Duration) -> Result<Message, Ended> {
    let deadline = Instant::now().checked_add(patience);
    socket
        .receive(LIMIT, deadline)
        .map_err(|error| match error {
            ReceiveError::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
                Ended::Protocol("no VERSION in time".into())
            }
            other => other.into(),
        })
}
