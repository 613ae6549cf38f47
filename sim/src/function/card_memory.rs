//! Memory of the card itself.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use isa::config::Config;
use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{MemfdFlags, SealFlags};

use crate::Error;

/// Memory of a card as a file of this process, so that others can map it.
///
/// Whoever maps it sees every write at once, and the card sees theirs. The file can neither shrink
/// nor grow. Pages that nobody has written take no memory.
#[derive(Debug)]
pub struct CardMemory {
    file: OwnedFd,
    map: MmapRaw,
}

impl CardMemory {
    /// `mib` MiB of zeros.
    ///
    /// # Errors
    /// What the system says when there is no such file or no room for it among the addresses of
    /// the process; [`io::ErrorKind::InvalidInput`] when `mib` is 0 or too much for an address.
    pub fn new(mib: u32) -> io::Result<Self> {
        let bytes = u64::from(mib) << 20;
        let len = usize::try_from(bytes).ok().filter(|&len| len > 0);
        let len = len.ok_or(io::ErrorKind::InvalidInput)?;
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = rustix::fs::memfd_create("systole-card-memory", flags)?;
        rustix::fs::ftruncate(&file, bytes)?;
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&file, seals)?;
        let map = MmapOptions::new().len(len).map_raw(&file)?;
        Ok(Self { file, map })
    }

    /// The memory of a card of this shape, if it has one.
    ///
    /// # Errors
    /// [`Error::CardMemory`] where [`Self::new`] fails.
    pub fn of(config: &Config) -> Result<Option<Self>, Error> {
        match config.card_memory_mib {
            0 => Ok(None),
            mib => Self::new(mib).map(Some).map_err(Error::CardMemory),
        }
    }

    /// Bytes.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> u64 {
        self.map.len() as u64
    }

    /// The file, of [`Self::len`] bytes.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Reads `out.len()` bytes from `offset` on; `false`, and nothing happens, when the memory
    /// does not hold them all.
    #[must_use]
    pub fn read(&self, offset: u64, out: &mut [u8]) -> bool {
        let Some(mut source) = self.span(offset, out.len()) else {
            return false;
        };
        for_each_unit(offset, out.len(), |at, len| {
            // SAFETY: `span` has checked that all of the bytes lie in the map, which lives as long
            // as `self`; the address is a multiple of `len`, because maps start at a page. Reads
            // are volatile since others may write at any moment.
            unsafe {
                match len {
                    8 => out[at..at + 8]
                        .copy_from_slice(&source.cast::<u64>().read_volatile().to_ne_bytes()),
                    4 => out[at..at + 4]
                        .copy_from_slice(&source.cast::<u32>().read_volatile().to_ne_bytes()),
                    _ => out[at] = source.read_volatile(),
                }
                source = source.add(len);
            }
        });
        true
    }

    /// Writes `data` from `offset` on; `false`, and nothing happens, when the memory does not hold
    /// as many bytes.
    #[must_use]
    pub fn write(&self, offset: u64, data: &[u8]) -> bool {
        let Some(mut target) = self.span(offset, data.len()) else {
            return false;
        };
        for_each_unit(offset, data.len(), |at, len| {
            let mut unit = [0; 8];
            unit[..len].copy_from_slice(&data[at..at + len]);
            // SAFETY: as in `read`; the map is writable.
            unsafe {
                match len {
                    8 => target
                        .cast::<u64>()
                        .write_volatile(u64::from_ne_bytes(unit)),
                    4 => {
                        let [a, b, c, d, ..] = unit;
                        target
                            .cast::<u32>()
                            .write_volatile(u32::from_ne_bytes([a, b, c, d]));
                    }
                    _ => target.write_volatile(unit[0]),
                }
                target = target.add(len);
            }
        });
        true
    }

    /// Where bytes `offset..offset + len` start, when all of them are there.
    fn span(&self, offset: u64, len: usize) -> Option<*mut u8> {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(len)?;
        // In bounds of the map, or one past its end for an empty span.
        (end <= self.map.len()).then(|| self.map.as_mut_ptr().wrapping_add(start))
    }
}

/// Cuts `len` bytes from `offset` on into aligned units of 8, 4 and 1 bytes, and calls `unit` with
/// the position of each in the span and its length.
fn for_each_unit(offset: u64, len: usize, mut unit: impl FnMut(usize, usize)) {
    let mut at = 0;
    while at < len {
        let address = offset.wrapping_add(at as u64);
        let left = len - at;
        let size = match () {
            () if address.is_multiple_of(8) && left >= 8 => 8,
            () if address.is_multiple_of(4) && left >= 4 => 4,
            () => 1,
        };
        unit(at, size);
        at += size;
    }
}
