//! A card without a clock.

mod msix;
mod port;

use std::sync::Arc;

use isa::config::Config;
use isa::error::FaultCause;
use isa::model::{Memory, QueueModel};
use isa::{pci, regs};
use pcie::config_space::ConfigSpace;

use crate::Error;
use crate::dma::DmaTable;
use crate::function::{CardMemory, Function, FunctionError, endpoint, windows};
use msix::Vectors;
use port::Port;

/// The functional model of the card ([`isa::model`]) as a PCI function.
///
/// A call of [`Function::run`] takes one submission and runs its program to the end, however long
/// it is; between calls nothing is under way.
#[derive(Debug)]
pub struct FunctionalCard {
    model: QueueModel,
    space: ConfigSpace,
    vectors: Vectors,
    interrupts: u64,
    dma: Arc<DmaTable>,
    memory: Option<Arc<CardMemory>>,
}

impl FunctionalCard {
    /// A card of this shape after power-up, in front of a host that has nothing mapped.
    ///
    /// # Errors
    /// A wrong configuration, or no room for the card's memory.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let model = QueueModel::new(*config)?;
        let memory = CardMemory::of(config)?.map(Arc::new);
        let space = ConfigSpace::new(&endpoint(config)).map_err(Error::Endpoint)?;
        Ok(Self {
            model,
            space,
            vectors: Vectors::new(config.queues),
            interrupts: 0,
            dma: Arc::new(DmaTable::new()),
            memory,
        })
    }

    /// The shape of the card.
    pub fn config(&self) -> &Config {
        self.model.config()
    }

    fn read_registers(&self, offset: u64, data: &mut [u8]) {
        let table = u64::from(pci::MSIX_TABLE);
        let pending = u64::from(pci::MSIX_PENDING);
        for (at, out) in (offset..).zip(data) {
            *out = if at < u64::from(regs::WINDOW_BYTES) {
                self.model.read_reg(at as u32).to_le_bytes()[at as usize % 4]
            } else if at >= pending {
                self.vectors.read_pending(at - pending)
            } else if at >= table {
                self.vectors.read_table(at - table)
            } else {
                0
            };
        }
    }

    fn write_registers(&mut self, offset: u64, data: &[u8]) {
        let table = u64::from(pci::MSIX_TABLE);
        let mut at = offset;
        let mut rest = data;
        while let [first, ..] = *rest {
            let mut bytes = 1;
            if at < u64::from(regs::WINDOW_BYTES) {
                // As many bytes of one register as there are.
                let skip = at as usize % 4;
                bytes = rest.len().min(4 - skip);
                let mut word = [0; 4];
                word[skip..skip + bytes].copy_from_slice(&rest[..bytes]);
                let strobes = ((1 << bytes) - 1) << skip;
                self.model
                    .write_reg_bytes(at as u32, u32::from_le_bytes(word), strobes);
            } else if at >= table {
                self.vectors.write_table(at - table, first);
            }
            at += bytes as u64;
            rest = &rest[bytes..];
        }
    }

    /// The model, and what its programs reach.
    fn split(&mut self) -> (&mut QueueModel, &mut Vectors, Port<'_>) {
        let port = Port {
            dma: &self.dma,
            card: self.memory.as_deref(),
            bus_master: self.space.bus_master(),
            interrupts: &mut self.interrupts,
            cause: FaultCause::Plain,
        };
        (&mut self.model, &mut self.vectors, port)
    }

    /// Sends what is pending and may be sent.
    fn signal(&mut self) {
        self.vectors.note(self.model.take_events());
        let may_send = self.space.msix_enabled() && !self.space.msix_masked();
        if !may_send || !self.space.bus_master() {
            return;
        }
        let (_, vectors, mut port) = self.split();
        while let Some(message) = vectors.take() {
            port.write(message.address, &message.data.to_le_bytes());
        }
    }

    /// A function-level reset.
    fn clear(&mut self) {
        self.space.reset();
        self.model.write_reg(regs::CONTROL, regs::CONTROL_RESET);
        self.vectors = Vectors::new(self.model.config().queues);
        self.interrupts = 0;
    }
}

impl Function for FunctionalCard {
    fn config_read(&mut self, offset: u16, data: &mut [u8]) {
        self.space.read(offset, data);
    }

    fn config_write(&mut self, offset: u16, data: &[u8]) {
        self.space.write(offset, data);
        if self.space.take_reset() {
            self.clear();
        }
        self.signal();
    }

    fn bar_size(&self, bar: u8) -> u64 {
        windows::bytes(bar, self.memory.as_deref())
    }

    fn bar_read(&mut self, bar: u8, offset: u64, data: &mut [u8]) -> Result<(), FunctionError> {
        windows::check(bar, self.bar_size(bar), offset, data.len())?;
        if !self.space.memory_enabled() {
            data.fill(u8::MAX);
            return Ok(());
        }
        match &self.memory {
            Some(memory) if bar == pci::MEMORY_BAR => {
                // `check` has seen that it holds them.
                let _ = memory.read(offset, data);
            }
            _ => self.read_registers(offset, data),
        }
        Ok(())
    }

    fn bar_write(&mut self, bar: u8, offset: u64, data: &[u8]) -> Result<(), FunctionError> {
        windows::check(bar, self.bar_size(bar), offset, data.len())?;
        if !self.space.memory_enabled() {
            return Ok(());
        }
        match &self.memory {
            Some(memory) if bar == pci::MEMORY_BAR => {
                // `check` has seen that it holds them.
                let _ = memory.write(offset, data);
            }
            _ => {
                self.write_registers(offset, data);
                self.signal();
            }
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<(), FunctionError> {
        self.clear();
        Ok(())
    }

    fn run(&mut self, _cycles: u64) -> Result<bool, FunctionError> {
        let (model, _, mut port) = self.split();
        let busy = model.step(&mut port);
        self.signal();
        Ok(busy)
    }

    fn take_interrupts(&mut self) -> u64 {
        std::mem::take(&mut self.interrupts)
    }

    fn dma(&self) -> &Arc<DmaTable> {
        &self.dma
    }

    fn card_memory(&self) -> Option<&Arc<CardMemory>> {
        self.memory.as_ref()
    }

    fn cycles(&self) -> Option<u64> {
        None
    }
}
