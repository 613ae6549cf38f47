//! The Verilated card behind its PCIe link as a [`Device`]: registers through packets, memory
//! through DMA, interrupts by MSI-X.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use isa::config::Config;
use isa::error::FaultCause;
use isa::model::Memory;
use isa::pci::{MSIX_TABLE, REGISTER_BAR};
use pcie::config_space::registers as config;
use pcie::root::{Fault as ReadFault, FaultKind};
use sim::dma::{Backing, HostBytes, Permissions};
use sim::function::{Function, FunctionError};
use sim::{LinkOptions, RtlCard};
use verilate::Library;

use crate::bench::{BASE, BYTES, Device, Fault, Ram};

/// Cycles after which a card that raises no interrupt, or does not come to rest, has lost its way.
const PATIENCE: u64 = 6_000_000;

/// Cycles between looks at the interrupts.
const SLICE: u64 = 64;

/// Memory of the host that the card reaches while it runs.
struct Shared(Mutex<Ram>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Ram> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HostBytes for Shared {
    fn read(&self, offset: u64, out: &mut [u8]) -> bool {
        self.lock().read(BASE + offset, out)
    }

    fn write(&self, offset: u64, data: &[u8]) -> bool {
        self.lock().write(BASE + offset, data)
    }
}

/// The card, enabled, with one interrupt a queue.
pub struct Linked {
    /// The card.
    pub card: RtlCard,
    /// Queues whose interrupt has come and was not waited for.
    pub interrupts: u64,
    /// What reads that hit a fault get.
    pub fault: FaultKind,
    /// The host's side of memory; the card's while it runs.
    ram: Ram,
    shared: Arc<Shared>,
}

/// The model library of a shape, which this process prepares once: emitting takes a while.
pub fn library(config: &Config, words: usize) -> Library {
    type Libraries = Mutex<HashMap<(Config, usize), Library>>;
    static LIBRARIES: OnceLock<Libraries> = OnceLock::new();
    let mut libraries = LIBRARIES
        .get_or_init(Mutex::default)
        .lock()
        .expect("no test panics here");
    let make = || sim::library::for_link(config, words, false).expect("the card builds");
    libraries
        .entry((*config, words))
        .or_insert_with(make)
        .clone()
}

impl Linked {
    /// A card of this shape.
    pub fn new(config: &Config, options: &LinkOptions) -> Self {
        let library = library(config, options.root.words);
        let card = RtlCard::with_library(&library, config, options).expect("good options");
        let shared = Arc::new(Shared(Mutex::new(Ram::new())));
        let backing = Backing::Bytes(shared.clone(), 0);
        card.dma()
            .map(BASE, BYTES as u64, Permissions::READ_WRITE, backing)
            .expect("nothing else is mapped");
        let mut linked = Self {
            card,
            interrupts: 0,
            fault: FaultKind::Abort,
            ram: Ram::new(),
            shared,
        };
        linked.enable();
        linked
    }

    /// Enables the function and its interrupts, as a driver does.
    pub fn enable(&mut self) {
        self.command(config::COMMAND_MEMORY | config::COMMAND_BUS_MASTER);
        self.card
            .config_write(config::MSIX_CONTROL, &config::MSIX_ENABLE.to_le_bytes());
        for queue in 0..self.card.config().queues {
            let entry = u64::from(MSIX_TABLE + 16 * queue);
            self.run(|card| {
                for (word, value) in [0xfee0_0000, 0, queue, 0].into_iter().enumerate() {
                    card.bar_write(REGISTER_BAR, entry + 4 * word as u64, &value.to_le_bytes())?;
                }
                Ok(())
            });
        }
    }

    /// Writes the command register of the configuration space.
    pub fn command(&mut self, value: u16) {
        self.card
            .config_write(config::COMMAND, &value.to_le_bytes());
    }

    /// Sets the sizes of payloads and reads: 128 bytes shifted by these.
    pub fn set_sizes(&mut self, max_payload: u16, max_read: u16) {
        let value = max_payload << 5 | max_read << 12;
        self.card
            .config_write(config::DEVICE_CONTROL, &value.to_le_bytes());
    }

    /// Function-level reset; the function must be enabled again.
    pub fn function_reset(&mut self) {
        self.run(|card| card.reset());
        self.interrupts = 0;
    }

    /// Lets the card do something while memory is its.
    pub fn run<T>(&mut self, work: impl FnOnce(&mut RtlCard) -> Result<T, FunctionError>) -> T {
        std::mem::swap(&mut self.ram, &mut *self.shared.lock());
        let done = work(&mut self.card);
        std::mem::swap(&mut self.ram, &mut *self.shared.lock());
        self.interrupts |= self.card.take_interrupts();
        done.expect("no broken rule")
    }

    /// Runs until the card has nothing left to do.
    pub fn rest(&mut self) {
        for _ in 0..PATIENCE / SLICE {
            if !self.run(|card| card.run(SLICE)) {
                return;
            }
        }
        panic!("the card has something to do for {PATIENCE} cycles");
    }

    /// Runs until the interrupt of a queue has come, at most `most` cycles, or there is nothing
    /// left to do; says whether it came.
    pub fn wait(&mut self, queue: u32, most: u64) -> bool {
        let mut left = most;
        loop {
            let bit = 1 << queue;
            if self.interrupts & bit != 0 {
                self.interrupts &= !bit;
                return true;
            }
            let busy = self.run(|card| card.run(SLICE.min(left)));
            left = left.saturating_sub(SLICE);
            if self.interrupts & bit == 0 && (!busy || left == 0) {
                return false;
            }
        }
    }
}

impl Device for Linked {
    fn read(&mut self, offset: u32) -> u32 {
        let mut bytes = [0; 4];
        self.run(|card| card.bar_read(REGISTER_BAR, offset.into(), &mut bytes));
        u32::from_le_bytes(bytes)
    }

    fn write(&mut self, offset: u32, value: u32) {
        self.run(|card| card.bar_write(REGISTER_BAR, offset.into(), &value.to_le_bytes()));
    }

    fn memory(&mut self) -> &mut Ram {
        &mut self.ram
    }

    fn work(&mut self, queue: u32) -> bool {
        self.wait(queue, PATIENCE)
    }

    fn idle(&mut self, cycles: u64) {
        self.run(|card| card.step(cycles));
    }

    fn reset(&mut self) {
        self.function_reset();
        self.enable();
    }

    /// Reads get [`Self::fault`]; writes are lost, and nobody tells the card.
    fn set_faults(&mut self, faults: &[Fault]) {
        let (writes, reads): (Vec<_>, Vec<_>) =
            faults.iter().cloned().partition(|fault| fault.writes);
        self.ram.set_faults(writes);
        let kind = self.fault;
        let reads = reads.into_iter().map(|fault| ReadFault {
            addresses: fault.addresses,
            kind,
            times: None,
        });
        self.card.root().set_faults(reads.collect());
    }
}

/// What the completion says when reads get this.
pub fn cause(kind: FaultKind) -> FaultCause {
    match kind {
        FaultKind::Poisoned => FaultCause::Poisoned,
        FaultKind::Abort => FaultCause::Abort,
        FaultKind::Unsupported => FaultCause::Unsupported,
        FaultKind::Dropped | FaultKind::Late(_) => FaultCause::Timeout,
    }
}
