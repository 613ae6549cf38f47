//! The driver on a card behind a server that is not ours: that of the crate `vfio_user`, which
//! passes on what it is asked to a functional card.

#![cfg(feature = "sim")]

#[expect(dead_code, reason = "the server here is not ours")]
mod road;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use isa::pci::{DEVICE_ID, MEMORY_BAR, MSIX_TABLE, REGISTER_BAR, REGISTER_BAR_BYTES, VENDOR_ID};
use isa::regs;
use sim::FunctionalCard;
use sim::dma::{Backing, DmaTable, Permissions};
use sim::function::{Function as SimFunction, INTERRUPT_WINDOW};
use systole::backend::Place;
use systole::device::{Options, Waiting};
use systole::transport::{
    Function, FunctionTransport, Patience, Transport, TransportError, UserFunction, Wake,
};
use vfio_bindings::bindings::vfio::*;
use vfio_user::{
    DmaMapFlags, DmaUnmapFlags, IrqInfo, Server, ServerBackend, ServerRegion, SparseArea,
};

use road::{Product, backend, config, on_card};

/// Region of the configuration space, and places in it.
const CONFIG: u32 = VFIO_PCI_CONFIG_REGION_INDEX;
const COMMAND: u16 = 0x04;
const COMMAND_MEMORY: u16 = 1 << 1;
const COMMAND_BUS_MASTER: u16 = 1 << 2;
const CAPABILITIES: u16 = 0x34;
const CAPABILITY_MSIX: u8 = 0x11;
const MSIX_ENABLE: u16 = 1 << 15;
/// A card that may run for so long in one go.
const SLICE: u64 = 1000;

/// A card, and what its server knows of the client.
struct Card {
    function: FunctionalCard,
    vectors: BTreeMap<u32, File>,
    /// Every access to a window fails.
    refuses: bool,
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().expect("no panic")
}

fn config16(function: &mut impl SimFunction, offset: u16) -> u16 {
    let mut data = [0; 2];
    function.config_read(offset, &mut data);
    u16::from_le_bytes(data)
}

/// Lets each vector of the card send a message with its number, as a host sets them up.
fn set_up_vectors(function: &mut impl SimFunction) -> io::Result<()> {
    let mut capability = config16(function, CAPABILITIES) & 0xff;
    let control = loop {
        assert_ne!(capability, 0, "the card has MSI-X");
        let [number, next] = config16(function, capability).to_le_bytes();
        if number == CAPABILITY_MSIX {
            break capability + 2;
        }
        capability = next.into();
    };
    let command = config16(function, COMMAND);
    let open = command | COMMAND_MEMORY;
    function.config_write(COMMAND, &open.to_le_bytes());
    for vector in 0..config().queues {
        let entry = u64::from(MSIX_TABLE) + 16 * u64::from(vector);
        let words = [INTERRUPT_WINDOW.start as u32, 0, vector, 0];
        for (word, offset) in words.into_iter().zip((entry..).step_by(4)) {
            function
                .bar_write(REGISTER_BAR, offset, &word.to_le_bytes())
                .map_err(io::Error::other)?;
        }
    }
    function.config_write(control, &MSIX_ENABLE.to_le_bytes());
    function.config_write(COMMAND, &command.to_le_bytes());
    Ok(())
}

impl Card {
    /// Lets the card work and passes its interrupts on; says whether it had something to do.
    fn run(&mut self) -> bool {
        let busy = self.function.run(SLICE).expect("a model does not break");
        let interrupts = self.function.take_interrupts();
        for (vector, mut file) in &self.vectors {
            if interrupts >> vector & 1 != 0 {
                file.write_all(&1_u64.to_ne_bytes()).expect("an event");
            }
        }
        busy
    }

    fn window(&mut self, region: u32) -> io::Result<(&mut FunctionalCard, u8)> {
        match self.refuses {
            true => Err(io::Error::other("as the test wants it")),
            false => Ok((&mut self.function, region as u8)),
        }
    }
}

/// The card as their server knows it.
struct Behind {
    card: Arc<Mutex<Card>>,
    errors: Arc<Mutex<Option<File>>>,
}

