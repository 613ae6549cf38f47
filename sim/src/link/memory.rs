//! What the card reaches: the host's memory through the link, its own beside it.

use isa::error::FaultCause;
use isa::model::Memory;

use crate::dma::DmaTable;
use crate::function::CardMemory;

/// The host's memory as the root complex sees it.
pub struct HostPort<'a> {
    table: &'a DmaTable,
    cause: FaultCause,
}

impl<'a> HostPort<'a> {
    pub fn new(table: &'a DmaTable) -> Self {
        Self {
            table,
            cause: FaultCause::Plain,
        }
    }
}

impl Memory for HostPort<'_> {
    fn read(&mut self, addr: u64, out: &mut [u8]) -> bool {
        let done = self.table.read(addr, out);
        self.cause = done.err().map_or(FaultCause::Plain, |fault| fault.cause());
        done.is_ok()
    }

    fn write(&mut self, addr: u64, data: &[u8]) -> bool {
        let done = self.table.write(addr, data);
        self.cause = done.err().map_or(FaultCause::Plain, |fault| fault.cause());
        done.is_ok()
    }

    fn cause(&self) -> FaultCause {
        self.cause
    }
}

/// The card's own memory, from address 0 on; beyond its end, or when there is none, everything is
/// refused.
pub struct LocalMemory<'a>(pub Option<&'a CardMemory>);

impl Memory for LocalMemory<'_> {
    fn read(&mut self, addr: u64, out: &mut [u8]) -> bool {
        self.0.is_some_and(|memory| memory.read(addr, out))
    }

    fn write(&mut self, addr: u64, data: &[u8]) -> bool {
        self.0.is_some_and(|memory| memory.write(addr, data))
    }
}
