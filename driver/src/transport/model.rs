//! The functional card of [`isa::model`] in this process: no clock, the same bits.

use std::sync::Arc;

use isa::config::{Config, ConfigError};
use isa::model::QueueModel;
use isa::regs;

use super::port::Port;
use super::{Patience, Transport, TransportError, Wake};
use crate::dma::{DmaMemory, ProcessMemory};

/// A functional card and its memory.
pub struct ModelTransport {
    card: QueueModel,
    memory: Arc<ProcessMemory>,
}

impl ModelTransport {
    /// A card of this shape after power-up.
    ///
    /// # Errors
    /// Those of [`Config::check`].
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        Ok(Self {
            card: QueueModel::new(config)?,
            memory: Arc::default(),
        })
    }

    /// The memory behind the card, to tamper with.
    pub fn memory(&self) -> Arc<ProcessMemory> {
        Arc::clone(&self.memory)
    }
}

impl Transport for ModelTransport {
    fn describe(&self) -> &str {
        "functional card in this process"
    }

    fn read_raw(&mut self, offset: u32) -> Result<u32, TransportError> {
        Ok(self.card.read_reg(offset))
    }

    fn write(&mut self, offset: u32, value: u32) -> Result<(), TransportError> {
        self.card.write_reg(offset, value);
        Ok(())
    }

    fn allocate(&mut self, bytes: usize) -> Result<DmaMemory, TransportError> {
        Ok(self.memory.allocate(bytes))
    }

    fn wait(&mut self, _patience: Patience) -> Result<Wake, TransportError> {
        // A program always ends on this card, so there is nothing to be patient about.
        let mut port = Port(self.memory());
        while !self.card.irq() {
            if !self.card.step(&mut port) {
                return Ok(Wake::Expired);
            }
        }
        Ok(Wake::Interrupt)
    }

    fn progress(&mut self) -> Result<(), TransportError> {
        self.card.step(&mut Port(self.memory()));
        Ok(())
    }

    fn function_reset(&mut self) -> Result<(), TransportError> {
        self.write(regs::CONTROL, regs::CONTROL_RESET)
    }
}
