//! Whole messages in and out of a UNIX socket, with the file descriptors that go with them.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::cmsg_space;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, recvmsg, sendmsg, shutdown,
};

use crate::message::{HEADER_BYTES, Header};

/// File descriptors that one message may carry in either direction; QEMU's limit as well.
pub const MAX_FDS: usize = 16;
/// Bytes of a payload that is too large that are still read and thrown away, so that the
/// connection can go on.
const MAX_SKIPPED: usize = 64 << 20;
/// Bytes that are thrown away at once.
const SKIP_CHUNK: usize = 64 << 10;

/// A message with all that came with it.
#[derive(Debug)]
pub struct Message {
    /// Its header.
    pub header: Header,
    /// What follows the header.
    pub payload: Vec<u8>,
    /// The descriptors, closed unless somebody takes them.
    pub fds: Vec<OwnedFd>,
    /// What is wrong with the message as a whole, so that its content is not to be used.
    pub fault: Option<Fault>,
}

/// Why the content of a message is not to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its payload was too large and is thrown away.
    Oversize,
    /// Some of its descriptors could not be taken.
    Descriptors,
}

/// Why no further message comes.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The other end closed the connection between two messages.
    #[error("the other end closed the connection")]
    Closed,
    /// The other end closed the connection within a message.
    #[error("the connection was closed within a message")]
    Truncated,
    /// The size in a header is one that no message has, so that nobody knows where the next
    /// message begins.
    #[error("a message of {size} bytes, so that the next one cannot be found")]
    Framing {
        /// The header with the size.
        header: Header,
        /// The size.
        size: u32,
    },
    /// The socket failed.
    #[error("the socket failed: {0}")]
    Io(#[from] io::Error),
}

/// A connected socket that whole messages go through. One thread receives, any may send.
#[derive(Debug)]
pub struct Socket {
    stream: UnixStream,
    /// Held while a message goes out; whether one went out in part only.
    torn: Mutex<bool>,
}

impl Socket {
    /// A socket on which a message that the other end does not take within `patience` is an error.
    pub fn new(stream: UnixStream, patience: Duration) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(None)?;
        stream.set_write_timeout(Some(patience.max(Duration::from_millis(1))))?;
        Ok(Self {
            stream,
            torn: Mutex::new(false),
        })
    }

    /// Sends one message whose parts follow each other. After an error nothing more can be sent,
    /// because the message may be out in part; the caller is to end the connection.
    pub fn send(
        &self,
        header: &Header,
        parts: [&[u8]; 2],
        fds: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let head = header.encode();
        let all = [&head[..], parts[0], parts[1]];
        let mut torn = self.torn.lock().unwrap_or_else(|held| held.into_inner());
        if *torn {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let sent = self.send_all(&all, fds);
        *torn = sent.is_err();
        sent
    }

    fn send_all(&self, parts: &[&[u8]; 3], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut slices = parts.map(IoSlice::new);
        let mut left = &mut slices[..];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        loop {
            IoSlice::advance_slices(&mut left, 0);
            if left.is_empty() {
                return Ok(());
            }
            // A connection that the other end closed is an error here, not a signal.
            match sendmsg(&self.stream, left, &mut control, SendFlags::NOSIGNAL) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => {
                    // The descriptors went with the first byte.
                    control.clear();
                    IoSlice::advance_slices(&mut left, sent);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits for the next message, of which at most `limit` bytes of payload are kept. Where it is
    /// not there as a whole at the deadline, that is an error of kind [`io::ErrorKind::TimedOut`].
    pub fn receive(
        &self,
        limit: usize,
        deadline: Option<Instant>,
    ) -> Result<Message, ReceiveError> {
        let mut fds = Descriptors::default();
        let mut head = [0; HEADER_BYTES];
        match self.fill(&mut head, &mut fds, deadline)? {
            HEADER_BYTES => {}
            0 => return Err(ReceiveError::Closed),
            _ => return Err(ReceiveError::Truncated),
        }
        let header = Header::decode(&head);
        let framing = ReceiveError::Framing {
            header,
            size: header.size,
        };
        let Some(bytes) = header.payload_bytes() else {
            return Err(framing);
        };
        if bytes > limit.max(MAX_SKIPPED) {
            return Err(framing);
        }
        let mut payload = Vec::new();
        if bytes <= limit {
            payload.resize(bytes, 0);
            if self.fill(&mut payload, &mut fds, deadline)? != bytes {
                return Err(ReceiveError::Truncated);
            }
        } else {
            self.skip(bytes, &mut fds, deadline)?;
        }
        let fault = if bytes > limit {
            Some(Fault::Oversize)
        } else if fds.lost {
            Some(Fault::Descriptors)
        } else {
            None
        };
        Ok(Message {
            header,
            payload,
            fds: fds.kept,
            fault,
        })
    }

    /// Throws `bytes` bytes away.
    fn skip(
        &self,
        mut bytes: usize,
        fds: &mut Descriptors,
        deadline: Option<Instant>,
    ) -> Result<(), ReceiveError> {
        let mut waste = vec![0; SKIP_CHUNK];
        while bytes > 0 {
            let chunk = bytes.min(SKIP_CHUNK);
            if self.fill(&mut waste[..chunk], fds, deadline)? != chunk {
                return Err(ReceiveError::Truncated);
            }
            bytes -= chunk;
        }
        Ok(())
    }

    /// Fills `buffer` unless the connection ends before; gives the bytes that came.
    fn fill(
        &self,
        buffer: &mut [u8],
        fds: &mut Descriptors,
        deadline: Option<Instant>,
    ) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            if let Some(deadline) = deadline {
                self.wait_until(deadline)?;
            }
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_FDS))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut slices = [IoSliceMut::new(&mut buffer[filled..])];
            let received = recvmsg(
                &self.stream,
                &mut slices,
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            );
            match received {
                Ok(message) => {
                    fds.take(&mut control, message.flags);
                    if message.bytes == 0 {
                        break;
                    }
                    filled += message.bytes;
                }
                Err(rustix::io::Errno::INTR) => {}
                // Who dies with bytes unread leaves this error, and nothing comes after it.
                Err(rustix::io::Errno::CONNRESET) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(filled)
    }

    /// Ends the connection in both directions; a thread that receives or sends returns.
    pub fn shutdown(&self) {
        // There is nothing to do about an error: the connection is over either way.
        let _ = shutdown(&self.stream, Shutdown::Both);
    }

    /// Whether the other end closed the connection.
    pub fn hung_up(&self) -> bool {
        let mut one = [PollFd::new(&self.stream, PollFlags::RDHUP)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        poll(&mut one, Some(&now)).is_ok() && one[0].revents().intersects(gone)
    }

    /// Waits until there is something to receive, or the end of the connection.
    fn wait_until(&self, deadline: Instant) -> io::Result<()> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            // More seconds than the field holds are as good as for ever.
            let left = Timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut one = [PollFd::new(&self.stream, PollFlags::IN)];
            match poll(&mut one, Some(&left)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// The descriptors of one message, as they come.
#[derive(Default)]
struct Descriptors {
    kept: Vec<OwnedFd>,
    /// Whether more came than a message may have, or than this process can hold.
    lost: bool,
}

impl Descriptors {
    fn take(&mut self, control: &mut RecvAncillaryBuffer<'_>, flags: ReturnFlags) {
        self.lost |= flags.contains(ReturnFlags::CTRUNC);
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                for fd in fds {
                    if self.kept.len() < MAX_FDS {
                        self.kept.push(fd);
                    } else {
                        self.lost = true;
                    }
                }
            }
        }
    }
}
