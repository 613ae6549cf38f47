//! The driver on a card in this process, or behind the socket of a server in a thread of it, and
//! the card at hand all the same.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use sim::dma::DmaTable;
use sim::function::{CardMemory, Function, FunctionError};
use sim::server;
use systole::cpu::CpuBackend;
use systole::device::{DeviceBackend, Options};
use systole::transport::{FunctionTransport, LocalFunction, Transport, UserFunction};

use crate::meddle::{Meddled, Plan};

/// A card that a test can still reach when somebody else has it.
pub struct Shared<C> {
    card: Arc<Mutex<C>>,
    dma: Arc<DmaTable>,
    memory: Option<Arc<CardMemory>>,
}

impl<C: Function> Shared<C> {
    fn new(card: C) -> Self {
        Self {
            dma: Arc::clone(card.dma()),
            memory: card.card_memory().cloned(),
            card: Arc::new(Mutex::new(card)),
        }
    }
}

fn lock<C>(card: &Mutex<C>) -> MutexGuard<'_, C> {
    card.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<C: Function> Function for Shared<C> {
    fn config_read(&mut self, offset: u16, data: &mut [u8]) {
        lock(&self.card).config_read(offset, data);
    }

    fn config_write(&mut self, offset: u16, data: &[u8]) {
        lock(&self.card).config_write(offset, data);
    }

    fn bar_size(&self, bar: u8) -> u64 {
        lock(&self.card).bar_size(bar)
    }

    fn bar_read(&mut self, bar: u8, offset: u64, data: &mut [u8]) -> Result<(), FunctionError> {
        lock(&self.card).bar_read(bar, offset, data)
    }

    fn bar_write(&mut self, bar: u8, offset: u64, data: &[u8]) -> Result<(), FunctionError> {
        lock(&self.card).bar_write(bar, offset, data)
    }

    fn reset(&mut self) -> Result<(), FunctionError> {
        lock(&self.card).reset()
    }

    fn run(&mut self, cycles: u64) -> Result<bool, FunctionError> {
        lock(&self.card).run(cycles)
    }

    fn take_interrupts(&mut self) -> u64 {
        lock(&self.card).take_interrupts()
    }

    fn dma(&self) -> &Arc<DmaTable> {
        &self.dma
    }

    fn card_memory(&self) -> Option<&Arc<CardMemory>> {
        self.memory.as_ref()
    }

    fn cycles(&self) -> Option<u64> {
        lock(&self.card).cycles()
    }
}

/// A card, and the driver's way to it.
pub struct Rig<C, F: systole::transport::Function> {
    /// The card itself.
    pub card: Arc<Mutex<C>>,
    /// The way to queue 0, from which those to the others come.
    pub way: FunctionTransport<F>,
}

impl<C, F: systole::transport::Function + 'static> Rig<C, F> {
    /// Does something with the card.
    pub fn with_card<T>(&self, act: impl FnOnce(&mut C) -> T) -> T {
        act(&mut *lock(&self.card))
    }

    /// A backend of a queue. What it cannot do goes to the CPU.
    pub fn backend(&self, queue: u32, plan: &Plan, options: Options) -> DeviceBackend {
        let way = self.way.queue(queue).expect("the card has this queue");
        backend(Meddled::new(way, plan), options)
    }
}

/// A backend that sends everything to the card, and what fails to the CPU.
pub fn backend(transport: impl Transport + 'static, options: Options) -> DeviceBackend {
    let cpu = Box::new(CpuBackend::new(1));
    DeviceBackend::new(Box::new(transport), cpu, options).expect("the card starts")
}

/// A card in this process.
pub fn local<C: Function + 'static>(card: C) -> Rig<C, LocalFunction> {
    let shared = Shared::new(card);
    let card = Arc::clone(&shared.card);
    let function = LocalFunction::new(shared, "card in this process");
    let way = FunctionTransport::open(function).expect("it opens");
    Rig { card, way }
}

/// A server of a card in a thread of this process.
pub struct Served<C> {
    /// Where it listens.
    pub path: PathBuf,
    card: Arc<Mutex<C>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl<C: Function + 'static> Served<C> {
    /// Serves the card.
    pub fn new(card: C) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("card");
        let listener = server::listen(&path).expect("a socket");
        let stop = Arc::new(AtomicBool::new(false));
        let shared = Shared::new(card);
        let card = Arc::clone(&shared.card);
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            server::serve(&listener, shared, &server::Options::default(), &told)
                .expect("it serves to the end");
        });
        Self {
            path,
            card,
            stop,
            thread: Some(thread),
            _folder: folder,
        }
    }

    /// A client of the server.
    pub fn open(&self) -> Rig<C, UserFunction> {
        let function = UserFunction::connect(&self.path).expect("it connects");
        Rig {
            card: Arc::clone(&self.card),
            way: FunctionTransport::open(function).expect("it opens"),
        }
    }

    /// Ends the server, whoever its client is.
    pub fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server ends without a panic");
        }
    }
}

impl<C> Drop for Served<C> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
