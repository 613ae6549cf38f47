//! The messages of the protocol and their form on the wire.
//!
//! Every type here is the payload of a command or of its reply, what follows the [`Header`]. Each
//! is decoded with all lengths and bounds checked, and nothing of a payload that does not decode is
//! used.

mod access;
mod bytes;
mod device;
mod dma;
mod header;
mod irq;
mod region;
mod version;

pub use access::{DmaAccess, DmaLayout, RegionAccess, WriteMulti};
pub use device::DeviceInfo;
pub use dma::{DmaMapRequest, DmaUnmapRequest, UNMAP_ALL, UNMAP_GET_DIRTY};
pub use header::{Command, ERROR, HEADER_BYTES, Header, Kind, NO_REPLY};
pub use irq::{IrqInfo, Select, SetIrqs};
pub use region::{RegionInfo, RegionInfoRequest, RegionIoFds};
pub use version::{Capabilities, MAJOR, MINOR, Version};

/// Why a message does not decode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is shorter or longer than its kind allows.
    #[error("{what} of {bytes} bytes, not {wanted}")]
    Length {
        /// What it should have been.
        what: &'static str,
        /// Bytes that are there.
        bytes: usize,
        /// Bytes that should be there, at least.
        wanted: usize,
    },
    /// A field holds what it must not.
    #[error("{what}: {field} is {value:#x}")]
    Field {
        /// What it should have been.
        what: &'static str,
        /// The field.
        field: &'static str,
        /// What it holds.
        value: u64,
    },
    /// The text of a version is not what it should be.
    #[error("version: {0}")]
    Text(String),
}
