//! What is behind a mapping.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use super::huge::HugeMap;
use super::{MapError, Permissions};

/// Memory that is reached by calls: of this process, or of a peer that answers messages.
pub trait HostBytes: Send + Sync {
    /// Reads `out.len()` bytes from `offset` on; `false` when they cannot be had, `out` is then
    /// unspecified.
    fn read(&self, offset: u64, out: &mut [u8]) -> bool;

    /// Writes `data` from `offset` on; `false` when that is not possible, in which case a part may
    /// have been written.
    fn write(&self, offset: u64, data: &[u8]) -> bool;
}

/// What is behind a mapping.
#[derive(Clone)]
pub enum Backing {
    /// A regular file (also a memfd), from this byte of it on. It is read and written by system
    /// calls, so that a peer that shortens it does no harm.
    File(Arc<OwnedFd>, u64),
    /// Bytes that are reached by calls, from this offset on.
    Bytes(Arc<dyn HostBytes>, u64),
}

impl fmt::Debug for Backing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file, offset) => write!(f, "File({file:?}, {offset:#x})"),
            Self::Bytes(_, offset) => write!(f, "Bytes({offset:#x})"),
        }
    }
}

impl Backing {
    /// Opens a mapping of `bytes` bytes.
    pub(super) fn open(self, bytes: u64, permissions: Permissions) -> Result<Source, MapError> {
        let (Self::File(_, offset) | Self::Bytes(_, offset)) = self;
        let end = offset.checked_add(bytes).ok_or(MapError::Offset)?;
        let file = match self {
            Self::Bytes(bytes, offset) => return Ok(Source::Bytes(bytes, offset)),
            Self::File(file, _) => file,
        };
        if i64::try_from(end).is_err() {
            return Err(MapError::Offset);
        }
        let kind = rustix::fs::fstat(file.as_fd()).map_err(|_| MapError::File)?;
        if FileType::from_raw_mode(kind.st_mode) != FileType::RegularFile {
            return Err(MapError::File);
        }
        let mode = rustix::fs::fcntl_getfl(file.as_fd()).map_err(|_| MapError::File)?;
        // On Linux a file that only appends ignores where it is told to write.
        if mode.intersects(OFlags::APPEND | OFlags::PATH) {
            return Err(MapError::File);
        }
        let access = mode & OFlags::RWMODE;
        let may_read = access == OFlags::RDONLY || access == OFlags::RDWR;
        let may_write = access == OFlags::WRONLY || access == OFlags::RDWR;
        if permissions.read && !may_read || permissions.write && !may_write {
            return Err(MapError::FileMode);
        }
        match HugeMap::page_of(&file) {
            None => Ok(Source::File(file, offset)),
            Some(page) => HugeMap::new(&file, offset, bytes, page, permissions.write)
                .map(Source::Huge)
                .map_err(|_| MapError::File),
        }
    }
}

/// A [`Backing`] that was found to be of use.
pub(super) enum Source {
    /// See [`Backing::File`].
    File(Arc<OwnedFd>, u64),
    /// A file in huge pages.
    Huge(HugeMap),
    /// See [`Backing::Bytes`].
    Bytes(Arc<dyn HostBytes>, u64),
}

impl Source {
    /// Reads from byte `at` of the mapping.
    pub(super) fn read(&self, at: u64, out: &mut [u8]) -> bool {
        match self {
            Self::File(file, offset) => {
                let mut done = 0;
                while done < out.len() {
                    let position = offset + at + done as u64;
                    match rustix::io::pread(file, &mut out[done..], position) {
                        Ok(0) => return false,
                        Ok(bytes) => done += bytes,
                        Err(Errno::INTR) => {}
                        Err(_) => return false,
                    }
                }
                true
            }
            Self::Huge(map) => map.read(at, out),
            Self::Bytes(bytes, offset) => bytes.read(offset + at, out),
        }
    }

    /// Writes from byte `at` of the mapping on.
    pub(super) fn write(&self, at: u64, data: &[u8]) -> bool {
        match self {
            Self::File(file, offset) => {
                let mut done = 0;
                while done < data.len() {
                    let position = offset + at + done as u64;
                    // A file that was shortened would grow again: the peer's own business.
                    match rustix::io::pwrite(file, &data[done..], position) {
                        Ok(0) => return false,
                        Ok(bytes) => done += bytes,
                        Err(Errno::INTR) => {}
                        Err(_) => return false,
                    }
                }
                true
            }
            Self::Huge(map) => map.write(at, data),
            Self::Bytes(bytes, offset) => bytes.write(offset + at, data),
        }
    }
}
