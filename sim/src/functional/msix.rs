//! The table of MSI-X and its pending bits (PCI Local Bus Specification 3.0, 6.8.2).

/// Bytes of an entry of the table.
const ENTRY_BYTES: usize = 16;
/// Offset of Vector Control in an entry; bit 0 masks the vector.
const CONTROL: usize = 12;

/// A message that raises an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it is written.
    pub address: u64,
    /// What is written.
    pub data: u32,
}

/// The vectors of a card. A vector is signalled for each event of its queue.
#[derive(Clone, Debug)]
pub struct Vectors {
    table: Vec<u8>,
    /// Vectors that have not been sent.
    pending: u64,
}

impl Vectors {
    /// Vectors as after a reset: all masked.
    pub fn new(count: u32) -> Self {
        let mut table = vec![0; count as usize * ENTRY_BYTES];
        for entry in table.chunks_exact_mut(ENTRY_BYTES) {
            entry[CONTROL] = 1;
        }
        Self { table, pending: 0 }
    }

    /// Reads a byte of the table; 0 beyond its end.
    pub fn read_table(&self, at: u64) -> u8 {
        let at = usize::try_from(at).ok();
        at.and_then(|at| self.table.get(at).copied()).unwrap_or(0)
    }

    /// Writes a byte of the table; beyond its end nothing happens.
    pub fn write_table(&mut self, at: u64, value: u8) {
        let Some(at) = usize::try_from(at).ok().filter(|&at| at < self.table.len()) else {
            return;
        };
        // Reserved bits stay 0: those of Vector Control, and the lowest two of the address.
        self.table[at] = match at % ENTRY_BYTES {
            0 => value & !3,
            CONTROL => value & 1,
            13..=15 => 0,
            _ => value,
        };
    }

    /// Reads a byte of the pending bits; 0 beyond their end.
    pub fn read_pending(&self, at: u64) -> u8 {
        match at {
            0..8 => self.pending.to_le_bytes()[at as usize],
            _ => 0,
        }
    }

    /// Takes events, bit `v` for vector `v`: they are pending until their message is taken.
    pub fn note(&mut self, events: u32) {
        self.pending |= u64::from(events);
    }

    /// Takes the next vector that is pending and not masked.
    pub fn take(&mut self) -> Option<Message> {
        let count = self.table.len() / ENTRY_BYTES;
        let vector = (0..count).find(|&vector| {
            let masked = self.table[vector * ENTRY_BYTES + CONTROL] & 1 != 0;
            self.pending >> vector & 1 != 0 && !masked
        })?;
        self.pending &= !(1 << vector);
        let word = |at: usize| {
            let at = vector * ENTRY_BYTES + at;
            let bytes = self.table[at..at + 4].iter().rev();
            bytes.fold(0, |word, &byte| word << 8 | u32::from(byte))
        };
        Some(Message {
            address: u64::from(word(0)) | u64::from(word(4)) << 32,
            data: word(8),
        })
    }
}
