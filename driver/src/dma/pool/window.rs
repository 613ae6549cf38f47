//! Regions of a card's own memory, which the host reaches through a window.

use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};

use isa::command::CARD_MEMORY;

use super::{Extents, PAGE_BYTES};
use crate::dma::{Backing, DmaMemory};

/// A card's memory as the host sees it. Clones share it.
#[derive(Clone)]
pub struct CardMemory {
    window: Arc<dyn Backing>,
    free: Arc<Mutex<Extents>>,
}

impl CardMemory {
    /// The memory behind `window`, all of it free.
    pub fn new(window: Arc<dyn Backing>) -> Self {
        let bytes = window.words().len() as u64 * 4;
        let bytes = bytes - bytes % PAGE_BYTES as u64;
        Self {
            window,
            free: Arc::new(Mutex::new(Extents::new(0, bytes))),
        }
    }

    /// A region of `bytes`, rounded up to a word, that starts at a page; at least a word. What it
    /// holds is unspecified. `None` when there is not so much left.
    pub fn allocate(&self, bytes: usize) -> Option<DmaMemory> {
        let words = bytes.div_ceil(4).max(1);
        let pages = words.checked_mul(4)?.checked_next_multiple_of(PAGE_BYTES)?;
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = free.take(pages as u64, PAGE_BYTES as u64)?;
        drop(free);
        let region = Region {
            memory: self.clone(),
            offset,
            pages: pages as u64,
            words,
        };
        Some(DmaMemory::new(Arc::new(region), CARD_MEMORY + offset))
    }

    /// Bytes that are free.
    pub fn free_bytes(&self) -> u64 {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.iter().map(|(_, len)| len).sum()
    }
}

/// Part of the memory, given back when dropped.
struct Region {
    memory: CardMemory,
    offset: u64,
    pages: u64,
    words: usize,
}

impl Backing for Region {
    fn words(&self) -> &[AtomicU32] {
        &self.memory.window.words()[self.offset as usize / 4..][..self.words]
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        let mut free = self
            .memory
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        free.give(self.offset, self.pages);
    }
}
