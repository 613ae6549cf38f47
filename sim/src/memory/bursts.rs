//! Bursts that are under way.

use std::collections::VecDeque;

use super::signals::Address;

/// Most bytes of a burst: it must not cross a border of 4 KiB.
pub(super) const SLOT_BYTES: usize = 4096;

/// A burst, read or write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Burst {
    pub(super) addr: u64,
    pub(super) id: u8,
    pub(super) beats: usize,
    /// Beats that moved.
    pub(super) done: usize,
    /// First cycle in which the memory may answer; unknown until a write has all its data.
    pub(super) due: Option<u64>,
    /// Reads: the data is in the slot.
    pub(super) sampled: bool,
    /// Some beat has an error, see the marks.
    pub(super) faulty: bool,
    slot: usize,
}

/// Bursts in the order of their addresses, each with a slot of data.
///
/// All memory is reserved at the start.
#[derive(Clone, Debug)]
pub(super) struct Bursts {
    list: VecDeque<Burst>,
    free: Vec<usize>,
    data: Vec<u8>,
    /// Strobes of writes, answers of reads: one entry a beat, 256 a slot.
    marks: Vec<u32>,
}

impl Bursts {
    pub(super) fn new(most: usize) -> Self {
        Self {
            list: VecDeque::with_capacity(most),
            free: (0..most).rev().collect(),
            data: vec![0; most * SLOT_BYTES],
            marks: vec![0; most * 256],
        }
    }

    pub(super) fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Takes a burst in; nothing happens when there is no room.
    pub(super) fn push(&mut self, address: &Address, due: Option<u64>) {
        let Some(slot) = self.free.pop() else {
            return;
        };
        self.list.push_back(Burst {
            addr: address.addr,
            id: address.id,
            beats: usize::from(address.len) + 1,
            done: 0,
            due,
            sampled: false,
            faulty: false,
            slot,
        });
    }

    /// The burst, its data and its marks.
    pub(super) fn parts(&mut self, index: usize) -> Option<(&mut Burst, &mut [u8], &mut [u32])> {
        let burst = self.list.get_mut(index)?;
        let data = &mut self.data[burst.slot * SLOT_BYTES..][..SLOT_BYTES];
        let marks = &mut self.marks[burst.slot * 256..][..256];
        Some((burst, data, marks))
    }

    pub(super) fn remove(&mut self, index: usize) {
        if let Some(burst) = self.list.remove(index) {
            self.free.push(burst.slot);
        }
    }

    /// The oldest burst that lacks data.
    pub(super) fn first_unfilled(&self) -> Option<usize> {
        self.list.iter().position(|burst| burst.due.is_none())
    }

    /// The oldest burst, if it is due.
    pub(super) fn oldest_due(&self, now: u64) -> Option<usize> {
        let due = self.list.front()?.due?;
        (due <= now).then_some(0)
    }

    /// Calls `visit` with every burst that is due and the oldest of its identifier.
    pub(super) fn each_due(&self, now: u64, mut visit: impl FnMut(usize)) {
        let mut seen = 0u16;
        for (index, burst) in self.list.iter().enumerate() {
            let mark = 1u16 << (burst.id & 15);
            if seen & mark == 0 && burst.due.is_some_and(|due| due <= now) {
                visit(index);
            }
            seen |= mark;
        }
    }

    pub(super) fn clear(&mut self) {
        while !self.list.is_empty() {
            self.remove(0);
        }
    }
}
