//! A device without behaviour, and a server for it on a thread.

// Not every test uses all of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use vfio_user_protocol::server::{Ended, Options, Server, Session};
use vfio_user_protocol::{
    Area, Description, Device, DmaMap, Errno, Irq, IrqAction, IrqData, IrqFlags, IrqSet, MapFlags,
    Mapping, Memory, Region, RegionFlags,
};

/// Plain bytes behind every region.
pub const CONFIG: u32 = 7;
/// A region of 64 KiB, which can be read and written.
pub const BAR0: u32 = 0;
/// A region of 4 MiB in a file, of which two areas may be mapped.
pub const BAR2: u32 = 2;
/// A region in a file, all of which may be mapped.
pub const BAR4: u32 = 4;
/// The vectors are of this type.
pub const MSIX: u32 = 2;
/// Vectors of [`MSIX`].
pub const VECTORS: u32 = 20;
/// Writing an address here makes the device copy the 64 bytes behind it to those behind them.
pub const COPY: u64 = 0x100;
/// Bytes that one copy takes.
pub const COPY_BYTES: u64 = 64;
/// Writing anything here keeps the device busy until [`Log::release`].
pub const STALL: u64 = 0x200;
/// Writing a vector here signals it.
pub const SIGNAL: u64 = 0x208;
/// Accesses here fail with [`Errno::IO`].
pub const BROKEN: u64 = 0x300;

/// Files behind the regions.
pub const BAR2_BYTES: u64 = 4 << 20;
/// Where [`BAR2`] begins in its file.
pub const BAR2_OFFSET: u64 = 0x3000;

/// What the device went through, for the test to look at.
#[derive(Default)]
pub struct Log {
    pub calls: Vec<String>,
    pub disconnects: usize,
    pub maps: BTreeMap<u64, (u64, MapFlags)>,
    pub vectors: usize,
    pub stalled: bool,
    pub release: bool,
}

/// The device.
pub struct Plain {
    regions: BTreeMap<u32, Vec<u8>>,
    card_memory: Arc<OwnedFd>,
    vectors: BTreeMap<u32, OwnedFd>,
    maps: BTreeMap<u64, DmaMap>,
    client: Option<Arc<dyn Memory>>,
    pub log: Arc<Mutex<Log>>,
}

pub fn locked(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(|held| held.into_inner())
}

pub fn memfd(bytes: u64) -> OwnedFd {
    let file = memfd_create("test", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&file, bytes).unwrap();
    file
}

impl Plain {
    pub fn new() -> Self {
        let sizes = [(BAR0, 64 << 10), (CONFIG, 4096)];
        Self {
            regions: sizes.map(|(index, size)| (index, vec![0; size])).into(),
            card_memory: Arc::new(memfd(BAR2_OFFSET + BAR2_BYTES)),
            vectors: BTreeMap::new(),
            maps: BTreeMap::new(),
            client: None,
            log: Arc::default(),
        }
    }

    fn map_of(&self, address: u64, bytes: u64, needs: MapFlags) -> Result<&DmaMap, Errno> {
        let found = self.maps.range(..=address).next_back();
        let (_, map) = found.ok_or(Errno::FAULT)?;
        let inside = address - map.iova;
        let fits = inside
            .checked_add(bytes)
            .is_some_and(|end| end <= map.length);
        if !fits {
            return Err(Errno::FAULT);
        }
        if !map.flags.contains(needs) {
            return Err(Errno::PERM);
        }
        Ok(map)
    }

    fn dma_read(&self, address: u64, data: &mut [u8]) -> Result<(), Errno> {
        let map = self.map_of(address, data.len() as u64, MapFlags::READ)?;
        match &map.file {
            Some(file) => {
                let file = std::fs::File::from(file.try_clone()?);
                file.read_exact_at(data, map.offset + (address - map.iova))?;
                Ok(())
            }
            None => self.client.as_ref().unwrap().read(address, data),
        }
    }

    fn dma_write(&self, address: u64, data: &[u8]) -> Result<(), Errno> {
        let map = self.map_of(address, data.len() as u64, MapFlags::WRITE)?;
        match &map.file {
            Some(file) => {
                let file = std::fs::File::from(file.try_clone()?);
                file.write_all_at(data, map.offset + (address - map.iova))?;
                Ok(())
            }
            None => self.client.as_ref().unwrap().write(address, data),
        }
    }

