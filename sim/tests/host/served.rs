//! A card behind a socket, and a client as a way to it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use sim::FunctionalCard;
use sim::dma::DmaTable;
use sim::function::{CardMemory, Function};
use sim::server::{self, Options};
use vfio_user_protocol::client::{self, Client, DmaRange};
use vfio_user_protocol::{Errno, MapFlags, Memory};

use super::{BYTES, Bus, Host, IOVA, config};

/// Region of the configuration space.
pub const CONFIG: u32 = 7;
/// Interrupts by messages, errors, requests.
pub const MSIX: u32 = 2;
pub const ERRORS: u32 = 3;
pub const REQUEST: u32 = 4;
/// What a healthy machine never takes.
pub const LONG: Duration = Duration::from_secs(60);

/// A server on a thread.
pub struct Served {
    pub path: PathBuf,
    pub dma: Arc<DmaTable>,
    pub memory: Arc<CardMemory>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Served {
    pub fn new() -> Self {
        Self::with(&Options::default())
    }

    pub fn with(options: &Options) -> Self {
        Self::of(FunctionalCard::new(&config()).expect("a card"), options)
    }

    pub fn of(card: impl Function + 'static, options: &Options) -> Self {
        let dma = Arc::clone(card.dma());
        let memory = Arc::clone(card.card_memory().expect("it has some"));
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("card.sock");
        let listener = server::listen(&path).expect("a socket");
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let (stop, options) = (Arc::clone(&stop), options.clone());
            thread::spawn(move || {
                server::serve(&listener, card, &options, &stop).expect("the socket works");
            })
        };
        Self {
            path,
            dma,
            memory,
            stop,
            thread: Some(thread),
            _folder: folder,
        }
    }

    pub fn connect(&self) -> Client {
        connect(&self.path, None)
    }

    /// Waits until a client that went has left nothing behind.
    pub fn until_empty(&self) {
        until("the mappings are gone", || self.dma.is_empty());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            ended.expect("it runs").expect("no panic");
            assert!(!self.path.exists(), "the socket is removed");
        }
    }
}

pub fn connect(path: &Path, memory: Option<Arc<dyn Memory>>) -> Client {
    let options = client::Options {
        memory,
        ..client::Options::default()
    };
    Client::connect(path, options).expect("a connection")
}

pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LONG, "not yet: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

impl Bus for &Client {
    fn config_read(&mut self, offset: u16, data: &mut [u8]) {
        let done = self.region_read(CONFIG, offset.into(), data);
        done.expect("a read");
    }

    fn config_write(&mut self, offset: u16, data: &[u8]) {
        let done = self.region_write(CONFIG, offset.into(), data);
        done.expect("a write");
    }

    fn read(&mut self, bar: u8, offset: u64, data: &mut [u8]) {
        let done = self.region_read(bar.into(), offset, data);
        done.expect("a read");
    }

    fn write(&mut self, bar: u8, offset: u64, data: &[u8]) {
        let done = self.region_write(bar.into(), offset, data);
        done.expect("a write");
    }
}

impl Host {
    /// Maps all of it for a server.
    pub fn share(&self, client: &Client) {
        let range = DmaRange {
            flags: MapFlags::READ | MapFlags::WRITE,
            iova: IOVA,
            length: BYTES,
            file: Some((self.file.as_fd(), 0)),
        };
        client.dma_map(&range).expect("nothing is mapped");
    }
}

pub fn event() -> OwnedFd {
    eventfd(0, EventfdFlags::CLOEXEC).expect("an event")
}

pub fn events(count: usize) -> Vec<OwnedFd> {
    (0..count).map(|_| event()).collect()
}

pub fn listen(client: &Client, index: u32, start: u32, events: &[OwnedFd]) {
    let fds: Vec<BorrowedFd<'_>> = events.iter().map(AsFd::as_fd).collect();
    let done = client.connect_irqs(index, start, &fds);
    done.expect("the events are taken");
}

/// Waits for an event and takes it.
pub fn wait(event: &OwnedFd) {
    let mut one = [PollFd::new(event, PollFlags::IN)];
    let long = Timespec {
        tv_sec: LONG.as_secs() as i64,
        tv_nsec: 0,
    };
    assert_eq!(poll(&mut one, Some(&long)), Ok(1), "no signal");
    take(event);
}

/// Takes an event if it is there, without waiting.
pub fn take(event: &OwnedFd) -> bool {
    let mut one = [PollFd::new(event, PollFlags::IN)];
    let now = Timespec::default();
    if poll(&mut one, Some(&now)) != Ok(1) {
        return false;
    }
    rustix::io::read(event, &mut [0; 8]).expect("an event");
    true
}

pub fn open_descriptors() -> usize {
    let folder = std::fs::read_dir("/proc/self/fd").expect("it is there");
    folder.count()
}

/// A client with memory, interrupts and an enabled card.
pub fn ready(server: &Served) -> (Client, Host, Vec<OwnedFd>) {
    let client = server.connect();
    let host = Host::new();
    host.share(&client);
    let events = events(4);
    listen(&client, MSIX, 0, &events);
    (&client).enable();
    (client, host, events)
}

/// The memory of a host that is asked for by messages.
pub struct Asked(pub Arc<OwnedFd>);

impl Memory for Asked {
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), Errno> {
        let offset = address.checked_sub(IOVA).ok_or(Errno::FAULT)?;
        match rustix::io::pread(&self.0, &mut *data, offset) {
            Ok(bytes) if bytes == data.len() => Ok(()),
            _ => Err(Errno::FAULT),
        }
    }

    fn write(&self, address: u64, data: &[u8]) -> Result<(), Errno> {
        let offset = address.checked_sub(IOVA).ok_or(Errno::FAULT)?;
        if offset + data.len() as u64 > BYTES {
            return Err(Errno::FAULT);
        }
        match rustix::io::pwrite(&self.0, data, offset) {
            Ok(bytes) if bytes == data.len() => Ok(()),
            _ => Err(Errno::FAULT),
        }
    }
}
