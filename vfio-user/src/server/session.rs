//! One client.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Options;
use super::handshake::Greeted;
use super::inbox::{Full, Inbox};
use super::listener::Seat;
use super::mappings::Mappings;
use super::memory::ClientMemory;
use crate::calls::Calls;
use crate::device::{Description, Device};
use crate::message::{Capabilities, Header, Kind, RegionAccess, WriteMulti};
use crate::socket::{ReceiveError, Socket};
use crate::{Errno, Memory};

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The client closed the connection, or is dead.
    #[error("the client closed the connection")]
    Closed,
    /// The client sent what cannot be answered.
    #[error("the client broke the protocol: {0}")]
    Protocol(String),
    /// The socket failed, or the client left its replies unread.
    #[error("the connection to the client failed: {0}")]
    Socket(String),
    /// This end closed the session.
    #[error("the session was closed")]
    Stopped,
}

impl Ended {
    /// Because of an error of the socket, which a client causes that is gone.
    pub(super) fn of_socket(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Self::Closed,
            _ => Self::Socket(error.to_string()),
        }
    }
}

impl From<ReceiveError> for Ended {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Closed => Self::Closed,
            ReceiveError::Io(error) => Self::of_socket(error),
            other => Self::Protocol(other.to_string()),
        }
    }
}

/// The connection of one client, which `VERSION` has opened.
///
/// A thread of its own receives, so that the thread that owns the device can do other work between
/// two calls of [`Self::serve`], and so that the device can reach the client's memory from within
/// its methods:
///
/// ```no_run
/// # use std::time::Duration;
/// # use vfio_user_protocol::{Device, server::{Options, Server}};
/// # fn run(device: &mut impl Device, tick: impl Fn()) -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::bind("/run/card.sock", Options::default())?;
/// loop {
///     let Some(mut session) = server.accept(Duration::from_millis(100))? else {
///         continue;
///     };
///     while session.serve(device, Duration::ZERO).is_ok() {
///         tick();
///     }
/// }
/// # }
/// ```
pub struct Session {
    pub(super) calls: Arc<Calls>,
    pub(super) client: Capabilities,
    pub(super) options: Options,
    pub(super) mappings: Mappings,
    inbox: Arc<Inbox>,
    /// The device, once it was asked what it is.
    known: Option<Arc<Description>>,
    ended: Option<Ended>,
    reader: Option<JoinHandle<()>>,
    /// Gives the server's place back when the session is dropped.
    _seat: Option<Seat>,
}

impl Session {
    /// A session on a connected socket, without a [`super::Server`].
    ///
    /// # Errors
    /// When the client does not send a `VERSION` that this end can accept, in time.
    pub fn over(stream: UnixStream, options: Options) -> Result<Self, Ended> {
        let greeted = Greeted::new(stream, &options)?;
        greeted.accept(&options)?;
        Self::start(greeted.socket, greeted.client, options, None)
    }

    /// A session with a client that was told that it has one.
    pub(super) fn start(
        socket: Socket,
        client: Capabilities,
        options: Options,
        seat: Option<Seat>,
    ) -> Result<Self, Ended> {
        let calls = Arc::new(Calls::new(socket));
        let inbox = Arc::new(Inbox::default());
        let limit = payload_limit(&options, &client);
        let reader = {
            let (calls, inbox) = (Arc::clone(&calls), Arc::clone(&inbox));
            thread::Builder::new()
                .name("vfio-user".into())
                .spawn(move || {
                    let why = receive(&calls, &inbox, limit);
                    // What came before is still handled and answered; then the connection ends.
                    calls.end_replies();
                    inbox.end(why);
                })
                .map_err(Ended::of_socket)?
        };
        Ok(Self {
            calls,
            client,
            options,
            mappings: Mappings::default(),
            inbox,
            known: None,
            ended: None,
            reader: Some(reader),
            _seat: seat,
        })
    }

