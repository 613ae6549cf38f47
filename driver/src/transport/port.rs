//! What a card in this process sees of the memory.

use std::sync::Arc;

use isa::model::Memory;

use crate::dma::ProcessMemory;

/// The card's side of a [`ProcessMemory`].
#[derive(Clone)]
pub(super) struct Port(pub(super) Arc<ProcessMemory>);

impl Memory for Port {
    fn read(&mut self, addr: u64, out: &mut [u8]) -> bool {
        self.0.card_read(addr, out)
    }

    fn write(&mut self, addr: u64, data: &[u8]) -> bool {
        self.0.card_write(addr, data)
    }
}
