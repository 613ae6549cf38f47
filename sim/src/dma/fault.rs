//! Accesses and mappings that are refused.

use isa::error::FaultCause;

/// Why an access of the card to the host's memory failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DmaFault {
    /// Nothing is mapped at some of the addresses.
    #[error("nothing is mapped at address {0:#x}")]
    Unmapped(u64),
    /// The mapping at this address does not allow this kind of access.
    #[error("the mapping at address {0:#x} does not allow it")]
    Forbidden(u64),
    /// The mapping allows the access, but what is behind it does not answer (a file that was
    /// shortened, a peer that is gone).
    #[error("the memory behind address {0:#x} does not answer")]
    Gone(u64),
}

impl DmaFault {
    /// What the card learns of a read that failed so.
    pub fn cause(&self) -> FaultCause {
        match self {
            Self::Unmapped(_) | Self::Forbidden(_) => FaultCause::Unsupported,
            Self::Gone(_) => FaultCause::Abort,
        }
    }
}

/// Accesses that failed since the table was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Reads that failed.
    pub reads: u64,
    /// Writes that failed. Those of a card are posted: it does not learn of it.
    pub writes: u64,
    /// The newest failed write.
    pub last_write: Option<DmaFault>,
}

/// Why a mapping cannot be made or undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// No bytes, or an end beyond the last address.
    #[error("the range of addresses is empty or does not end")]
    Range,
    /// Neither reading nor writing is allowed.
    #[error("a mapping must allow reading, writing or both")]
    Permissions,
    /// Some of the addresses are mapped already.
    #[error("some of the addresses are mapped already")]
    Overlap,
    /// None of the addresses is mapped.
    #[error("none of the addresses is mapped")]
    NotMapped,
    /// A mapping lies only partly in the range.
    #[error("a mapping lies only partly in the range of addresses")]
    Partial,
    /// The offset in the backing and the length do not fit together.
    #[error("the end of the mapping has no offset in what is behind it")]
    Offset,
    /// The descriptor is not that of a regular file which can be read and written anywhere.
    #[error("the descriptor is not that of a regular file")]
    File,
    /// The file is not open for what the mapping allows.
    #[error("the file is not open for what the mapping allows")]
    FileMode,
}
