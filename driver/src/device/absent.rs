//! What stands in the place of a card that is gone.

use std::any::Any;

use crate::dma::DmaMemory;
use crate::transport::{Patience, Transport, TransportError, Wake};

/// The way to nowhere.
pub(super) struct Absent;

fn gone<T>() -> Result<T, TransportError> {
    Err(TransportError::Gone {
        why: "it was let go when it failed".into(),
    })
}

impl Transport for Absent {
    fn describe(&self) -> &str {
        "card that is gone"
    }

    fn read_raw(&mut self, _: u32) -> Result<u32, TransportError> {
        gone()
    }

    fn write(&mut self, _: u32, _: u32) -> Result<(), TransportError> {
        gone()
    }

    fn allocate(&mut self, _: usize) -> Result<DmaMemory, TransportError> {
        gone()
    }

    fn keep(&mut self, memory: Box<dyn Any + Send>) {
        // Nobody is left who could write to it.
        drop(memory);
    }

    fn wait(&mut self, _: Patience) -> Result<Wake, TransportError> {
        gone()
    }

    fn function_reset(&mut self) -> Result<(), TransportError> {
        gone()
    }
}
