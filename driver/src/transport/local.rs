//! A simulated card in this process, as a PCI function.

use std::ops::RangeInclusive;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use isa::pci::MEMORY_BAR;
use sim::dma::{Backing as DmaBacking, DmaTable, HostBytes, Permissions};
use sim::function::{FunctionError, INTERRUPT_WINDOW};

use super::function::Function;
use super::function::config::{
    CAPABILITY_EXPRESS, CAPABILITY_MSIX, COMMAND, COMMAND_MEMORY, DEVICE_CONTROL,
    DEVICE_CONTROL_RESET, MSIX_CONTROL, MSIX_CONTROL_ENABLE, MSIX_CONTROL_VECTORS, MSIX_TABLE,
    find_capability,
};
use super::{Patience, TransportError, Wake};
use crate::dma::mapping::Mapping;
use crate::dma::pool::DmaSpace;
use crate::dma::{Backing, DmaMemory, HostMemory, Sharing};

/// Cycles that the card runs before others who share it have their turn.
const SLICE: u64 = 4096;
/// What IOMMUs of x86 translate.
const ADDRESSES: RangeInclusive<u64> = 0..=(1 << 48) - 1;

/// A card that runs in this process while somebody waits for it.
///
/// It does for the card what the kernel does for one in a slot: it sets up the table of MSI-X, now
/// and after a reset.
pub struct LocalFunction {
    name: String,
    state: Mutex<State>,
    bars: [u64; 6],
    msix: Option<Msix>,
    /// Offset of the register that resets the function.
    device_control: Option<u16>,
    dma: Arc<DmaTable>,
    memory: OnceLock<Arc<Mapping>>,
}

struct State {
    card: Box<dyn sim::function::Function>,
    /// Interrupts that came and that nobody has waited for.
    pending: u64,
    /// Vectors that are on.
    vectors: u32,
    /// Wall time in which the card ran.
    ran: Duration,
}

/// Where MSI-X stands.
#[derive(Clone, Copy)]
struct Msix {
    /// Offset of the capability.
    capability: u16,
    vectors: u32,
    bar: u8,
    table: u64,
}

impl LocalFunction {
    /// Takes a card into use. `name` says what it is, for people.
    pub fn new(card: impl sim::function::Function + 'static, name: impl Into<String>) -> Self {
        let mut card: Box<dyn sim::function::Function> = Box::new(card);
        let mut bars = [0; 6];
        for (bar, bytes) in bars.iter_mut().enumerate() {
            *bytes = card.bar_size(bar as u8);
        }
        Self {
            name: name.into(),
            bars,
            msix: Msix::find(&mut *card),
            device_control: find(&mut *card, CAPABILITY_EXPRESS).map(|at| at + DEVICE_CONTROL),
            dma: Arc::clone(card.dma()),
            memory: OnceLock::new(),
            state: Mutex::new(State {
                card,
                pending: 0,
                vectors: 0,
                ran: Duration::ZERO,
            }),
        }
    }

    /// The table of the host's memory that the card can reach, to look into.
    pub fn dma(&self) -> &Arc<DmaTable> {
        &self.dma
    }

    /// The card itself, to tamper with.
    pub fn with_card<T>(&self, act: impl FnOnce(&mut dyn sim::function::Function) -> T) -> T {
        act(&mut *self.lock().card)
    }

