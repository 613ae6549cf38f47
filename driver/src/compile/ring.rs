//! An on-chip buffer as a ring of what was loaded: the newest allocation pushes out the oldest.

use std::collections::VecDeque;

/// One thing that lies in the buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<Key> {
    pub(super) key: Key,
    /// First row.
    pub(super) start: u32,
    /// Rows.
    pub(super) len: u32,
    /// Tiles, from the first on, that a LOAD was emitted for.
    pub(super) loaded: u32,
}

/// Rows `0..size`, handed out round and round.
#[derive(Clone, Debug)]
pub(super) struct Ring<Key> {
    size: u32,
    head: u32,
    /// Oldest first; in the order of rows, from `head` on round the ring.
    entries: VecDeque<Entry<Key>>,
}

impl<Key: PartialEq + Copy> Ring<Key> {
    pub(super) fn new(size: u32) -> Self {
        Self {
            size,
            head: 0,
            entries: VecDeque::new(),
        }
    }

    /// What lies there under this key. The newest are looked at first, for they are the ones that
    /// are asked for.
    pub(super) fn get(&mut self, key: Key) -> Option<&mut Entry<Key>> {
        self.entries.iter_mut().rev().find(|entry| entry.key == key)
    }

    /// Room for `parts` entries of `len` rows one after the other, from a multiple of `align` on;
    /// pushes out what lay there. `parts * len` must be at most the size of the ring.
    pub(super) fn allocate(&mut self, parts: u32, len: u32, align: u32) -> u32 {
        let total = parts * len;
        assert!(
            total <= self.size,
            "{total} rows do not fit a buffer of {}",
            self.size
        );
        if self.head.next_multiple_of(align) + total > self.size {
            // What lies beyond the head is the oldest; the gap at the end stays empty.
            self.drop_front(self.head, self.size);
            self.head = 0;
        }
        let start = self.head.next_multiple_of(align);
        self.drop_front(self.head, start + total);
        self.head = start + total;
        start
    }

    /// Enters what was allocated.
    pub(super) fn insert(&mut self, key: Key, start: u32, len: u32, loaded: u32) {
        self.entries.push_back(Entry {
            key,
            start,
            len,
            loaded,
        });
    }

    fn drop_front(&mut self, start: u32, end: u32) {
        while let Some(entry) = self.entries.front() {
            if entry.start >= end || entry.start + entry.len <= start {
                break;
            }
            self.entries.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_leave_first() {
        let mut ring = Ring::new(10);
        for key in 0..3 {
            let start = ring.allocate(1, 4, 1);
            ring.insert(key, start, 4, 1);
        }
        // 0 at 0..4, 1 at 4..8; 2 does not fit behind and replaces 0.
        assert!(ring.get(0).is_none());
        assert_eq!(ring.get(1).map(|entry| entry.start), Some(4));
        assert_eq!(ring.get(2).map(|entry| entry.start), Some(0));
        let start = ring.allocate(1, 10, 1);
        ring.insert(3, start, 10, 1);
        assert!(ring.get(1).is_none() && ring.get(2).is_none());
    }

    #[test]
    fn what_lies_in_a_gap_is_gone() {
        let mut ring = Ring::new(8);
        for key in 0..3 {
            let start = ring.allocate(1, if key == 0 { 3 } else { 1 }, 1);
            ring.insert(key, start, 1, 1);
        }
        // 0 at 0..3, 1 at 3, 2 at 4; the next begins at an even row.
        assert_eq!(
            ring.allocate(1, 3, 2),
            0,
            "5 is odd and 6 leaves too little"
        );
        assert!(ring.get(0).is_none() && ring.get(1).is_some());
        assert_eq!(ring.allocate(1, 2, 4), 4);
        assert!(ring.get(1).is_none(), "row 3 is behind the newest now");
        assert!(ring.get(2).is_none());
    }
}