impl ServerBackend for Behind {
    fn region_read(&mut self, region: u32, offset: u64, data: &mut [u8]) -> io::Result<()> {
        let mut card = lock(&self.card);
        if region == CONFIG {
            card.function.config_read(offset as u16, data);
            return Ok(());
        }
        let (function, bar) = card.window(region)?;
        function
            .bar_read(bar, offset, data)
            .map_err(io::Error::other)
    }

    fn region_write(&mut self, region: u32, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut card = lock(&self.card);
        if region == CONFIG {
            card.function.config_write(offset as u16, data);
            return Ok(());
        }
        let (function, bar) = card.window(region)?;
        function
            .bar_write(bar, offset, data)
            .map_err(io::Error::other)
    }

    fn dma_map(
        &mut self,
        flags: DmaMapFlags,
        offset: u64,
        address: u64,
        size: u64,
        fd: Option<File>,
    ) -> io::Result<()> {
        let file = fd.ok_or_else(|| io::Error::other("memory without a file"))?;
        let permissions = Permissions {
            read: flags.contains(DmaMapFlags::READ),
            write: flags.contains(DmaMapFlags::WRITE),
        };
        let backing = Backing::File(Arc::new(OwnedFd::from(file)), offset);
        let card = lock(&self.card);
        let mapped = card.function.dma().map(address, size, permissions, backing);
        mapped.map_err(io::Error::other)
    }

    fn dma_unmap(&mut self, _: DmaUnmapFlags, address: u64, size: u64) -> io::Result<()> {
        let card = lock(&self.card);
        let unmapped = card.function.dma().unmap(address, size);
        unmapped.map(drop).map_err(io::Error::other)
    }

    fn reset(&mut self) -> io::Result<()> {
        let mut card = lock(&self.card);
        let function = &mut card.function;
        let command = config16(function, COMMAND);
        SimFunction::reset(function).map_err(io::Error::other)?;
        set_up_vectors(function)?;
        function.config_write(COMMAND, &command.to_le_bytes());
        Ok(())
    }

    fn set_irqs(
        &mut self,
        index: u32,
        flags: u32,
        start: u32,
        count: u32,
        fds: Vec<File>,
    ) -> io::Result<()> {
        let connect = VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_EVENTFD;
        if flags != connect || count as usize != fds.len() {
            return Err(io::Error::other("nothing else is asked for here"));
        }
        match index {
            VFIO_PCI_ERR_IRQ_INDEX => *lock(&self.errors) = fds.into_iter().next(),
            _ => {
                let mut card = lock(&self.card);
                card.vectors.extend((start..).zip(fds));
                set_up_vectors(&mut card.function)?;
            }
        }
        Ok(())
    }
}

