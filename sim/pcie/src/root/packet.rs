//! A packet on its way to the card.

use crate::stream::Beat;

/// A packet and how much of it has gone; its memory is used again and again.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) words: Vec<u32>,
    /// Hits of the base address registers, one bit each.
    pub(super) bar: u8,
    /// The write of the host that ends with this packet.
    pub(super) ends: Option<u64>,
    at: usize,
}

impl Packet {
    pub(super) fn new() -> Self {
        Self {
            words: Vec::with_capacity(4 + crate::tlp::MAX_DWORDS),
            bar: 0,
            ends: None,
            at: 0,
        }
    }

    /// Makes room for the next packet.
    pub(super) fn clear(&mut self) {
        self.words.clear();
        self.bar = 0;
        self.ends = None;
        self.at = 0;
    }

    /// All of it has gone.
    pub(super) fn is_spent(&self) -> bool {
        self.at == self.words.len()
    }

    /// The next beat, of at most `words` doublewords.
    pub(super) fn next_beat(&mut self, words: usize, beat: &mut Beat) {
        let rest = &self.words[self.at..];
        let count = rest.len().min(words);
        beat.data[..count].copy_from_slice(&rest[..count]);
        beat.data[count..].fill(0);
        beat.keep = (1u8 << count) - 1;
        self.at += count;
        beat.last = self.is_spent();
    }
}