    /// The client's memory, by the addresses that it maps, from any thread and at any time. It is
    /// what [`Device::connected`] gets.
    pub fn memory(&self) -> Arc<dyn Memory> {
        let chunk = self.client.max_data_xfer_size;
        let chunk = chunk.min(self.options.capabilities().max_data_xfer_size);
        Arc::new(ClientMemory::new(
            Arc::clone(&self.calls),
            Arc::clone(&self.inbox),
            chunk,
            self.options.answer,
        ))
    }

    /// Lets the device answer the commands that are there, after waiting up to `patience` for the
    /// first one, and gives their number. Commands that come meanwhile are left to the next call,
    /// so that the caller gets its turn.
    ///
    /// # Errors
    /// When the session is over. [`Device::disconnected`] was called then, once; commands that came
    /// before the end were handled.
    pub fn serve(&mut self, device: &mut dyn Device, patience: Duration) -> Result<usize, Ended> {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        let description = match &self.known {
            Some(known) => Arc::clone(known),
            None => {
                let known = Arc::new(device.describe());
                self.known = Some(Arc::clone(&known));
                device.connected(self.memory());
                known
            }
        };
        let mut handled = 0;
        let mut more = 1;
        while handled < more {
            let wait = if handled == 0 {
                patience
            } else {
                Duration::ZERO
            };
            let message = match self.inbox.pop(wait) {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(ended) => return Err(self.over_with(device, ended)),
            };
            if handled == 0 {
                more += self.inbox.len();
            }
            handled += 1;
            if let Err(error) = self.handle(&description, device, message) {
                // The client does not listen any more. What it sent before is handled all the same.
                self.inbox.end(Ended::of_socket(error));
                self.calls.end();
            }
        }
        Ok(handled)
    }

    /// Ends the session from this side. [`Device::disconnected`] is called unless it was before.
    pub fn close(mut self, device: &mut dyn Device) {
        if self.ended.is_none() {
            self.over_with(device, Ended::Stopped);
        }
    }

    fn over_with(&mut self, device: &mut dyn Device, ended: Ended) -> Ended {
        self.calls.end();
        self.mappings.clear();
        if self.known.is_some() {
            device.disconnected();
        }
        self.ended.insert(ended).clone()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.calls.end();
        self.inbox.close();
        if let Some(reader) = self.reader.take() {
            // It cannot panic, and there is nobody to tell.
            let _ = reader.join();
        }
    }
}

/// Bytes that a payload of this client may have.
fn payload_limit(options: &Options, client: &Capabilities) -> usize {
    let own = options.capabilities().max_data_xfer_size;
    // A reply to a read of memory has no more data than was asked for, which is the lesser of both.
    let data = own.max(client.max_data_xfer_size.min(own)) as usize;
    // Data behind the fields of an access, which are the longest of all payloads; a message with
    // several writes may be as long as one with a large write.
    let fields = RegionAccess::BYTES.max(WriteMulti::BYTES);
    data.saturating_add(fields).max(4096)
}

/// Receives until the end: replies go to who waits for them, commands to the device's thread.
fn receive(calls: &Calls, inbox: &Inbox, limit: usize) -> Ended {
    loop {
        let message = match calls.socket.receive(limit, None) {
            Ok(message) => message,
            Err(ReceiveError::Framing { header, size }) => {
                tell_of_framing(calls, &header);
                return ReceiveError::Framing { header, size }.into();
            }
            Err(error) => return error.into(),
        };
        match message.header.kind() {
            Some(Kind::Reply) => {
                if let Err(id) = calls.deliver(message) {
                    return Ended::Protocol(format!("a reply to command {id}, which nobody sent"));
                }
            }
            Some(Kind::Command) => match inbox.push(message) {
                Ok(()) => {}
                Err(Full::Closed) => return Ended::Stopped,
                Err(Full::Flooded) => {
                    return Ended::Protocol("commands without end before an answer".into());
                }
            },
            None => {
                let flags = message.header.flags;
                return Ended::Protocol(format!("neither command nor reply: flags {flags:#x}"));
            }
        }
    }
}

/// Says to who sent a command of an impossible size that it is one, before the connection ends.
fn tell_of_framing(calls: &Calls, header: &Header) {
    if header.kind() == Some(Kind::Command) {
        // The connection is over in any case.
        let _ = calls.refuse(header, Errno::INVAL);
    }
}
