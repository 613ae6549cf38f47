//! What the card sees of the host's memory.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::error::FaultCause;

/// Memory behind the card's port.
pub trait Memory {
    /// Reads `out.len()` bytes from `addr`; `false` when the bus answers with an error, `out` is
    /// then unspecified.
    fn read(&mut self, addr: u64, out: &mut [u8]) -> bool;

    /// Writes `data` at `addr`; `false` when the bus answers with an error, in which case a part
    /// may have been written.
    fn write(&mut self, addr: u64, data: &[u8]) -> bool;

    /// Why the last access that failed did.
    fn cause(&self) -> FaultCause {
        FaultCause::Plain
    }
}

impl<M: Memory + ?Sized> Memory for Box<M> {
    fn read(&mut self, addr: u64, out: &mut [u8]) -> bool {
        (**self).read(addr, out)
    }

    fn write(&mut self, addr: u64, data: &[u8]) -> bool {
        (**self).write(addr, data)
    }

    fn cause(&self) -> FaultCause {
        (**self).cause()
    }
}

/// A block of memory from one address on; everything else answers with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceMemory {
    base: u64,
    bytes: Vec<u8>,
}

impl SliceMemory {
    /// `len` zero bytes from address `base` on.
    pub fn new(base: u64, len: usize) -> Self {
        Self {
            base,
            bytes: vec![0; len],
        }
    }

    /// Address of the first byte.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, to change.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    fn range(&mut self, addr: u64, len: usize) -> Option<&mut [u8]> {
        let start = usize::try_from(addr.checked_sub(self.base)?).ok()?;
        self.bytes.get_mut(start..start.checked_add(len)?)
    }
}

impl Memory for SliceMemory {
    fn read(&mut self, addr: u64, out: &mut [u8]) -> bool {
        match self.range(addr, out.len()) {
            Some(bytes) => {
                out.copy_from_slice(bytes);
                true
            }
            None => false,
        }
    }

    fn write(&mut self, addr: u64, data: &[u8]) -> bool {
        match self.range(addr, data.len()) {
            Some(bytes) => {
                bytes.copy_from_slice(data);
                true
            }
            None => false,
        }
    }
}

/// Reads little-endian words; `None` when the bus answers with an error.
pub(super) fn read_words<const WORDS: usize>(
    memory: &mut dyn Memory,
    addr: u64,
) -> Option<[u32; WORDS]> {
    let mut words = [0; WORDS];
    let mut bytes = [0; 4];
    for (index, word) in words.iter_mut().enumerate() {
        if !memory.read(addr + 4 * index as u64, &mut bytes) {
            return None;
        }
        *word = u32::from_le_bytes(bytes);
    }
    Some(words)
}
