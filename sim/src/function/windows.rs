//! The windows of a card, the same whatever is behind them.

use isa::pci;

use super::{CardMemory, FunctionError};

/// Bytes of a window of a card with this memory; 0 when there is no such window.
pub(crate) fn bytes(bar: u8, memory: Option<&CardMemory>) -> u64 {
    match bar {
        pci::REGISTER_BAR => pci::REGISTER_BAR_BYTES,
        pci::MEMORY_BAR => memory.map_or(0, CardMemory::len),
        _ => 0,
    }
}

/// Says that a window of `size` bytes holds bytes `offset..offset + len`.
pub(crate) fn check(bar: u8, size: u64, offset: u64, len: usize) -> Result<(), FunctionError> {
    match offset.checked_add(len as u64) {
        Some(end) if end <= size && size > 0 => Ok(()),
        _ => Err(FunctionError::Outside {
            bar,
            offset,
            len,
            size,
        }),
    }
}
