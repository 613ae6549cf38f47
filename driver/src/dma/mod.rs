//! Memory that host and card share.
//!
//! A region is held by an `Arc` and reached through atomics, never as `&[u8]`: the card may write
//! it at any moment, and Rust's references promise that nobody does. [`Buffer`] adds who may touch
//! a region now.

mod buffer;
mod host;
pub(crate) mod mapping;
pub mod pool;
mod process;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

pub use buffer::{Buffer, Done, InFlight, Owned, Retired};
pub use host::{HUGE_BYTES, HostMemory, Sharing};
pub use process::{Access, ProcessMemory, Tamper};

/// Where the words of a region lie.
pub trait Backing: Send + Sync {
    /// The words; the same slice at every call.
    fn words(&self) -> &[AtomicU32];

    /// Learns that the host has just written these words, where the card would not see that by
    /// itself: it does at the next write of a register.
    fn wrote(&self, _words: Range<usize>) {}
}

/// A region of memory that the card can reach. Clones share the region.
#[derive(Clone)]
pub struct DmaMemory {
    backing: Arc<dyn Backing>,
    address: u64,
}

impl std::fmt::Debug for DmaMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DmaMemory({:#x}, {} bytes)", self.address, self.len())
    }
}

impl DmaMemory {
    /// A region whose first word the card reaches at `address`.
    pub fn new(backing: Arc<dyn Backing>, address: u64) -> Self {
        Self { backing, address }
    }

    /// Address of the first byte, as the card sees it.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Bytes of the region.
    pub fn len(&self) -> usize {
        self.backing.words().len() * 4
    }

    /// Whether the region holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads word `index`. What the card wrote before this word is visible afterwards.
    ///
    /// # Panics
    /// If the region has no such word.
    pub fn load(&self, index: usize) -> u32 {
        u32::from_le(self.backing.words()[index].load(Ordering::Acquire))
    }

    /// Writes word `index`. Whoever sees it sees all that was written before.
    ///
    /// # Panics
    /// If the region has no such word.
    pub fn store(&self, index: usize, value: u32) {
        self.backing.words()[index].store(value.to_le(), Ordering::Release);
        self.backing.wrote(index..index + 1);
    }

    /// Reads the words from `first` on. What the card wrote before the last of them is visible
    /// afterwards.
    ///
    /// # Panics
    /// If the region ends before.
    pub fn load_all(&self, first: usize, out: &mut [u32]) {
        let words = &self.backing.words()[first..][..out.len()];
        for (out, word) in out.iter_mut().zip(words) {
            *out = u32::from_le(word.load(Ordering::Acquire));
        }
    }

    /// Writes the words from `first` on. Whoever sees one sees all that was written before.
    ///
    /// # Panics
    /// If the region ends before.
    pub fn store_all(&self, first: usize, values: &[u32]) {
        let words = &self.backing.words()[first..][..values.len()];
        for (word, value) in words.iter().zip(values) {
            word.store(value.to_le(), Ordering::Release);
        }
        self.backing.wrote(first..first + values.len());
    }

    /// Copies bytes from `offset` on out of the region.
    ///
    /// # Panics
    /// If the region ends before.
    pub fn read(&self, offset: usize, out: &mut [u8]) {
        let span = Self::span(offset, out.len());
        let mut skip = offset % 4;
        let mut rest = out;
        for word in &self.backing.words()[span] {
            let bytes = word.load(Ordering::Relaxed).to_ne_bytes();
            let (now, later) = rest.split_at_mut(rest.len().min(4 - skip));
            now.copy_from_slice(&bytes[skip..skip + now.len()]);
            (rest, skip) = (later, 0);
        }
    }

    /// Copies bytes into the region from `offset` on.
    ///
    /// # Panics
    /// If the region ends before.
    pub fn write(&self, offset: usize, data: &[u8]) {
        let span = Self::span(offset, data.len());
        let mut skip = offset % 4;
        let mut rest = data;
        for word in &self.backing.words()[span.clone()] {
            let (now, later) = rest.split_at(rest.len().min(4 - skip));
            let mut bytes = [0; 4];
            if now.len() < 4 {
                bytes = word.load(Ordering::Relaxed).to_ne_bytes();
            }
            bytes[skip..skip + now.len()].copy_from_slice(now);
            word.store(u32::from_ne_bytes(bytes), Ordering::Relaxed);
            (rest, skip) = (later, 0);
        }
        self.backing.wrote(span);
    }

    /// The words that bytes `offset..offset + len` touch.
    fn span(offset: usize, len: usize) -> Range<usize> {
        match len {
            0 => 0..0,
            _ => offset / 4..(offset + len).div_ceil(4),
        }
    }
}
