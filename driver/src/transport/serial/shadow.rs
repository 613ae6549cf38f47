//! The card's own memory as the host writes it: a copy in this process of which what was written
//! travels to the card.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;

use crate::dma::Backing;
use crate::dma::mapping::Mapping;
use crate::dma::pool::PAGE_BYTES;

/// The copy. Pages that nobody writes take no memory.
#[derive(Debug)]
pub(super) struct Shadow {
    mapping: Mapping,
    /// Words that were written and have not been taken, in the order of writing.
    written: Mutex<Vec<Range<usize>>>,
}

impl Shadow {
    /// The copy of a memory of `bytes`.
    pub(super) fn new(bytes: usize) -> Result<Self, Errno> {
        Ok(Self {
            mapping: Mapping::of_zeros(bytes, PAGE_BYTES)?,
            written: Mutex::default(),
        })
    }

    /// Takes the words that were written since the last call.
    pub(super) fn take_written(&self) -> Vec<Range<usize>> {
        std::mem::take(&mut *self.written.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What stands in these words now.
    pub(super) fn load(&self, words: Range<usize>) -> impl Iterator<Item = u32> {
        let words = self.mapping.words()[words].iter();
        words.map(|word| u32::from_le(word.load(Ordering::Acquire)))
    }
}

impl Backing for Shadow {
    fn words(&self) -> &[AtomicU32] {
        self.mapping.words()
    }

    fn wrote(&self, words: Range<usize>) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        match written.last_mut() {
            // Word after word, as one writes who has no more at hand.
            Some(last) if last.end == words.start => last.end = words.end,
            _ if words.is_empty() => {}
            _ => written.push(words),
        }
    }
}
