//! Cards behind a UNIX socket: the vfio-user protocol around any [`Function`].
//!
//! The server is to a card what the kernel's vfio-pci is: it enables the card's windows for a
//! client, sets up its MSI-X table, keeps the client's settings across resets, and leaves nothing
//! of one client to the next but the contents of the card's memory.
//!
//! ```no_run
//! use std::sync::atomic::AtomicBool;
//! use sim::{FunctionalCard, server};
//!
//! let card = FunctionalCard::new(&isa::config::Config::default())?;
//! let listener = server::listen("/run/card.sock".as_ref())?;
//! let stop = AtomicBool::new(false);
//! server::serve(&listener, card, &server::Options::default(), &stop)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod device;
mod faults;
mod files;
mod host;
mod irqs;
mod remote;
mod signal;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::{debug, info};
use vfio_user_protocol::server::{BindError, Server, Session};

use crate::function::Function;
use device::CardDevice;

/// How long to wait for a client, or for its next message, before `stop` is looked at again.
const PATIENCE: Duration = Duration::from_millis(50);

/// How a card is served.
#[derive(Clone, Debug)]
pub struct Options {
    /// Cycles that the card runs before it looks for messages again, while it has work.
    pub slice: u64,
    /// Whether there is an error interrupt, which says that the card wrote to an address that is
    /// not mapped. A virtual machine of QEMU stops when it comes.
    pub error_interrupt: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            slice: 256,
            error_interrupt: true,
        }
    }
}

/// Listens on a socket file, which goes when the listener is dropped.
///
/// # Errors
/// When another server listens there, something else is there, or the system refuses.
pub fn listen(path: &Path) -> Result<Server, BindError> {
    Server::bind(path, vfio_user_protocol::server::Options::default())
}

/// Serves a card to one client after the other, until `stop` is true.
///
/// # Errors
/// When the socket does not work any more, or the card's memory cannot be shared.
pub fn serve(
    listener: &Server,
    card: impl Function,
    options: &Options,
    stop: &AtomicBool,
) -> io::Result<()> {
    let mut device = CardDevice::new(card, options)?;
    while !stop.load(Ordering::Relaxed) {
        if let Some(session) = listener.accept(PATIENCE)? {
            attend(session, &mut device, options, stop);
        }
    }
    Ok(())
}

/// Serves one client to its end.
fn attend<F: Function>(
    mut session: Session,
    device: &mut CardDevice<F>,
    options: &Options,
    stop: &AtomicBool,
) {
    info!("a client is there");
    let mut busy = false;
    while !stop.load(Ordering::Relaxed) {
        let patience = if busy { Duration::ZERO } else { PATIENCE };
        match session.serve(device, patience) {
            Ok(messages) => {
                if messages > 0 {
                    debug!(messages, "handled");
                }
            }
            Err(ended) => {
                info!("the client is gone: {ended}");
                return;
            }
        }
        busy = device.run(options.slice);
    }
    info!("the client is sent away");
    session.close(device);
}