    fn file(&self, index: u32) -> Option<std::fs::File> {
        let file = matches!(index, BAR2 | BAR4).then(|| self.card_memory.try_clone().unwrap());
        file.map(std::fs::File::from)
    }

    fn stall(&self) {
        locked(&self.log).stalled = true;
        while !std::mem::take(&mut locked(&self.log).release) {
            std::thread::sleep(Duration::from_millis(1));
        }
        locked(&self.log).stalled = false;
    }
}

impl Device for Plain {
    fn describe(&self) -> Description {
        let both = RegionFlags::READ | RegionFlags::WRITE;
        let page = 4096;
        let region = |index| match index {
            BAR0 => Region {
                size: 64 << 10,
                flags: both,
                ..Region::default()
            },
            BAR2 => Region {
                size: BAR2_BYTES,
                flags: both,
                mapping: Some(Mapping {
                    file: Arc::clone(&self.card_memory),
                    offset: BAR2_OFFSET,
                    areas: vec![
                        Area {
                            offset: 0,
                            size: page,
                        },
                        Area {
                            offset: 4 * page,
                            size: BAR2_BYTES - 4 * page,
                        },
                    ],
                }),
                msix_mappable: true,
            },
            BAR4 => Region {
                size: page,
                flags: RegionFlags::READ,
                mapping: Some(Mapping {
                    file: Arc::clone(&self.card_memory),
                    offset: 0,
                    areas: vec![],
                }),
                msix_mappable: false,
            },
            CONFIG => Region {
                size: page,
                flags: both,
                ..Region::default()
            },
            _ => Region::default(),
        };
        let irq = |index| match index {
            0 => Irq {
                count: 1,
                flags: IrqFlags::EVENTFD | IrqFlags::MASKABLE | IrqFlags::AUTOMASKED,
            },
            MSIX => Irq {
                count: VECTORS,
                flags: IrqFlags::EVENTFD | IrqFlags::NORESIZE,
            },
            _ => Irq::default(),
        };
        Description {
            resettable: true,
            regions: (0..9).map(region).collect(),
            irqs: (0..5).map(irq).collect(),
        }
    }

    fn connected(&mut self, memory: Arc<dyn Memory>) {
        self.client = Some(memory);
    }

    fn region_read(&mut self, index: u32, offset: u64, data: &mut [u8]) -> Result<(), Errno> {
        if let Some(file) = self.file(index) {
            file.read_exact_at(data, offset + if index == BAR2 { BAR2_OFFSET } else { 0 })?;
            return Ok(());
        }
        if index == BAR0 && offset == BROKEN {
            return Err(Errno::IO);
        }
        let at = offset as usize;
        data.copy_from_slice(&self.regions[&index][at..at + data.len()]);
        Ok(())
    }

    fn region_write(&mut self, index: u32, offset: u64, data: &[u8]) -> Result<(), Errno> {
        if let Some(file) = self.file(index) {
            file.write_all_at(data, offset + if index == BAR2 { BAR2_OFFSET } else { 0 })?;
            return Ok(());
        }
        match offset {
            STALL if index == BAR0 => self.stall(),
            BROKEN if index == BAR0 => return Err(Errno::IO),
            SIGNAL if index == BAR0 => {
                if let Some(event) = self.vectors.get(&u32::from(data[0])) {
                    rustix::io::write(event, &1_u64.to_ne_bytes()).map_err(|_| Errno::IO)?;
                }
            }
            COPY if index == BAR0 && data.len() == 8 => {
                let address = u64::from_ne_bytes(data.try_into().unwrap());
                let mut bytes = [0; COPY_BYTES as usize];
                self.dma_read(address, &mut bytes)?;
                self.dma_write(address + COPY_BYTES, &bytes)?;
            }
            _ => {}
        }
        let at = offset as usize;
        self.regions.get_mut(&index).unwrap()[at..at + data.len()].copy_from_slice(data);
        Ok(())
    }

    fn dma_map(&mut self, map: DmaMap) -> Result<(), Errno> {
        locked(&self.log)
            .maps
            .insert(map.iova, (map.length, map.flags));
        self.maps.insert(map.iova, map);
        Ok(())
    }

