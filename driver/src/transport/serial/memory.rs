//! The host's memory that the card may reach.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::dma::{DmaMemory, HostMemory};

/// What is mapped, by address. Nothing overlaps.
#[derive(Debug, Default)]
pub(super) struct Memories(BTreeMap<u64, DmaMemory>);

impl Memories {
    pub(super) fn map(&mut self, memory: &Arc<HostMemory>, address: u64) {
        let memory = DmaMemory::new(Arc::clone(memory) as _, address);
        self.0.insert(address, memory);
    }

    pub(super) fn unmap(&mut self, address: u64) {
        self.0.remove(&address);
    }

    /// Reads words from `address` on, if all of them lie in one mapping.
    pub(super) fn read(&self, address: u64, out: &mut [u32]) -> bool {
        let found = self.find(address, out.len());
        if let Some((memory, first)) = found {
            memory.load_all(first, out);
        }
        found.is_some()
    }

    /// Writes words from `address` on, if all of them lie in one mapping. Whoever sees the last sees
    /// the others, and all that was written before.
    pub(super) fn write(&self, address: u64, words: &[u32]) -> bool {
        let found = self.find(address, words.len());
        if let Some((memory, first)) = found {
            memory.store_all(first, words);
        }
        found.is_some()
    }

    /// The mapping that holds these words, and the first of them.
    fn find(&self, address: u64, words: usize) -> Option<(&DmaMemory, usize)> {
        let (start, memory) = self.0.range(..=address).next_back()?;
        let first = usize::try_from((address - start) / 4).ok()?;
        let fits = address.is_multiple_of(4) && first.checked_add(words)? <= memory.len() / 4;
        fits.then_some((memory, first))
    }
}
