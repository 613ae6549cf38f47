//! A card as a PCI function: what VFIO gives of it, whoever stands behind.
//!
//! [`Function`] is the seam. The kernel's vfio-pci, a vfio-user server and a simulated card in this
//! process implement it; [`FunctionTransport`] makes a [`Transport`](super::Transport) of each.

pub(crate) mod config;
mod turn;
mod way;

use std::sync::Arc;

use super::serial::Traffic;
use super::{Patience, TransportError, Wake};
use crate::dma::Backing;
use crate::dma::pool::DmaSpace;

pub use turn::{Claim, Turn};
pub use way::FunctionTransport;

/// One PCI function. Calls may come from several threads; those that wait hold no other up.
///
/// Every access can fail, because a card can vanish: one that answers all ones everywhere, or whose
/// server is gone, is [`TransportError::Gone`].
pub trait Function: DmaSpace {
    /// What this is, for people, such as `card 0000:01:00.0 (vfio-pci, iommufd)`.
    fn describe(&self) -> &str;

    /// Reads configuration space.
    ///
    /// # Errors
    /// When the access itself fails.
    fn config_read(&self, offset: u16, data: &mut [u8]) -> Result<(), TransportError>;

    /// Writes configuration space.
    ///
    /// # Errors
    /// When the access itself fails.
    fn config_write(&self, offset: u16, data: &[u8]) -> Result<(), TransportError>;

    /// Bytes of a BAR; 0 where there is none.
    fn bar_bytes(&self, bar: u8) -> u64;

    /// Reads 32 bits of a BAR. `offset` is a multiple of 4 within it.
    ///
    /// # Errors
    /// When the access itself fails.
    fn read32(&self, bar: u8, offset: u32) -> Result<u32, TransportError>;

    /// Writes 32 bits of a BAR. All memory that the host wrote before is visible to the card first.
    ///
    /// # Errors
    /// When the access itself fails.
    fn write32(&self, bar: u8, offset: u32, value: u32) -> Result<(), TransportError>;

    /// The memory of the card behind a BAR, mapped into this process; `None` where there is none
    /// or it cannot be mapped.
    ///
    /// # Errors
    /// When the card cannot be reached.
    fn card_memory(&self, bar: u8) -> Result<Option<Arc<dyn Backing>>, TransportError>;

    /// MSI-X vectors that the function has.
    fn vectors(&self) -> u32;

    /// Switches vectors 0 to `count - 1` on; they stay on across [`Self::reset`]. Called once.
    ///
    /// # Errors
    /// When they cannot be had.
    fn enable_vectors(&self, count: u32) -> Result<(), TransportError>;

    /// Waits for a vector. What was signalled since the last wait for it counts. Ends early, as if
    /// the vector had been signalled, for everybody who waits, when there is an alarm. A card in
    /// this process runs here.
    ///
    /// # Errors
    /// When the card cannot be reached.
    fn wait(&self, vector: u32, patience: Patience) -> Result<Wake, TransportError>;

    /// Times that an access of the card to memory was reported as lost, or its link as broken. The
    /// card itself need not have noticed.
    fn alarms(&self) -> u64;

    /// What the last alarm was about.
    fn alarm(&self) -> String;

    /// Fails once the function is to be let go, because its owner takes it back. Whoever uses it asks
    /// before each piece of work and while it waits, so that this must cost next to nothing.
    ///
    /// # Errors
    /// [`TransportError::Gone`].
    fn check(&self) -> Result<(), TransportError> {
        Ok(())
    }

    /// Lets a card in this process run for a moment; others run by themselves.
    ///
    /// # Errors
    /// When the card cannot be reached.
    fn progress(&self) -> Result<(), TransportError> {
        Ok(())
    }

    /// Function-level reset, over on return. Mapped memory stays mapped.
    ///
    /// # Errors
    /// When the function cannot be reset.
    fn reset(&self) -> Result<(), TransportError>;

    /// Cycles that the card has run, where the host makes its clock tick.
    fn clock(&self) -> Option<u64> {
        None
    }

    /// Simulated cycles a second of wall time so far, where the card is simulated.
    fn speed(&self) -> Option<f64> {
        None
    }

    /// What went over the line so far, where the card is on one.
    fn traffic(&self) -> Option<Traffic> {
        None
    }
}
