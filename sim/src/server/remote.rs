//! Memory that a client reads and writes itself when it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{debug, warn};
use vfio_user_protocol::{Errno, Memory};

use crate::dma::HostBytes;

/// The memory of a client. Offsets are the addresses of its mappings.
pub struct Remote {
    client: Arc<dyn Memory>,
    /// The client has left an access unanswered. A program that waited as long for each of its
    /// accesses would hold up the server.
    silent: AtomicBool,
}

impl Remote {
    /// The memory of a client that answers so far.
    pub fn new(client: Arc<dyn Memory>) -> Self {
        Self {
            client,
            silent: AtomicBool::new(false),
        }
    }

    fn ask(&self, address: u64, access: impl FnOnce() -> Result<(), Errno>) -> bool {
        if self.silent.load(Ordering::Relaxed) {
            return false;
        }
        let Err(problem) = access() else {
            return true;
        };
        debug!("the client refused address {address:#x}: {problem}");
        if problem == Errno::TIMEDOUT && !self.silent.swap(true, Ordering::Relaxed) {
            warn!("the client does not answer accesses to its memory; it is asked no more");
        }
        false
    }
}

impl HostBytes for Remote {
    fn read(&self, offset: u64, out: &mut [u8]) -> bool {
        self.ask(offset, || self.client.read(offset, out))
    }

    fn write(&self, offset: u64, data: &[u8]) -> bool {
        self.ask(offset, || self.client.write(offset, data))
    }
}
