//! What can go wrong with a function.

/// Why an access to a function failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// The window does not hold the bytes that were asked for, or there is no such window.
    #[error("BAR {bar} has {size:#x} bytes and not {len:#x} at offset {offset:#x}")]
    Outside {
        /// Number of the window.
        bar: u8,
        /// First byte that was asked for.
        offset: u64,
        /// Bytes that were asked for.
        len: usize,
        /// Bytes of the window.
        size: u64,
    },
    /// The card did not take all of a write in time. Whoever writes on must expect that a part
    /// is missing.
    #[error("the card has not taken {len:#x} bytes at offset {offset:#x} of BAR {bar} in time")]
    Timeout {
        /// Number of the window.
        bar: u8,
        /// First byte that was to be written.
        offset: u64,
        /// Bytes that were to be written.
        len: usize,
    },
    /// The card behind the function is of no use any more.
    #[error("the card cannot go on: {0}")]
    Broken(String),
}
