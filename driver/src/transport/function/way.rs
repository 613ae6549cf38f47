//! The way to a card through any [`Function`].

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use isa::pci::{DEVICE_ID, MEMORY_BAR, REGISTER_BAR, VENDOR_ID};
use isa::regs::WINDOW_BYTES;

use super::Function;
use super::config::{self, COMMAND_BUS_MASTER, COMMAND_MEMORY};
use super::turn::{Claim, Resets};
use crate::dma::DmaMemory;
use crate::dma::pool::{CardMemory, Pool, Usage};
use crate::transport::serial::Traffic;
use crate::transport::{Patience, Transport, TransportError, Wake};

/// Queues that a card has at most; each has a vector.
const MOST_QUEUES: u32 = 8;

/// A way to one queue of a card. Several share one card ([`Self::queue`]): each waits for the
/// vector of its own queue and holds no other up. The card is stopped and its memory taken back
/// when the last is dropped.
pub struct FunctionTransport<F: Function> {
    card: Arc<Shared<F>>,
    queue: u32,
    /// The last reset of the card that this one knows of.
    seen: u64,
    /// Alarms that this one knows of.
    alarms: u64,
}

/// What the ways to one card share.
struct Shared<F: Function> {
    function: Arc<F>,
    pool: Pool,
    memory: Option<CardMemory>,
    /// Vectors that are on.
    vectors: u32,
    resets: Arc<Resets>,
    /// What a card that could not be stopped may still write to.
    limbo: Mutex<Vec<Box<dyn Any + Send>>>,
}

impl<F: Function + 'static> FunctionTransport<F> {
    /// Takes a function into use: checks that it is a Systole card, resets it, and switches its
    /// windows, its access to memory and its interrupts on. This is the way to queue 0.
    ///
    /// # Errors
    /// Another device, one without the registers or vectors of a card, or one that cannot be
    /// reached.
    pub fn open(function: F) -> Result<Self, TransportError> {
        identify(&function)?;
        let registers = function.bar_bytes(REGISTER_BAR);
        if registers < u64::from(WINDOW_BYTES) {
            return Err(TransportError::Broken(format!(
                "BAR {REGISTER_BAR} has {registers} bytes, the registers of a Systole card need \
                 {WINDOW_BYTES}"
            )));
        }
        let vectors = function.vectors().min(MOST_QUEUES);
        if vectors == 0 {
            return Err(TransportError::Broken(
                "the function has no MSI-X vector, of which a Systole card has one a queue".into(),
            ));
        }
        // Whoever used it before may have left it in the middle of something.
        config::command(&function, COMMAND_BUS_MASTER, 0)?;
        function.reset()?;
        config::command(&function, COMMAND_MEMORY, COMMAND_MEMORY)?;
        function.enable_vectors(vectors)?;
        config::command(&function, COMMAND_BUS_MASTER, COMMAND_BUS_MASTER)?;
        let memory = match function.bar_bytes(MEMORY_BAR) {
            0 => None,
            _ => function.card_memory(MEMORY_BAR)?.map(CardMemory::new),
        };
        let alarms = function.alarms();
        let function = Arc::new(function);
        let card = Shared {
            pool: Pool::new(Arc::clone(&function) as _),
            function,
            memory,
            vectors,
            resets: Arc::default(),
            limbo: Mutex::default(),
        };
        Ok(Self {
            card: Arc::new(card),
            queue: 0,
            seen: 0,
            alarms,
        })
    }

    /// Another way to the same card, for another of its queues; `None` where it has no such queue.
    pub fn queue(&self, queue: u32) -> Option<Self> {
        (queue < self.card.vectors).then(|| Self {
            card: Arc::clone(&self.card),
            queue,
            seen: 0,
            alarms: self.card.function.alarms(),
        })
    }

    /// The function.
    pub fn function(&self) -> &F {
        &self.card.function
    }

    /// What the pool of memory holds now.
    pub fn usage(&self) -> Usage {
        self.card.pool.usage()
    }

    /// Bytes of the card's own memory that are free; 0 on a card without.
    pub fn card_memory_free(&self) -> u64 {
        self.card.memory.as_ref().map_or(0, CardMemory::free_bytes)
    }

    /// Whether nobody else has reset the card.
    fn check_resets(&self) -> Result<(), TransportError> {
        match self.card.resets.are_at(self.seen) {
            true => Ok(()),
            false => Err(TransportError::ResetElsewhere),
        }
    }
}

