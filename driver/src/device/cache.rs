//! Weights that stay packed in the card's memory.

use std::collections::VecDeque;
use std::sync::Arc;

use isa::weights::StreamFormat;

use crate::compile::Panels;
use crate::dma::{Buffer, InFlight};

/// Weights' number, first column, rows and columns, and how they are cut and packed.
pub(super) type Key = (u64, usize, (usize, usize), u32, StreamFormat);

/// Weights as the card reads them.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) buffer: Arc<Buffer<InFlight>>,
    /// Where the streams of packed weights lie.
    pub(super) panels: Option<Arc<Panels>>,
}

/// Packed weights, bounded in bytes; those not used for the longest time leave first. The card
/// may read them at any time, so the host never touches them again; they are freed when the last
/// program that names them has ended.
#[derive(Debug, Default)]
pub(super) struct WeightCache {
    limit: usize,
    bytes: usize,
    /// Least recently used first.
    entries: VecDeque<(Key, Kept)>,
}

impl WeightCache {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    pub(super) fn get(&mut self, key: Key) -> Option<Kept> {
        let index = self.entries.iter().position(|(other, _)| *other == key)?;
        let entry = self.entries.remove(index)?;
        let kept = entry.1.clone();
        self.entries.push_back(entry);
        Some(kept)
    }

    pub(super) fn insert(&mut self, key: Key, kept: Kept) {
        self.bytes += kept.buffer.len();
        self.entries.push_back((key, kept));
        while self.bytes > self.limit {
            let Some((_, oldest)) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= oldest.buffer.len();
        }
    }
}
