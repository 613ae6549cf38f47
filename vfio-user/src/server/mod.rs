//! The server's end: a socket file, and one client at a time.

mod dispatch;
mod handshake;
mod inbox;
mod listener;
mod mappings;
mod memory;
mod session;

use std::time::Duration;

use crate::message::Capabilities;
use crate::socket::MAX_FDS;

pub use listener::{BindError, Server};
pub use session::{Ended, Session};

/// What a server agrees to, and how patient it is.
#[derive(Clone, Debug)]
pub struct Options {
    /// File descriptors that a message may carry, 1 to 16.
    pub max_msg_fds: u32,
    /// Bytes that one access to a region may have.
    pub max_data_xfer_size: u32,
    /// Ranges that may be mapped at once.
    pub max_dma_maps: u32,
    /// Sizes of pages that can be mapped, one bit each, none below 4 KiB. Ranges must be aligned to
    /// the smallest.
    pub pgsizes: u64,
    /// How long a client may take for its `VERSION` after it connected.
    pub handshake: Duration,
    /// How long a client may take to answer an access to its memory.
    pub answer: Duration,
    /// How long a client may leave what it was sent unread.
    pub send: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_msg_fds: MAX_FDS as u32,
            max_data_xfer_size: 1 << 20,
            max_dma_maps: 65535,
            // Pages of 4 KiB, 2 MiB and 1 GiB.
            pgsizes: 1 << 12 | 1 << 21 | 1 << 30,
            handshake: Duration::from_secs(5),
            answer: Duration::from_secs(10),
            send: Duration::from_secs(10),
        }
    }
}

impl Options {
    /// What the client is told.
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            max_msg_fds: self.max_msg_fds.clamp(1, MAX_FDS as u32),
            max_data_xfer_size: self.max_data_xfer_size.max(1),
            max_dma_maps: self.max_dma_maps,
            pgsizes: self.pgsizes,
            write_multiple: true,
        }
    }
}
