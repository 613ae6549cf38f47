//! Commands of this end that wait for their replies.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use crate::Errno;
use crate::message::{Command, Header, Kind, NO_REPLY};
use crate::socket::{Fault, Message, Socket};

/// Number of every command that gets no reply, and of no other: there are servers that refuse such
/// a command all the same.
const POSTED: u16 = u16::MAX;

/// Why a command has no result.
#[derive(Debug)]
pub enum CallError {
    /// The other end is gone.
    Gone,
    /// The other end did not answer in time.
    Timeout,
    /// The other end refused.
    Refused(Errno),
    /// The answer makes no sense.
    Nonsense(String),
}

/// A socket, and the commands that went out on it and have no reply yet.
#[derive(Debug)]
pub struct Calls {
    /// The socket, for replies to the other end's commands.
    pub socket: Socket,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u16,
    waiting: HashMap<u16, SyncSender<Message>>,
    /// Commands that nobody waits for any more, but whose replies may still come.
    given_up: HashSet<u16>,
    ended: bool,
}

impl Calls {
    /// No commands on this socket so far.
    pub fn new(socket: Socket) -> Self {
        Self {
            socket,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can panic half way through a change.
        self.state.lock().unwrap_or_else(|held| held.into_inner())
    }

    /// Sends a command and waits for its reply, which is that of this command without an error.
    pub fn call(
        &self,
        command: Command,
        parts: [&[u8]; 2],
        fds: &[BorrowedFd<'_>],
        patience: Duration,
    ) -> Result<Message, CallError> {
        let (sender, receiver) = sync_channel(1);
        let id = self.state().open(sender)?;
        let header = header(id, command, parts);
        if self.socket.send(&header, parts, fds).is_err() {
            self.end();
            return Err(CallError::Gone);
        }
        let message = match receiver.recv_timeout(patience) {
            Ok(message) => message,
            Err(RecvTimeoutError::Disconnected) => return Err(CallError::Gone),
            Err(RecvTimeoutError::Timeout) => {
                let mut state = self.state();
                if state.waiting.remove(&id).is_some() {
                    state.given_up.insert(id);
                }
                // The reply may have come between the two.
                match receiver.try_recv() {
                    Ok(message) => message,
                    Err(_) if state.ended => return Err(CallError::Gone),
                    Err(_) => return Err(CallError::Timeout),
                }
            }
        };
        check(command, message)
    }

    /// Sends a command that gets no reply.
    pub fn post(&self, command: Command, parts: [&[u8]; 2]) -> Result<(), CallError> {
        if self.state().ended {
            return Err(CallError::Gone);
        }
        let mut header = header(POSTED, command, parts);
        header.flags |= NO_REPLY;
        self.socket.send(&header, parts, &[]).map_err(|_| {
            self.end();
            CallError::Gone
        })
    }

    /// Hands a reply to who waits for it.
    ///
    /// # Errors
    /// A reply that nobody asked for.
    pub fn deliver(&self, reply: Message) -> Result<(), u16> {
        let id = reply.header.id;
        if id == POSTED && reply.header.is_error() {
            return Ok(());
        }
        let mut state = self.state();
        if let Some(sender) = state.waiting.remove(&id) {
            // Who gave up meanwhile looks once more.
            let _ = sender.try_send(reply);
            return Ok(());
        }
        if state.given_up.remove(&id) {
            return Ok(());
        }
        Err(id)
    }

    /// No reply comes any more: who waits for one learns it, and nobody waits again.
    pub fn end_replies(&self) {
        let mut state = self.state();
        state.ended = true;
        state.waiting.clear();
    }

    /// Ends the connection, in both directions.
    pub fn end(&self) {
        self.end_replies();
        self.socket.shutdown();
    }

    /// Replies to a command of the other end.
    pub fn reply(&self, to: &Header, parts: [&[u8]; 2], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        if to.no_reply() {
            return Ok(());
        }
        let bytes = parts[0].len() + parts[1].len();
        let header = Header::new(to.id, to.command, Kind::Reply, bytes);
        self.socket.send(&header, parts, fds)
    }

    /// Refuses a command of the other end.
    pub fn refuse(&self, to: &Header, errno: Errno) -> io::Result<()> {
        refuse(&self.socket, to, errno)
    }
}

/// Refuses a command of the other end of this socket.
pub fn refuse(socket: &Socket, to: &Header, errno: Errno) -> io::Result<()> {
    if to.no_reply() {
        return Ok(());
    }
    let mut header = Header::new(to.id, to.command, Kind::Reply, 0);
    header.flags |= crate::message::ERROR;
    header.error = errno.0;
    socket.send(&header, [&[], &[]], &[])
}

impl State {
    /// A number that no command bears whose reply may still come.
    fn free_id(&mut self) -> Option<u16> {
        for _ in 0..POSTED {
            let id = self.next;
            self.next = (id + 1) % POSTED;
            if !self.waiting.contains_key(&id) && !self.given_up.contains(&id) {
                return Some(id);
            }
        }
        None
    }

    fn open(&mut self, sender: SyncSender<Message>) -> Result<u16, CallError> {
        if self.ended {
            return Err(CallError::Gone);
        }
        // Who left 65,535 commands unanswered answers none any more.
        let id = self.free_id().ok_or(CallError::Timeout)?;
        self.waiting.insert(id, sender);
        Ok(id)
    }
}

fn header(id: u16, command: Command, parts: [&[u8]; 2]) -> Header {
    let bytes = parts[0].len() + parts[1].len();
    Header::new(id, command as u16, Kind::Command, bytes)
}

/// The reply, if it is one to this command and tells of no error.
fn check(command: Command, message: Message) -> Result<Message, CallError> {
    let header = message.header;
    if header.command != command as u16 {
        return Err(CallError::Nonsense(format!(
            "the reply is one to command {}",
            header.command
        )));
    }
    if header.is_error() {
        return Err(CallError::Refused(Errno(header.error)));
    }
    match message.fault {
        None => Ok(message),
        Some(Fault::Oversize) => Err(CallError::Nonsense(format!(
            "the reply of {} bytes is too large",
            header.size
        ))),
        Some(Fault::Descriptors) => Err(CallError::Nonsense(
            "the reply has file descriptors that cannot be taken".into(),
        )),
    }
}