/// Their server on a thread, which ends with its one client, and a card that runs on another.
struct Theirs {
    path: PathBuf,
    card: Arc<Mutex<Card>>,
    errors: Arc<Mutex<Option<File>>>,
    dma: Arc<DmaTable>,
    stop: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
    runner: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Theirs {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("theirs.sock");
        let function = FunctionalCard::new(&config()).expect("a card");
        let memory = Arc::clone(function.card_memory().expect("it has some"));
        let dma = Arc::clone(function.dma());
        let errors = Arc::new(Mutex::new(None::<File>));
        let told = Arc::clone(&errors);
        assert!(dma.on_lost_write(move || {
            if let Some(file) = &mut *lock(&told) {
                file.write_all(&1_u64.to_ne_bytes()).expect("an event");
            }
        }));
        let region = |index: u32| {
            let both = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
            let is_memory = index == u32::from(MEMORY_BAR);
            let size = match index {
                CONFIG => 4096,
                _ if is_memory => memory.len(),
                _ if index == u32::from(REGISTER_BAR) => REGISTER_BAR_BYTES,
                _ => 0,
            };
            let mappable = if is_memory {
                VFIO_REGION_INFO_FLAG_MMAP
            } else {
                0
            };
            let whole = vfio_region_sparse_mmap_area { offset: 0, size };
            ServerRegion {
                region_info: vfio_region_info {
                    argsz: 32,
                    flags: if size > 0 { both | mappable } else { 0 },
                    index,
                    size,
                    ..Default::default()
                },
                // The server sends a file only with areas.
                sparse_areas: if is_memory {
                    vec![SparseArea { area: whole }]
                } else {
                    Vec::new()
                },
                mmap_fd: is_memory.then(|| memory.file().as_raw_fd()),
            }
        };
        let irq = |index| IrqInfo {
            index,
            flags: VFIO_IRQ_INFO_EVENTFD,
            count: match index {
                VFIO_PCI_MSIX_IRQ_INDEX => config().queues,
                VFIO_PCI_ERR_IRQ_INDEX => 1,
                _ => 0,
            },
        };
        let (irqs, regions) = ((0..5).map(irq).collect(), (0..9).map(region).collect());
        let server = Server::new(&path, true, irqs, regions).expect("a socket");
        let card = Arc::new(Mutex::new(Card {
            function,
            vectors: BTreeMap::new(),
            refuses: false,
        }));
        let mut behind = Behind {
            card: Arc::clone(&card),
            errors: Arc::clone(&errors),
        };
        let stop = Arc::new(AtomicBool::new(false));
        let (running, told) = (Arc::clone(&card), Arc::clone(&stop));
        Self {
            path,
            card,
            errors,
            dma,
            stop,
            server: Some(thread::spawn(move || {
                server.run(&mut behind).expect("the client closes in peace");
            })),
            runner: Some(thread::spawn(move || {
                while !told.load(Ordering::Relaxed) {
                    let busy = lock(&running).run();
                    // The server wants its turn too.
                    thread::sleep(Duration::from_micros(if busy { 1 } else { 100 }));
                }
            })),
            _folder: folder,
        }
    }

    fn open(&self) -> FunctionTransport<UserFunction> {
        let function = UserFunction::connect(&self.path).expect("it connects");
        FunctionTransport::open(function).expect("it opens")
    }

    /// Waits until the server has ended, which it does when its client closes, and gives the card.
    fn ended(mut self) -> Arc<Mutex<Card>> {
        let server = self.server.take().expect("it ends once");
        server.join().expect("the server ends without a panic");
        Arc::clone(&self.card)
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(runner) = self.runner.take()
            && !thread::panicking()
        {
            runner.join().expect("the card runs without a panic");
        }
    }
}

#[test]
fn the_function_is_what_their_server_says() {
    let server = Theirs::start();
    let mut way = server.open();
    let function = way.function();
    let path = server.path.display().to_string();
    assert!(
        function.describe().contains(&path),
        "{}",
        function.describe()
    );
    let mut identity = [0; 4];
    function.config_read(0, &mut identity).expect("a read");
    let ids = [VENDOR_ID.to_le_bytes(), DEVICE_ID.to_le_bytes()].concat();
    assert_eq!(identity[..], ids);
    assert_eq!(function.vectors(), config().queues);
    let bars: Vec<u64> = (0..7).map(|bar| function.bar_bytes(bar)).collect();
    assert_eq!(bars, [REGISTER_BAR_BYTES, 0, 1 << 20, 0, 0, 0, 0]);
    let command = || config16(&mut lock(&server.card).function, COMMAND);
    let on = COMMAND_MEMORY | COMMAND_BUS_MASTER;
    assert_eq!(command() & on, on);
    assert_eq!(way.read(regs::ID).expect("a read"), regs::ID_VALUE);
    way.write(regs::WATCHDOG, 0x1234_5678).expect("a write");
    assert_eq!(way.read(regs::WATCHDOG).expect("a read"), 0x1234_5678);
    // The card's own memory is mapped, so what is written here is there at once.
    let memory = way.allocate_on_card(64).expect("card memory");
    memory.write(0, b"seen by the card");
    let mut seen = [0; 16];
    let offset = memory.address() - isa::command::CARD_MEMORY;
    let card = lock(&server.card);
    let of_card = card.function.card_memory().expect("it has some");
    assert!(of_card.read(offset, &mut seen));
    assert_eq!(&seen, b"seen by the card");
    drop(card);
    // Memory of this side is theirs to reach until it is let go.
    let host = way.allocate(4096).expect("memory");
    host.write(0, b"seen by the host");
    let read = server.dma.read(host.address(), &mut seen);
    read.expect("it is mapped");
    assert_eq!(&seen, b"seen by the host");
    let written = server
        .dma
        .write(host.address() + 16, b"written by the card");
    written.expect("it is mapped");
    let mut back = [0; 19];
    host.read(16, &mut back);
    assert_eq!(&back, b"written by the card");
    drop((memory, host));
    drop(way);
    assert!(server.dma.is_empty());
    let card = server.ended();
    let command = config16(&mut lock(&card).function, COMMAND);
    assert_eq!(command & COMMAND_BUS_MASTER, 0);
}