/// Checks the identity in configuration space.
fn identify(function: &impl Function) -> Result<(), TransportError> {
    let mut data = [0; 4];
    function.config_read(config::VENDOR, &mut data)?;
    let [vendor, device] = [[data[0], data[1]], [data[2], data[3]]].map(u16::from_le_bytes);
    match (vendor, device) {
        (VENDOR_ID, DEVICE_ID) => Ok(()),
        (u16::MAX, u16::MAX) => Err(TransportError::Gone {
            why: "its configuration space reads all ones".into(),
        }),
        _ => Err(TransportError::Broken(format!(
            "the function is {vendor:04x}:{device:04x}, a Systole card is \
             {VENDOR_ID:04x}:{DEVICE_ID:04x}"
        ))),
    }
}

impl<F: Function> Drop for Shared<F> {
    fn drop(&mut self) {
        // The card must not reach memory that is unmapped under it. Where it cannot be told to
        // stop any more, it is gone, or whoever is behind the function takes the mappings back.
        let _ = config::command(&*self.function, COMMAND_BUS_MASTER, 0);
        let _ = self.function.reset();
        let _ = self.pool.close();
    }
}

impl<F: Function + 'static> Transport for FunctionTransport<F> {
    fn describe(&self) -> &str {
        self.card.function.describe()
    }

    fn read_raw(&mut self, offset: u32) -> Result<u32, TransportError> {
        self.card.function.read32(REGISTER_BAR, within(offset)?)
    }

    fn write(&mut self, offset: u32, value: u32) -> Result<(), TransportError> {
        self.check_resets()?;
        self.card
            .function
            .write32(REGISTER_BAR, within(offset)?, value)
    }

    fn allocate(&mut self, bytes: usize) -> Result<DmaMemory, TransportError> {
        self.card.pool.allocate(bytes)
    }

    fn allocate_on_card(&mut self, bytes: usize) -> Option<DmaMemory> {
        self.card.memory.as_ref()?.allocate(bytes)
    }

    fn wait(&mut self, patience: Patience) -> Result<Wake, TransportError> {
        self.check()?;
        let wake = self.card.function.wait(self.queue, patience)?;
        self.check()?;
        Ok(wake)
    }

    fn acknowledge(&mut self, _queue: u32) -> Result<(), TransportError> {
        // MSI-X: every completion sends a message, and the wait has taken the one that ended it.
        Ok(())
    }

    fn check(&mut self) -> Result<(), TransportError> {
        self.check_resets()?;
        self.card.function.check()?;
        let alarms = self.card.function.alarms();
        if alarms != self.alarms {
            self.alarms = alarms;
            return Err(TransportError::Alarm(self.card.function.alarm()));
        }
        Ok(())
    }

    fn progress(&mut self) -> Result<(), TransportError> {
        self.check()?;
        self.card.function.progress()
    }

    fn function_reset(&mut self) -> Result<(), TransportError> {
        let function = &*self.card.function;
        function.reset()?;
        let on = COMMAND_MEMORY | COMMAND_BUS_MASTER;
        config::command(function, on, on)
    }

    fn queue(&self) -> u32 {
        self.queue
    }

    fn claim_reset(&mut self) -> Claim {
        self.card.resets.claim(&mut self.seen)
    }

    fn keep(&mut self, memory: Box<dyn Any + Send>) {
        let limbo = self.card.limbo.lock();
        limbo.unwrap_or_else(PoisonError::into_inner).push(memory);
    }

    fn clock(&self) -> Option<u64> {
        self.card.function.clock()
    }

    fn speed(&self) -> Option<f64> {
        self.card.function.speed()
    }

    fn traffic(&self) -> Option<Traffic> {
        self.card.function.traffic()
    }
}

/// A register that exists as far as the window goes.
fn within(offset: u32) -> Result<u32, TransportError> {
    match offset < WINDOW_BYTES && offset.is_multiple_of(4) {
        true => Ok(offset),
        false => Err(TransportError::Broken(format!(
            "there is no register at {offset:#x}"
        ))),
    }
}