    /// Whether this is the write to the configuration space that resets the function.
    fn asks_for_reset(&self, offset: u16, data: &[u8]) -> bool {
        let Some(control) = self.device_control else {
            return false;
        };
        let [_, bit] = DEVICE_CONTROL_RESET.to_le_bytes();
        let place = (control + 1).checked_sub(offset);
        let byte = place.and_then(|place| data.get(usize::from(place)));
        byte.is_some_and(|byte| byte & bit != 0)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Lets the card run; says whether it had something to do.
    fn run(&mut self, cycles: u64) -> Result<bool, TransportError> {
        let start = Instant::now();
        let busy = self.card.run(cycles).map_err(broken);
        self.ran += start.elapsed();
        self.pending |= self.card.take_interrupts();
        busy
    }

    /// Takes an interrupt that came.
    fn take(&mut self, vector: u32) -> bool {
        let bit = 1u64.checked_shl(vector).unwrap_or(0);
        let came = self.pending & bit != 0;
        self.pending &= !bit;
        came
    }

    /// Lets `reset` reset the card, and gives it its settings back.
    fn reset_with(
        &mut self,
        msix: Option<Msix>,
        reset: impl FnOnce(&mut dyn sim::function::Function) -> Result<(), FunctionError>,
    ) -> Result<(), TransportError> {
        let command = config_read16(&mut *self.card, COMMAND);
        reset(&mut *self.card).map_err(broken)?;
        self.card.take_interrupts();
        self.pending = 0;
        if let (Some(msix), 1..) = (msix, self.vectors) {
            self.set_up(msix, self.vectors)?;
        }
        self.card.config_write(COMMAND, &command.to_le_bytes());
        Ok(())
    }

    /// Writes an entry of the table for each vector, and switches MSI-X on.
    fn set_up(&mut self, msix: Msix, vectors: u32) -> Result<(), TransportError> {
        // The table lies in a window, which must answer for this.
        let command = config_read16(&mut *self.card, COMMAND);
        let open = command | COMMAND_MEMORY;
        self.card.config_write(COMMAND, &open.to_le_bytes());
        for vector in 0..vectors {
            let entry = msix.table + 16 * u64::from(vector);
            for (offset, word) in [
                (0, INTERRUPT_WINDOW.start as u32),
                (4, (INTERRUPT_WINDOW.start >> 32) as u32),
                (8, vector),
                // Not masked.
                (12, 0),
            ] {
                let written = self
                    .card
                    .bar_write(msix.bar, entry + offset, &word.to_le_bytes());
                written.map_err(broken)?;
            }
        }
        let control = msix.capability + MSIX_CONTROL;
        let on = config_read16(&mut *self.card, control) | MSIX_CONTROL_ENABLE;
        self.card.config_write(control, &on.to_le_bytes());
        self.card.config_write(COMMAND, &command.to_le_bytes());
        self.vectors = vectors;
        Ok(())
    }
}

fn config_read16(card: &mut dyn sim::function::Function, offset: u16) -> u16 {
    let mut data = [0; 2];
    card.config_read(offset, &mut data);
    u16::from_le_bytes(data)
}

/// Offset of the capability with this number.
fn find(card: &mut dyn sim::function::Function, number: u8) -> Option<u16> {
    let read = |offset| Ok::<_, std::convert::Infallible>(config_read16(card, offset));
    let Ok(found) = find_capability(number, read);
    found
}

impl Msix {
    fn find(card: &mut dyn sim::function::Function) -> Option<Self> {
        let capability = find(card, CAPABILITY_MSIX)?;
        let control = config_read16(card, capability + MSIX_CONTROL);
        let [low, high] = [0, 2].map(|half| config_read16(card, capability + MSIX_TABLE + half));
        Some(Self {
            capability,
            vectors: u32::from(control & MSIX_CONTROL_VECTORS) + 1,
            bar: (low & 7) as u8,
            table: u64::from(high) << 16 | u64::from(low & !7),
        })
    }
}

fn broken(error: FunctionError) -> TransportError {
    TransportError::Broken(error.to_string())
}

/// The card's side of memory of this process.
struct Bytes(DmaMemory);

impl Bytes {
    fn holds(&self, offset: u64, len: usize) -> Option<usize> {
        let offset = usize::try_from(offset).ok()?;
        (offset.checked_add(len)? <= self.0.len()).then_some(offset)
    }
}

impl HostBytes for Bytes {
    fn read(&self, offset: u64, out: &mut [u8]) -> bool {
        let Some(offset) = self.holds(offset, out.len()) else {
            return false;
        };
        self.0.read(offset, out);
        true
    }

    fn write(&self, offset: u64, data: &[u8]) -> bool {
        let Some(offset) = self.holds(offset, data.len()) else {
            return false;
        };
        // Who sees these bytes sees all that the card wrote before.
        fence(Ordering::Release);
        self.0.write(offset, data);
        true
    }
}

impl DmaSpace for LocalFunction {
    fn sharing(&self) -> Sharing {
        Sharing::Process
    }

    fn ranges(&self) -> Vec<RangeInclusive<u64>> {
        vec![ADDRESSES]
    }

    fn map(&self, memory: &Arc<HostMemory>, address: u64) -> Result<(), TransportError> {
        let bytes = memory.len();
        let backing = Bytes(DmaMemory::new(Arc::clone(memory) as _, address));
        let backing = DmaBacking::Bytes(Arc::new(backing), 0);
        let permissions = Permissions::READ_WRITE;
        let mapped = self.dma.map(address, bytes as u64, permissions, backing);
        mapped.map_err(|error| TransportError::Memory {
            bytes,
            why: error.to_string(),
        })
    }

