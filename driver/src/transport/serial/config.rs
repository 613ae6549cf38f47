//! The configuration space that a card on a line does not have, as far as drivers look into it.

use isa::pci;

use crate::transport::function::config::{COMMAND, COMMAND_BUS_MASTER, COMMAND_MEMORY, VENDOR};

/// Bytes of a header.
const BYTES: usize = 64;
/// Device, 16 bits.
const DEVICE: usize = 0x02;
/// Revision, 8 bits; the class above it, 24 bits.
const REVISION: usize = 0x08;
/// Subsystem vendor, 16 bits; the subsystem above it.
const SUBSYSTEM: usize = 0x2c;

/// A header without capabilities, in which only the command register can be written.
#[derive(Debug)]
pub(super) struct ConfigSpace([u8; BYTES]);

impl Default for ConfigSpace {
    fn default() -> Self {
        let mut bytes = [0; BYTES];
        let mut put = |at: usize, value: u16| {
            bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
        };
        put(usize::from(VENDOR), pci::VENDOR_ID);
        put(DEVICE, pci::DEVICE_ID);
        put(
            REVISION,
            (pci::CLASS << 8) as u16 | u16::from(pci::REVISION),
        );
        put(REVISION + 2, (pci::CLASS >> 8) as u16);
        put(SUBSYSTEM, pci::SUBSYSTEM_VENDOR_ID);
        put(SUBSYSTEM + 2, pci::SUBSYSTEM_ID);
        Self(bytes)
    }
}

impl ConfigSpace {
    /// Reads; beyond the header there are zeros.
    pub(super) fn read(&self, offset: u16, data: &mut [u8]) {
        for (at, out) in (usize::from(offset)..).zip(data) {
            *out = self.0.get(at).copied().unwrap_or(0);
        }
    }

    /// Writes what can be written.
    pub(super) fn write(&mut self, offset: u16, data: &[u8]) {
        let writable = (COMMAND_MEMORY | COMMAND_BUS_MASTER).to_le_bytes();
        for (at, &value) in (usize::from(offset)..).zip(data) {
            let place = at.checked_sub(usize::from(COMMAND));
            if let Some(mask) = place.and_then(|place| writable.get(place)) {
                self.0[at] = value & mask;
            }
        }
    }

    /// Whether the card may access memory.
    pub(super) fn bus_master(&self) -> bool {
        let at = usize::from(COMMAND);
        u16::from_le_bytes([self.0[at], self.0[at + 1]]) & COMMAND_BUS_MASTER != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_like_a_card() {
        let mut space = ConfigSpace::default();
        let mut header = [0; 64];
        space.read(0, &mut header);
        assert_eq!(header[..4], [0xee, 0x10, 0x59, 0x53]);
        assert_eq!(header[8..12], [1, 0, 0, 0x12]);
        assert_eq!(header[0x2c..0x30], [0xee, 0x10, 0x54, 0x53]);
        assert!(!space.bus_master());
        space.write(0, &[0xff; 64]);
        let mut after = [0; 66];
        space.read(0, &mut after);
        assert_eq!(after[4..6], [6, 0]);
        assert!(space.bus_master());
        space.write(COMMAND, &[2, 0]);
        space.read(0, &mut after);
        header[4] = 2;
        assert_eq!(after[..64], header);
        assert!(!space.bus_master() && after[64..] == [0, 0]);
        space.write(u16::MAX, &[1, 2]);
    }
}
