//! Memory of the client that a device reaches.

use crate::Errno;

/// Memory by the addresses of `DMA_MAP`.
///
/// On the server's side this is the way to memory that came without a file descriptor: each call
/// asks the client and waits for its answer, from any thread, also while a command of the client
/// is under way. On the client's side the owner of the memory implements it.
///
/// Either call fails as a whole with [`Errno::FAULT`] or [`Errno::PERM`] when the client does not
/// allow the access, with [`Errno::PIPE`] when it is gone, with [`Errno::TIMEDOUT`] when it does
/// not answer and with [`Errno::PROTO`] when its answer makes no sense. A write that failed may
/// have had its effect in part.
pub trait Memory: Send + Sync {
    /// Fills `data` with the bytes from `address` upward.
    ///
    /// # Errors
    /// See the trait.
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), Errno>;

    /// Writes `data` from `address` upward.
    ///
    /// # Errors
    /// See the trait.
    fn write(&self, address: u64, data: &[u8]) -> Result<(), Errno>;
}