    fn unmap(&self, address: u64, bytes: u64) -> Result<(), TransportError> {
        let unmapped = self.dma.unmap(address, bytes);
        unmapped
            .map(drop)
            .map_err(|error| TransportError::Broken(error.to_string()))
    }
}

impl Function for LocalFunction {
    fn describe(&self) -> &str {
        &self.name
    }

    fn config_read(&self, offset: u16, data: &mut [u8]) -> Result<(), TransportError> {
        self.lock().card.config_read(offset, data);
        Ok(())
    }

    fn config_write(&self, offset: u16, data: &[u8]) -> Result<(), TransportError> {
        let mut state = self.lock();
        if !self.asks_for_reset(offset, data) {
            state.card.config_write(offset, data);
            return Ok(());
        }
        state.reset_with(self.msix, |card| {
            card.config_write(offset, data);
            Ok(())
        })
    }

    fn bar_bytes(&self, bar: u8) -> u64 {
        self.bars.get(usize::from(bar)).copied().unwrap_or(0)
    }

    fn read32(&self, bar: u8, offset: u32) -> Result<u32, TransportError> {
        let mut data = [0; 4];
        let mut state = self.lock();
        let read = state.card.bar_read(bar, offset.into(), &mut data);
        read.map_err(broken)?;
        Ok(u32::from_le_bytes(data))
    }

    fn write32(&self, bar: u8, offset: u32, value: u32) -> Result<(), TransportError> {
        let mut state = self.lock();
        let data = value.to_le_bytes();
        state
            .card
            .bar_write(bar, offset.into(), &data)
            .map_err(broken)
    }

    fn card_memory(&self, bar: u8) -> Result<Option<Arc<dyn Backing>>, TransportError> {
        if let Some(mapping) = self.memory.get().filter(|_| bar == MEMORY_BAR) {
            return Ok(Some(Arc::clone(mapping) as _));
        }
        let state = self.lock();
        let Some(memory) = state.card.card_memory().filter(|_| bar == MEMORY_BAR) else {
            return Ok(None);
        };
        let bytes = memory.len() as usize;
        let mapping = Mapping::of_file(memory.file(), 0, bytes).map_err(|error| {
            TransportError::Broken(format!("the card's memory cannot be mapped: {error}"))
        })?;
        let mapping = self.memory.get_or_init(|| Arc::new(mapping));
        Ok(Some(Arc::clone(mapping) as _))
    }

    fn vectors(&self) -> u32 {
        self.msix.map_or(0, |msix| msix.vectors)
    }

    fn enable_vectors(&self, count: u32) -> Result<(), TransportError> {
        let fits = self
            .msix
            .filter(|msix| count <= msix.vectors.min(u64::BITS));
        let msix = fits.ok_or_else(|| {
            TransportError::Broken(format!("the card has no {count} MSI-X vectors"))
        })?;
        self.lock().set_up(msix, count)
    }

    fn wait(&self, vector: u32, patience: Patience) -> Result<Wake, TransportError> {
        let mut left = patience.cycles;
        loop {
            let mut state = self.lock();
            if state.take(vector) {
                return Ok(Wake::Interrupt);
            }
            if left == 0 {
                return Ok(Wake::Expired);
            }
            let slice = left.min(SLICE);
            left -= slice;
            // A card with nothing left to do would stand still for the rest of the patience.
            if !state.run(slice)? {
                left = 0;
            }
        }
    }

    fn alarms(&self) -> u64 {
        self.dma.faults().writes
    }

    fn alarm(&self) -> String {
        match self.dma.faults().last_write {
            Some(fault) => format!("a write of the card was lost: {fault}"),
            None => "no write of the card was lost".into(),
        }
    }

    fn progress(&self) -> Result<(), TransportError> {
        self.lock().run(SLICE).map(drop)
    }

    fn reset(&self) -> Result<(), TransportError> {
        let mut state = self.lock();
        state.reset_with(self.msix, |card| card.reset())
    }

    fn clock(&self) -> Option<u64> {
        self.lock().card.cycles()
    }

    fn speed(&self) -> Option<f64> {
        let state = self.lock();
        let cycles = state.card.cycles().filter(|cycles| *cycles > 0)?;
        let seconds = state.ran.as_secs_f64();
        (seconds > 0.0).then(|| cycles as f64 / seconds)
    }
}
