//! A card as a PCI function, whatever is behind it.
//!
//! [`Function`] is what a host sees through PCI Express: configuration space, windows, interrupts
//! and accesses to memory. Whoever serves a card to a driver, over a socket or in the same
//! process, knows it by this trait alone.

mod card_memory;
mod endpoint;
mod error;
pub(crate) mod windows;

use std::ops::Range;
use std::sync::Arc;

pub use card_memory::CardMemory;
pub use endpoint::endpoint;
pub use error::FunctionError;

use crate::dma::DmaTable;

/// Addresses at which a memory write is an interrupt message and not an access to memory, as on a
/// PC (Intel SDM volume 3, 11.11). The data of a message is the number of its vector: see
/// [`Function::take_interrupts`].
pub const INTERRUPT_WINDOW: Range<u64> = 0xfee0_0000..0xfef0_0000;

/// A PCI function as software sees it.
///
/// Time stands still between calls: a card works only in [`Self::run`], or in the few cycles that
/// an access takes.
pub trait Function: Send {
    /// Reads the configuration space at byte `offset`. Bytes beyond its 4096 read as all ones.
    fn config_read(&mut self, offset: u16, data: &mut [u8]);

    /// Writes the configuration space at byte `offset`. Read-only bits, and bytes beyond the end,
    /// stay as they are.
    fn config_write(&mut self, offset: u16, data: &[u8]);

    /// Bytes of a window; 0 when there is none with this number (a window of 64 bits has the
    /// number of its lower half).
    fn bar_size(&self, bar: u8) -> u64;

    /// Reads a window. While memory space is disabled, or the function sleeps, nothing answers and
    /// all bits read as one, as behind a root complex.
    ///
    /// # Errors
    /// [`FunctionError::Outside`] when the window does not hold all of these bytes, and those of
    /// [`Self::run`].
    fn bar_read(&mut self, bar: u8, offset: u64, data: &mut [u8]) -> Result<(), FunctionError>;

    /// Writes a window. While memory space is disabled, or the function sleeps, nothing happens.
    ///
    /// # Errors
    /// Those of [`Self::bar_read`], and [`FunctionError::Timeout`] when the function does not take
    /// all of it.
    fn bar_write(&mut self, bar: u8, offset: u64, data: &[u8]) -> Result<(), FunctionError>;

    /// Function-level reset, over on return: configuration space and registers have their reset
    /// values, nothing is under way, no interrupt waits. Host memory stays mapped; card memory
    /// keeps its contents. It is also the way back from [`FunctionError::Broken`].
    ///
    /// # Errors
    /// Those of [`Self::run`].
    fn reset(&mut self) -> Result<(), FunctionError>;

    /// Lets the card work for about `cycles` cycles. `false`: it has nothing to do, and time may
    /// stand still until the next access.
    ///
    /// # Errors
    /// [`FunctionError::Broken`] when the simulation cannot go on.
    fn run(&mut self, cycles: u64) -> Result<bool, FunctionError>;

    /// Interrupts since the last call: bit `v` says that a message with data `v` was written to
    /// [`INTERRUPT_WINDOW`]. Messages with other data are dropped.
    fn take_interrupts(&mut self) -> u64;

    /// The memory of the host that the card can reach.
    fn dma(&self) -> &Arc<DmaTable>;

    /// The memory behind [`isa::pci::MEMORY_BAR`], which others may map; `None` on a card without.
    fn card_memory(&self) -> Option<&Arc<CardMemory>>;

    /// Cycles since the card was made; `None` for a card without a clock.
    fn cycles(&self) -> Option<u64>;
}

impl<F: Function + ?Sized> Function for Box<F> {
    fn config_read(&mut self, offset: u16, data: &mut [u8]) {
        (**self).config_read(offset, data);
    }

    fn config_write(&mut self, offset: u16, data: &[u8]) {
        (**self).config_write(offset, data);
    }

    fn bar_size(&self, bar: u8) -> u64 {
        (**self).bar_size(bar)
    }

    fn bar_read(&mut self, bar: u8, offset: u64, data: &mut [u8]) -> Result<(), FunctionError> {
        (**self).bar_read(bar, offset, data)
    }

    fn bar_write(&mut self, bar: u8, offset: u64, data: &[u8]) -> Result<(), FunctionError> {
        (**self).bar_write(bar, offset, data)
    }

    fn reset(&mut self) -> Result<(), FunctionError> {
        (**self).reset()
    }

    fn run(&mut self, cycles: u64) -> Result<bool, FunctionError> {
        (**self).run(cycles)
    }

    fn take_interrupts(&mut self) -> u64 {
        (**self).take_interrupts()
    }

    fn dma(&self) -> &Arc<DmaTable> {
        (**self).dma()
    }

    fn card_memory(&self) -> Option<&Arc<CardMemory>> {
        (**self).card_memory()
    }

    fn cycles(&self) -> Option<u64> {
        (**self).cycles()
    }
}
