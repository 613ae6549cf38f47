//! A card that takes everything and does nothing: registers are words of memory, and completions
//! are laid out for it beforehand, so that only the driver's own work is left.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use isa::command::{Command, Load, Operation};
use isa::pci;
use isa::queue::{COMPLETION_BYTES, Completion};
use isa::regs;
use systole::dma::pool::DmaSpace;
use systole::dma::{Backing, DmaMemory, HostMemory, Sharing};
use systole::queue::QueuePair;
use systole::transport::{Function, FunctionTransport, Patience, TransportError, Wake};

/// The card as a PCI function.
pub struct Null {
    registers: Vec<AtomicU32>,
    /// What is mapped, and where.
    memory: Mutex<Option<(u64, Arc<HostMemory>)>>,
    /// Alarms, of which there are none.
    alarms: AtomicU64,
    /// Its owner wants it back.
    pub wanted: AtomicBool,
}

impl Null {
    fn register(&self, offset: u32) -> &AtomicU32 {
        &self.registers[offset as usize / 4]
    }
}

impl DmaSpace for Null {
    fn sharing(&self) -> Sharing {
        // A child sees this memory too.
        Sharing::File
    }

    fn ranges(&self) -> Vec<RangeInclusive<u64>> {
        vec![0..=(1 << 48) - 1]
    }

    fn map(&self, memory: &Arc<HostMemory>, address: u64) -> Result<(), TransportError> {
        *self.memory.lock().expect("no panic") = Some((address, Arc::clone(memory)));
        Ok(())
    }

    fn unmap(&self, _: u64, _: u64) -> Result<(), TransportError> {
        Ok(())
    }
}

impl Function for Null {
    fn describe(&self) -> &str {
        "nothing"
    }

    fn config_read(&self, offset: u16, data: &mut [u8]) -> Result<(), TransportError> {
        data.fill(0);
        if offset == 0 {
            data[..2].copy_from_slice(&pci::VENDOR_ID.to_le_bytes());
            data[2..4].copy_from_slice(&pci::DEVICE_ID.to_le_bytes());
        }
        Ok(())
    }

    fn config_write(&self, _: u16, _: &[u8]) -> Result<(), TransportError> {
        Ok(())
    }

    fn bar_bytes(&self, bar: u8) -> u64 {
        if bar == pci::REGISTER_BAR {
            pci::REGISTER_BAR_BYTES
        } else {
            0
        }
    }

    fn read32(&self, _: u8, offset: u32) -> Result<u32, TransportError> {
        Ok(self.register(offset).load(Ordering::Relaxed))
    }

    fn write32(&self, _: u8, offset: u32, value: u32) -> Result<(), TransportError> {
        self.register(offset).store(value, Ordering::Release);
        Ok(())
    }

    fn card_memory(&self, _: u8) -> Result<Option<Arc<dyn Backing>>, TransportError> {
        Ok(None)
    }

    fn vectors(&self) -> u32 {
        1
    }

    fn enable_vectors(&self, _: u32) -> Result<(), TransportError> {
        Ok(())
    }

    fn wait(&self, _: u32, _: Patience) -> Result<Wake, TransportError> {
        unreachable!("every completion is there before it is asked for")
    }

    fn check(&self) -> Result<(), TransportError> {
        match self.wanted.load(Ordering::Acquire) {
            true => Err(TransportError::Gone {
                why: "its owner wants it back".into(),
            }),
            false => Ok(()),
        }
    }

    fn alarms(&self) -> u64 {
        self.alarms.load(Ordering::Acquire)
    }

    fn alarm(&self) -> String {
        String::new()
    }

    fn reset(&self) -> Result<(), TransportError> {
        Ok(())
    }
}

/// A queue of such a card.
pub struct Bench {
    pub transport: FunctionTransport<Null>,
    pub queue: QueuePair,
    /// A program of one command.
    pub commands: Arc<[Command]>,
    pub completions: DmaMemory,
    /// Entries of the rings, as a power of two.
    log2: u32,
    /// Completions that were laid out.
    laid: u64,
}

impl Bench {
    pub fn new(log2: u32) -> Self {
        let null = Null {
            registers: (0..regs::WINDOW_BYTES / 4)
                .map(|_| AtomicU32::new(0))
                .collect(),
            memory: Mutex::new(None),
            alarms: AtomicU64::new(0),
            wanted: AtomicBool::new(false),
        };
        let mut transport = FunctionTransport::open(null).expect("it is a card");
        let queue = QueuePair::start(&mut transport, 0, log2, 0).expect("there is memory");
        let function = transport.function();
        let half = |offset| u64::from(function.register(offset).load(Ordering::Relaxed));
        let address = half(regs::CQ_BASE_HI) << 32 | half(regs::CQ_BASE_LO);
        let mapped = function.memory.lock().expect("no panic").clone();
        let (start, memory) = mapped.expect("the rings are in one arena");
        let completions = DmaMemory::new(
            Arc::new(Ring {
                memory,
                first: (address - start) as usize / 4,
                words: (COMPLETION_BYTES / 4) << log2,
            }),
            address,
        );
        Self {
            transport,
            queue,
            commands: Arc::new([Command::new(Operation::Load(Load::default()))]),
            completions,
            log2,
            laid: 0,
        }
    }

    /// Lays out the completions of the next `count` programs, fewer than the ring has entries.
    pub fn complete(&mut self, count: u64) {
        for _ in 0..count {
            let (lap, index) = (self.laid >> self.log2, self.laid % (1 << self.log2));
            self.laid += 1;
            let entry = Completion {
                tag: self.laid,
                head: (self.laid % (1 << self.log2)) as u16,
                phase: (lap & 1 ^ 1) as u8,
                ..Completion::default()
            };
            let first = index as usize * (COMPLETION_BYTES / 4);
            self.completions.store_all(first, &entry.encode());
        }
    }

    /// Submits `depth` programs and takes their completions.
    pub fn turn(&mut self, depth: u64) {
        for _ in 0..depth {
            let commands = Arc::clone(&self.commands);
            let tag = self.queue.submit(&mut self.transport, 0x1000, commands);
            std::hint::black_box(tag.expect("there is room"));
        }
        for _ in 0..depth {
            let finished = self.queue.poll(&mut self.transport).expect("a completion");
            std::hint::black_box(finished.expect("it is there"));
        }
    }
}

/// The completion ring as the card sees it.
struct Ring {
    memory: Arc<HostMemory>,
    first: usize,
    words: usize,
}

impl Backing for Ring {
    fn words(&self) -> &[AtomicU32] {
        &self.memory.words()[self.first..][..self.words]
    }
}
