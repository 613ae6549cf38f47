//! Weights that stay packed in the card's memory.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::dma::{Buffer, InFlight};

/// Weights' number, first column and columns.
pub(super) type Key = (u64, usize, usize);

/// Packed weights, bounded in bytes; those not used for the longest time leave first. The card
/// may read them at any time, so the host never touches them again; they are freed when the last
/// program that names them has ended.
#[derive(Debug, Default)]
pub(super) struct WeightCache {
    limit: usize,
    bytes: usize,
    /// Least recently used first.
    entries: VecDeque<(Key, Arc<Buffer<InFlight>>)>,
}

impl WeightCache {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    pub(super) fn get(&mut self, key: Key) -> Option<Arc<Buffer<InFlight>>> {
        let index = self.entries.iter().position(|(other, _)| *other == key)?;
        let entry = self.entries.remove(index)?;
        let buffer = Arc::clone(&entry.1);
        self.entries.push_back(entry);
        Some(buffer)
    }

    pub(super) fn insert(&mut self, key: Key, buffer: Arc<Buffer<InFlight>>) {
        self.bytes += buffer.len();
        self.entries.push_back((key, buffer));
        while self.bytes > self.limit {
            let Some((_, oldest)) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= oldest.len();
        }
    }
}
