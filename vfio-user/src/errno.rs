//! Error numbers as they cross the wire.

use std::fmt;
use std::io;

/// An error number of UNIX, as a reply carries it; 0 is an error without a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Errno(pub u32);

impl Errno {
    /// The access is not permitted by the flags of the range.
    pub const PERM: Self = Self(1);
    /// There is no such mapping.
    pub const NOENT: Self = Self(2);
    /// The device failed.
    pub const IO: Self = Self(5);
    /// The payload is larger than was agreed.
    pub const TOOBIG: Self = Self(7);
    /// Out of memory.
    pub const NOMEM: Self = Self(12);
    /// The region cannot be accessed this way.
    pub const ACCES: Self = Self(13);
    /// The address is not mapped.
    pub const FAULT: Self = Self(14);
    /// Another client has the device.
    pub const BUSY: Self = Self(16);
    /// The range overlaps a mapping.
    pub const EXIST: Self = Self(17);
    /// The device is gone.
    pub const NODEV: Self = Self(19);
    /// The message makes no sense.
    pub const INVAL: Self = Self(22);
    /// The interrupt or the device does not support this action.
    pub const NOTTY: Self = Self(25);
    /// There are as many mappings as there may be.
    pub const NOSPC: Self = Self(28);
    /// The other end is gone.
    pub const PIPE: Self = Self(32);
    /// The other end sent what the protocol does not allow.
    pub const PROTO: Self = Self(71);
    /// There is no such command.
    pub const NOTSUP: Self = Self(95);
    /// The other end did not answer in time.
    pub const TIMEDOUT: Self = Self(110);
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match i32::try_from(self.0) {
            Ok(0) => f.write_str("an error without a number"),
            Ok(number) => io::Error::from_raw_os_error(number).fmt(f),
            Err(_) => write!(f, "error number {}", self.0),
        }
    }
}

impl std::error::Error for Errno {}

impl From<io::Error> for Errno {
    /// The number of the system's error, [`Errno::IO`] where it has none.
    fn from(error: io::Error) -> Self {
        error
            .raw_os_error()
            .and_then(|number| u32::try_from(number).ok())
            .map_or(Self::IO, Self)
    }
}
