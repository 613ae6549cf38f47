//! The card's way to memory: the host's through the table of mappings, or its own.

use isa::command::CARD_MEMORY;
use isa::error::FaultCause;
use isa::model::Memory;

use crate::dma::DmaTable;
use crate::function::{CardMemory, INTERRUPT_WINDOW};

/// What a program reaches.
pub struct Port<'a> {
    /// The host's memory.
    pub dma: &'a DmaTable,
    /// The card's own.
    pub card: Option<&'a CardMemory>,
    /// Whether the host lets the card reach its memory.
    pub bus_master: bool,
    /// Interrupts by number.
    pub interrupts: &'a mut u64,
    /// Why the last access that failed did.
    pub cause: FaultCause,
}

impl Port<'_> {
    fn fail(&mut self, cause: FaultCause) -> bool {
        self.cause = cause;
        false
    }
}

impl Memory for Port<'_> {
    fn read(&mut self, addr: u64, out: &mut [u8]) -> bool {
        if let Some(offset) = addr.checked_sub(CARD_MEMORY) {
            let done = self.card.is_some_and(|card| card.read(offset, out));
            return done || self.fail(FaultCause::Plain);
        }
        if !self.bus_master {
            return self.fail(FaultCause::BusMasterOff);
        }
        match self.dma.read(addr, out) {
            Ok(()) => true,
            Err(fault) => self.fail(fault.cause()),
        }
    }

    fn write(&mut self, addr: u64, data: &[u8]) -> bool {
        if let Some(offset) = addr.checked_sub(CARD_MEMORY) {
            let done = self.card.is_some_and(|card| card.write(offset, data));
            return done || self.fail(FaultCause::Plain);
        }
        if !self.bus_master {
            return self.fail(FaultCause::BusMasterOff);
        }
        if let Ok(word) = <[u8; 4]>::try_from(data)
            && INTERRUPT_WINDOW.contains(&addr)
        {
            let vector = u32::from_le_bytes(word);
            *self.interrupts |= 1u64.checked_shl(vector).unwrap_or(0);
            return true;
        }
        // Writes are posted: the table counts those that fail, the card never learns of them.
        let _ = self.dma.write(addr, data);
        true
    }

    fn cause(&self) -> FaultCause {
        self.cause
    }
}