#[test]
fn an_interrupt_of_their_server_wakes_its_queue_only() {
    let server = Theirs::start();
    let mut ways = [server.open()].map(|way| (way.queue(1).expect("a second queue"), way));
    let [(second, first)] = &mut ways;
    let now = Patience {
        cycles: 0,
        time: Duration::ZERO,
    };
    let long = Patience {
        cycles: u64::MAX,
        time: Duration::MAX,
    };
    for _ in 0..3 {
        let card = lock(&server.card);
        let mut file = card.vectors.get(&1).expect("it is connected");
        file.write_all(&1_u64.to_ne_bytes()).expect("an event");
        drop(card);
        assert_eq!(first.wait(now).expect("a wait"), Wake::Expired);
        assert_eq!(second.wait(long).expect("a wait"), Wake::Interrupt);
        assert_eq!(second.wait(now).expect("a wait"), Wake::Expired);
    }
    // Who waits is told of writes that were lost, and so is everybody else, once.
    let mut errors = lock(&server.errors);
    let file = errors.as_mut().expect("it is connected");
    file.write_all(&1_u64.to_ne_bytes()).expect("an event");
    drop(errors);
    for way in [first, second] {
        let alarm = way.wait(long).expect_err("an alarm");
        assert!(matches!(alarm, TransportError::Alarm(_)), "{alarm}");
        way.check().expect("it was told once");
    }
}

#[test]
fn products_run_behind_their_server() {
    let server = Theirs::start();
    let way = server.open();
    for waiting in [Waiting::Interrupt, Waiting::Spinning] {
        let options = Options {
            waiting,
            ..Options::default()
        };
        let mut backend = backend(way.queue(1).expect("a second queue"), options);
        for seed in 0..4 {
            let product = Product::new(seed);
            let before = way.card_memory_free();
            on_card(&product.run(&mut backend));
            assert!(way.card_memory_free() < before, "the weights are elsewhere");
            on_card(&product.run(&mut backend));
        }
        assert_eq!(backend.faults(), 0);
    }
    std::thread::scope(|scope| {
        for queue in 0..config().queues {
            let way = way.queue(queue).expect("a queue");
            scope.spawn(move || {
                let mut backend = backend(way, Options::default());
                for seed in 0..10 {
                    let product = Product::new(u64::from(queue) * 100 + seed);
                    on_card(&product.run(&mut backend));
                }
                assert_eq!(backend.faults(), 0);
            });
        }
    });
    drop(way);
    assert!(server.dma.is_empty());
    server.ended();
}

#[test]
fn what_goes_wrong_behind_their_server_goes_to_the_cpu() {
    let server = Theirs::start();
    let mut backend = backend(server.open(), Options::default());
    let product = Product::new(1);
    on_card(&product.run(&mut backend));
    // A write to where nothing is mapped, as a queue of another would make it.
    let lost = server.dma.write(0x7000_0000_0000, &[0; 4]);
    lost.expect_err("nothing is mapped there");
    let report = product.run(&mut backend).report;
    assert_eq!(report.place, Place::Cpu);
    let why = "the card wrote to memory that it was not given";
    assert!(report.reason.contains(why), "{}", report.reason);
    on_card(&product.run(&mut backend));
    assert_eq!(backend.faults(), 1);
    // Their refusals have no number, and are answers all the same.
    lock(&server.card).refuses = true;
    let report = product.run(&mut backend).report;
    assert_eq!(report.place, Place::Cpu);
    let why = "the server refused";
    assert!(report.reason.contains(why), "{}", report.reason);
    assert_eq!(backend.faults(), 2);
    drop(backend);
    server.ended();
}