    fn dma_unmap(&mut self, iova: u64, length: u64) -> Result<(), Errno> {
        let map = self.maps.remove(&iova).expect("a range that is not mapped");
        assert_eq!(map.length, length);
        locked(&self.log).maps.remove(&iova);
        Ok(())
    }

    fn set_irqs(&mut self, set: IrqSet) -> Result<(), Errno> {
        let mut log = locked(&self.log);
        match set.data {
            IrqData::None if set.count == 0 => self.vectors.clear(),
            IrqData::EventFds(fds) if set.action == IrqAction::Trigger => {
                for vector in set.start..set.start + set.count {
                    self.vectors.remove(&vector);
                }
                self.vectors.extend((set.start..).zip(fds));
            }
            data => log.calls.push(format!(
                "{:?} {} {} {} {data:?}",
                set.action, set.index, set.start, set.count
            )),
        }
        log.vectors = self.vectors.len();
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Errno> {
        for bytes in self.regions.values_mut() {
            bytes.fill(0);
        }
        locked(&self.log).calls.push("reset".into());
        Ok(())
    }

    fn disconnected(&mut self) {
        self.maps.clear();
        self.vectors.clear();
        self.client = None;
        let mut log = locked(&self.log);
        log.maps.clear();
        log.vectors = 0;
        log.disconnects += 1;
    }
}

/// A server that serves one client after the other until it is dropped.
pub struct Running {
    pub path: PathBuf,
    pub log: Arc<Mutex<Log>>,
    /// Why each session ended.
    pub ends: Arc<Mutex<Vec<Ended>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Running {
    pub fn new() -> Self {
        Self::with(Options::default())
    }

    pub fn with(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card.sock");
        let server = Server::bind(&path, options).unwrap();
        let mut device = Plain::new();
        let log = Arc::clone(&device.log);
        let (ends, stop) = (Arc::default(), Arc::default());
        let thread = {
            let (ends, stop): (Arc<Mutex<Vec<Ended>>>, Arc<AtomicBool>) =
                (Arc::clone(&ends), Arc::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let wait = Duration::from_millis(5);
                    let Some(mut session) = server.accept(wait).unwrap() else {
                        continue;
                    };
                    match serve(&mut session, &mut device, &stop) {
                        Some(ended) => ends.lock().unwrap().push(ended),
                        None => session.close(&mut device),
                    }
                }
            })
        };
        Self {
            path,
            log,
            ends,
            stop,
            thread: Some(thread),
            _folder: folder,
        }
    }

    /// Waits until this is so, and fails when it never is.
    pub fn until(&self, what: &str, mut holds: impl FnMut(&Log) -> bool) {
        for _ in 0..20_000 {
            if holds(&locked(&self.log)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("never: {what}");
    }

    /// Waits for the end of as many sessions.
    pub fn until_ended(&self, count: usize) -> Ended {
        for _ in 0..20_000 {
            let ends = self.ends.lock().unwrap();
            if ends.len() >= count {
                return ends[count - 1].clone();
            }
            drop(ends);
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("never: {count} sessions over");
    }
}

fn serve(session: &mut Session, device: &mut Plain, stop: &AtomicBool) -> Option<Ended> {
    while !stop.load(Ordering::Relaxed) {
        if let Err(ended) = session.serve(device, Duration::from_millis(5)) {
            return Some(ended);
        }
    }
    None
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        locked(&self.log).release = true;
        if let Some(thread) = self.thread.take() {
            let done = thread.join();
            if !std::thread::panicking() {
                done.unwrap();
            }
        }
    }
}

pub fn event() -> OwnedFd {
    eventfd(0, EventfdFlags::CLOEXEC).unwrap()
}

/// Whether an event descriptor is signalled within a second; takes the signal.
pub fn signalled(event: &OwnedFd) -> bool {
    let mut one = [PollFd::new(event, PollFlags::IN)];
    let second = Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    if poll(&mut one, Some(&second)).unwrap() == 0 {
        return false;
    }
    rustix::io::read(event.as_fd(), &mut [0; 8]).unwrap();
    true
}

/// Descriptors that this process has open.
pub fn open_descriptors() -> usize {
    std::fs::read_dir(Path::new("/proc/self/fd"))
        .unwrap()
        .count()
}
