//! Regions of a card's own memory, which the host reaches through a window.

use std::ops::Range;
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

    fn wrote(&self, words: Range<usize>) {
        let first = self.offset as usize / 4;
        let words = first + words.start..first + words.end;
        self.memory.window.wrote(words);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dma::mapping::Mapping;

    #[test]
    fn regions_share_the_window() {
        let window = Mapping::of_zeros(5 * PAGE_BYTES, PAGE_BYTES).expect("memory");
        let window = Arc::new(window);
        let memory = CardMemory::new(Arc::clone(&window) as _);
        let one = memory.allocate(5).expect("room");
        let two = memory.allocate(2 * PAGE_BYTES + 1).expect("room");
        assert_eq!((one.address(), one.len()), (CARD_MEMORY, 8));
        assert_eq!(two.address(), CARD_MEMORY + PAGE_BYTES as u64);
        two.store(1, 7);
        assert_eq!(
            window.words()[PAGE_BYTES / 4 + 1].load(std::sync::atomic::Ordering::Relaxed),
            7
        );
        assert_eq!(memory.free_bytes(), PAGE_BYTES as u64);
        assert!(memory.allocate(PAGE_BYTES + 1).is_none());
        for bytes in [usize::MAX, usize::MAX - 8] {
            assert!(memory.allocate(bytes).is_none());
        }
        drop(two);
        assert_eq!(memory.free_bytes(), 4 * PAGE_BYTES as u64);
        drop(one);
        let all = memory
            .allocate(5 * PAGE_BYTES)
            .expect("the ranges were joined");
        assert_eq!(all.address(), CARD_MEMORY);
    }

    #[test]
    fn a_ragged_end_is_left_out() {
        struct Words(Vec<AtomicU32>);
        impl Backing for Words {
            fn words(&self) -> &[AtomicU32] {
                &self.0
            }
        }
        let words = (0..PAGE_BYTES / 4 + 9).map(|_| AtomicU32::new(0)).collect();
        let memory = CardMemory::new(Arc::new(Words(words)));
        assert_eq!(memory.free_bytes(), PAGE_BYTES as u64);
    }
}
