//! An end of a connection that sends whatever it likes.

// Not every test uses all of it.
#![allow(dead_code)]

use std::io::{IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use vfio_user_protocol::message::{HEADER_BYTES, Header};

/// Any end.
pub struct Raw(pub UnixStream);

/// A message that came.
#[derive(Debug)]
pub struct Got {
    pub header: Header,
    pub payload: Vec<u8>,
    pub fds: Vec<OwnedFd>,
}

impl Raw {
    /// Connects; what does not come within 10 seconds never does.
    pub fn connect(path: &Path) -> Self {
        Self::over(UnixStream::connect(path).unwrap())
    }

    pub fn over(stream: UnixStream) -> Self {
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        Self(stream)
    }

    /// Connects and agrees on a version.
    pub fn greeted(path: &Path) -> Self {
        let raw = Self::connect(path);
        raw.send(
            0,
            1,
            0,
            b"\0\0\x01\0{\"capabilities\":{\"max_msg_fds\":8}}\0",
        );
        let got = raw.receive().unwrap();
        assert_eq!((got.header.id, got.header.command), (0, 1));
        assert_eq!((got.header.flags, got.header.error), (1, 0));
        raw
    }

    /// Sends a message with a header that fits.
    pub fn send(&self, id: u16, command: u16, flags: u32, payload: &[u8]) {
        self.send_with(id, command, flags, payload, &[]);
    }

    pub fn send_with(
        &self,
        id: u16,
        command: u16,
        flags: u32,
        payload: &[u8],
        fds: &[BorrowedFd<'_>],
    ) {
        let size = (HEADER_BYTES + payload.len()) as u32;
        let header = Header {
            id,
            command,
            size,
            flags,
            error: 0,
        };
        let bytes = [&header.encode()[..], payload].concat();
        self.bytes(&bytes, fds).unwrap();
    }

    /// Sends bytes, whatever they mean.
    pub fn bytes(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> rustix::io::Result<()> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(253))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(fds)));
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let slice = [IoSlice::new(rest)];
            let sent = sendmsg(&self.0, &slice, &mut control, SendFlags::NOSIGNAL)?;
            control.clear();
            rest = &rest[sent..];
        }
        Ok(())
    }

    /// The next message, or nothing at the end of the connection.
    pub fn receive(&self) -> Option<Got> {
        let mut head = [0; HEADER_BYTES];
        let mut fds = Vec::new();
        let mut filled = 0;
        while filled < HEADER_BYTES {
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(16))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut slices = [IoSliceMut::new(&mut head[filled..])];
            let flags = RecvFlags::CMSG_CLOEXEC;
            let bytes = match recvmsg(&self.0, &mut slices, &mut control, flags) {
                Ok(message) => message.bytes,
                Err(rustix::io::Errno::CONNRESET) => 0,
                Err(error) => panic!("neither a message nor an end: {error}"),
            };
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(some) = message {
                    fds.extend(some);
                }
            }
            if bytes == 0 {
                assert_eq!(filled, 0, "an end within a message");
                return None;
            }
            filled += bytes;
        }
        let header = Header::decode(&head);
        let mut payload = vec![0; header.payload_bytes().unwrap()];
        (&self.0).read_exact(&mut payload).unwrap();
        Some(Got {
            header,
            payload,
            fds,
        })
    }

    /// The error number of the next message, which answers this command.
    pub fn error(&self, id: u16, command: u16) -> u32 {
        let got = self.receive().expect("an answer");
        assert_eq!((got.header.id, got.header.command), (id, command));
        assert_eq!(got.header.flags, 0x21, "an error: {:?}", got.header);
        assert!(got.payload.is_empty() && got.fds.is_empty());
        got.header.error
    }

    /// The payload of the next message, which answers this command without an error.
    pub fn answer(&self, id: u16, command: u16) -> Vec<u8> {
        let got = self.receive().expect("an answer");
        assert_eq!((got.header.id, got.header.command), (id, command));
        assert_eq!((got.header.flags, got.header.error), (1, 0));
        got.payload
    }

    /// Whether the other end closed the connection without another message.
    pub fn is_over(&self) -> bool {
        self.receive().is_none()
    }
}

/// Numbers of 32 bits as they lie in a payload.
pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}
