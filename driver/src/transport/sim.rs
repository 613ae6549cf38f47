//! The Verilated card in this process: the RTL, cycle by cycle.

use std::path::Path;
use std::sync::Arc;

use isa::config::Config;
use sim::library::Library;
use sim::{Card, Options};

use super::port::Port;
use super::{Patience, Transport, TransportError, Wake};
use crate::dma::{DmaMemory, ProcessMemory};

/// Cycles that a card runs in one moment.
const MOMENT: u64 = 1000;

/// A simulated card and its memory. Its clock ticks in [`Transport::wait`] and, one cycle each, in
/// register accesses.
pub struct SimTransport {
    card: Card<Port>,
    memory: Arc<ProcessMemory>,
}

impl SimTransport {
    /// A card of this shape after power-up.
    ///
    /// # Errors
    /// Those of [`Card::open`].
    pub fn open(config: &Config, options: &Options) -> Result<Self, sim::Error> {
        let memory = Arc::<ProcessMemory>::default();
        let card = Card::open(config, options, Port(Arc::clone(&memory)))?;
        Ok(Self { card, memory })
    }

    /// A card of this shape whose model is at hand, after power-up.
    ///
    /// # Errors
    /// Those of [`Card::with_library`].
    pub fn with_library(
        library: &Library,
        config: &Config,
        options: &Options,
    ) -> Result<Self, sim::Error> {
        let memory = Arc::<ProcessMemory>::default();
        let card = Card::with_library(library, config, options, Port(Arc::clone(&memory)))?;
        Ok(Self { card, memory })
    }

    /// Writes a waveform of everything from now on to `path`, in the format FST.
    ///
    /// # Errors
    /// The card was opened without [`Options::fst`], or the file cannot be written.
    pub fn trace(&mut self, path: &Path) -> Result<(), sim::Error> {
        self.card.trace(path)
    }

    /// The memory that host and card share, to tamper with.
    pub fn memory(&self) -> Arc<ProcessMemory> {
        Arc::clone(&self.memory)
    }
}

fn broken(error: sim::Error) -> TransportError {
    TransportError::Broken(error.to_string())
}

impl Transport for SimTransport {
    fn describe(&self) -> &str {
        "simulated card in this process"
    }

    fn read_raw(&mut self, offset: u32) -> Result<u32, TransportError> {
        self.card.read_reg(offset).map_err(broken)
    }

    fn write(&mut self, offset: u32, value: u32) -> Result<(), TransportError> {
        self.card.write_reg(offset, value).map_err(broken)
    }

    fn allocate(&mut self, bytes: usize) -> Result<DmaMemory, TransportError> {
        Ok(self.memory.allocate(bytes))
    }

    fn wait(&mut self, patience: Patience) -> Result<Wake, TransportError> {
        match self.card.run_until_irq(patience.cycles).map_err(broken)? {
            true => Ok(Wake::Interrupt),
            false => Ok(Wake::Expired),
        }
    }

    fn progress(&mut self) -> Result<(), TransportError> {
        self.card.run_until(MOMENT, |_| false).map_err(broken)?;
        Ok(())
    }

    fn function_reset(&mut self) -> Result<(), TransportError> {
        self.card.reset();
        Ok(())
    }

    fn clock(&self) -> Option<u64> {
        Some(self.card.cycles())
    }

    fn speed(&self) -> Option<f64> {
        Some(self.card.cycles_per_second()).filter(|speed| *speed > 0.0)
    }
}
