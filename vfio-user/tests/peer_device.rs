//! Our client and a device that works, behind the server of the crate `vfio_user`, which is not
//! ours: configuration space, registers, memory that the device reaches by itself, interrupts,
//! resets.

mod common;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use common::{BAR0, CONFIG, MSIX, event, memfd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vfio_bindings::bindings::vfio::*;
use vfio_user::{DmaMapFlags, DmaUnmapFlags, IrqInfo, Server, ServerBackend, ServerRegion};
use vfio_user_protocol::client::{Client, DmaRange, Error, Options};
use vfio_user_protocol::{Errno, MapFlags, RegionFlags};

/// What configuration space says that the device is.
const IDENTITY: [u8; 4] = [0x34, 0x12, 0x78, 0x56];
/// Register of configuration space, two bits of which can be written.
const COMMAND: u64 = 4;
const COMMAND_BITS: u8 = 0b110;
/// Registers of the first window: addresses, length and vector of a copy, which writing the
/// fifth does, and what became of it.
const SOURCE: u64 = 0;
const TARGET: u64 = 8;
const LENGTH: u64 = 16;
const VECTOR: u64 = 20;
const GO: u64 = 24;
const STATUS: u64 = 28;
/// Words behind the registers that only hold what is written.
const WORDS: u64 = 0x100;
/// Writes here fail.
const BROKEN: u64 = 0xf00;
const BAR_BYTES: usize = 0x1000;
/// What the status says.
const DONE: u32 = 1;
const FAULT: u32 = 2;
const VECTORS: u32 = 3;

struct Map {
    flags: DmaMapFlags,
    offset: u64,
    bytes: u64,
    file: File,
}

/// A device that copies memory and signals when it has.
struct Copier {
    config: [u8; 256],
    registers: Vec<u8>,
    maps: BTreeMap<u64, Map>,
    events: BTreeMap<u32, File>,
}

impl Copier {
    fn new() -> Self {
        let mut config = [0; 256];
        config[..4].copy_from_slice(&IDENTITY);
        Self {
            config,
            registers: vec![0; BAR_BYTES],
            maps: BTreeMap::new(),
            events: BTreeMap::new(),
        }
    }

    fn word(&self, at: u64) -> u32 {
        let bytes = &self.registers[at as usize..][..4];
        u32::from_le_bytes(bytes.try_into().unwrap())
    }

    fn address(&self, at: u64) -> u64 {
        u64::from(self.word(at + 4)) << 32 | u64::from(self.word(at))
    }

    /// The file behind a range of the client's memory, and where the range begins in it.
    fn find(&self, address: u64, bytes: u64, needs: DmaMapFlags) -> Option<(&File, u64)> {
        let (start, map) = self.maps.range(..=address).next_back()?;
        let inside = address - start;
        let fits = inside.checked_add(bytes)? <= map.bytes && map.flags.contains(needs);
        fits.then_some((&map.file, map.offset + inside))
    }

    fn copy(&self) -> Option<()> {
        let bytes = self.word(LENGTH).into();
        let (from, at) = self.find(self.address(SOURCE), bytes, DmaMapFlags::READ)?;
        let mut data = vec![0; bytes as usize];
        from.read_exact_at(&mut data, at).ok()?;
        let (to, at) = self.find(self.address(TARGET), bytes, DmaMapFlags::WRITE)?;
        to.write_all_at(&data, at).ok()
    }
}

impl ServerBackend for Copier {
    fn region_read(&mut self, region: u32, offset: u64, data: &mut [u8]) -> io::Result<()> {
        let bytes = match region {
            CONFIG => &self.config[..],
            BAR0 => &self.registers,
            _ => return Err(io::Error::other("no such region")),
        };
        data.copy_from_slice(&bytes[offset as usize..][..data.len()]);
        Ok(())
    }

    fn region_write(&mut self, region: u32, offset: u64, data: &[u8]) -> io::Result<()> {
        if region == CONFIG {
            for (at, value) in (offset..).zip(data) {
                if at == COMMAND {
                    self.config[at as usize] = value & COMMAND_BITS;
                }
            }
            return Ok(());
        }
        if offset == BROKEN {
            return Err(io::Error::other("it cannot be written"));
        }
        self.registers[offset as usize..][..data.len()].copy_from_slice(data);
        if offset == GO {
            let status = self.copy().map_or(FAULT, |()| DONE);
            self.registers[STATUS as usize..][..4].copy_from_slice(&status.to_le_bytes());
            if let Some(mut event) = self.events.get(&self.word(VECTOR)) {
                event.write_all(&1_u64.to_ne_bytes())?;
            }
        }
        Ok(())
    }

    fn dma_map(
        &mut self,
        flags: DmaMapFlags,
        offset: u64,
        address: u64,
        bytes: u64,
        file: Option<File>,
    ) -> io::Result<()> {
        let map = Map {
            flags,
            offset,
            bytes,
            file: file.ok_or_else(|| io::Error::other("no file"))?,
        };
        self.maps.insert(address, map);
        Ok(())
    }

    fn dma_unmap(&mut self, _: DmaUnmapFlags, address: u64, bytes: u64) -> io::Result<()> {
        match self.maps.remove(&address) {
            Some(map) if map.bytes == bytes => Ok(()),
            _ => Err(io::Error::other("it is not mapped")),
        }
    }

    fn reset(&mut self) -> io::Result<()> {
        self.registers.fill(0);
        self.config[COMMAND as usize] = 0;
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
        assert_eq!(index, MSIX);
        assert_ne!(flags & VFIO_IRQ_SET_ACTION_TRIGGER, 0);
        if count == 0 {
            self.events.clear();
        }
        for vector in start..start + count {
            self.events.remove(&vector);
        }
        self.events.extend((start..).zip(fds));
        Ok(())
    }
}

/// Their server on a thread, which ends with its one client and gives the device back.
struct Theirs {
    path: PathBuf,
    thread: JoinHandle<Copier>,
    _folder: tempfile::TempDir,
}

impl Theirs {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("theirs.sock");
        let both = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
        let region = |index| {
            let size = match index {
                BAR0 => BAR_BYTES as u64,
                CONFIG => 256,
                _ => 0,
            };
            ServerRegion {
                region_info: vfio_region_info {
                    argsz: 32,
                    flags: if size > 0 { both } else { 0 },
                    index,
                    size,
                    ..Default::default()
                },
                sparse_areas: Vec::new(),
                mmap_fd: None,
            }
        };
        let irq = |index| IrqInfo {
            index,
            flags: VFIO_IRQ_INFO_EVENTFD,
            count: if index == MSIX { VECTORS } else { 0 },
        };
        let (irqs, regions) = ((0..5).map(irq).collect(), (0..9).map(region).collect());
        let server = Server::new(&path, true, irqs, regions).unwrap();
        let thread = thread::spawn(move || {
            let mut device = Copier::new();
            server.run(&mut device).unwrap();
            device
        });
        Self {
            path,
            thread,
            _folder: folder,
        }
    }
}

fn read32(client: &Client, at: u64) -> u32 {
    let mut data = [0; 4];
    client.region_read(BAR0, at, &mut data).unwrap();
    u32::from_le_bytes(data)
}

/// A range of memory of this side, and where the device sees it.
struct Range {
    file: OwnedFd,
    offset: u64,
    iova: u64,
    bytes: u64,
}

impl Range {
    fn new(offset: u64, iova: u64, bytes: u64) -> Self {
        let file = memfd(offset + bytes);
        let text: Vec<u8> = (0..offset + bytes)
            .map(|at| (at ^ at >> 8 ^ iova >> 16) as u8)
            .collect();
        let range = Self {
            file,
            offset,
            iova,
            bytes,
        };
        range.as_file().write_all_at(&text, 0).unwrap();
        range
    }

    fn as_file(&self) -> File {
        File::from(self.file.try_clone().unwrap())
    }

    fn bytes(&self) -> Vec<u8> {
        let mut data = vec![0; self.bytes as usize];
        self.as_file()
            .read_exact_at(&mut data, self.offset)
            .unwrap();
        data
    }

    fn map(&self, client: &Client, flags: MapFlags) {
        let range = DmaRange {
            flags,
            iova: self.iova,
            length: self.bytes,
            file: Some((self.file.as_fd(), self.offset)),
        };
        client.dma_map(&range).unwrap();
    }
}

/// Lets the device copy, and gives the status.
fn copy(client: &Client, source: u64, target: u64, bytes: u32, vector: u32) -> u32 {
    let mut registers = [0; 24];
    registers[..8].copy_from_slice(&source.to_le_bytes());
    registers[8..16].copy_from_slice(&target.to_le_bytes());
    registers[16..20].copy_from_slice(&bytes.to_le_bytes());
    registers[20..].copy_from_slice(&vector.to_le_bytes());
    client.region_write(BAR0, SOURCE, &registers).unwrap();
    // Posted: the read behind it sees what it did.
    client.region_write_posted(BAR0, GO, &[1, 0, 0, 0]).unwrap();
    read32(client, STATUS)
}

/// Which were signalled so far: whoever has the status of a copy has its signal too.
fn heard(events: &[OwnedFd]) -> Vec<bool> {
    let take = |event: &OwnedFd| {
        let mut one = [PollFd::new(event, PollFlags::IN)];
        let is_there = poll(&mut one, Some(&Timespec::default())) == Ok(1);
        is_there && rustix::io::read(event, &mut [0; 8]).is_ok()
    };
    events.iter().map(take).collect()
}

#[test]
fn a_device_behind_their_server_reaches_memory_and_interrupts() {
    let server = Theirs::start();
    let client = Client::connect(&server.path, Options::default()).unwrap();
    let info = client.device_info().unwrap();
    assert!(info.pci && info.resettable);
    let config = client.region_info(CONFIG).unwrap();
    assert_eq!(config.size, 256);
    assert_eq!(config.flags, RegionFlags::READ | RegionFlags::WRITE);
    assert!(config.file.is_none() && config.areas.is_empty());
    let mut identity = [0; 4];
    client.region_read(CONFIG, 0, &mut identity).unwrap();
    assert_eq!(identity, IDENTITY);
    let command = || {
        let mut data = [0];
        client.region_read(CONFIG, COMMAND, &mut data).unwrap();
        data[0]
    };
    client.region_write(CONFIG, COMMAND, &[0xff]).unwrap();
    client.region_write(CONFIG, 0, &[0xff; 4]).unwrap();
    assert_eq!(command(), COMMAND_BITS);
    client.region_read(CONFIG, 0, &mut identity).unwrap();
    assert_eq!(identity, IDENTITY);

    let events: Vec<OwnedFd> = (0..VECTORS).map(|_| event()).collect();
    let fds: Vec<BorrowedFd<'_>> = events.iter().map(AsFd::as_fd).collect();
    client.connect_irqs(MSIX, 0, &fds).unwrap();
    // One that the device may read, in the middle of its file, and one that it may do both with.
    let readable = Range::new(0x3000, 0xffff_ffff_0000, 0x2000);
    let both = Range::new(0, 0x10_0000, 0x8000);
    readable.map(&client, MapFlags::READ);
    both.map(&client, MapFlags::READ | MapFlags::WRITE);
    let (source, mut expected) = (readable.bytes(), both.bytes());
    for (round, bytes) in [1, 7, 64, 4096, 0x2000].into_iter().enumerate() {
        let (from, to) = (0x2000 - bytes, 3 * round + 1);
        let vector = round as u32 % VECTORS;
        let status = copy(
            &client,
            readable.iova + from as u64,
            both.iova + to as u64,
            bytes as u32,
            vector,
        );
        assert_eq!(status, DONE, "{bytes} bytes");
        expected[to..to + bytes].copy_from_slice(&source[from..]);
        assert!(both.bytes() == expected, "{bytes} bytes");
        let only: Vec<bool> = (0..VECTORS).map(|other| other == vector).collect();
        assert_eq!(heard(&events), only);
    }
    // Where the device may not write, and where nothing is mapped any more.
    assert_eq!(copy(&client, both.iova, readable.iova, 8, 0), FAULT);
    assert_eq!(
        copy(&client, readable.iova + 1, both.iova, 0x2000, 0),
        FAULT
    );
    assert!(heard(&events)[0]);
    let unknown = client.dma_unmap(both.iova + 0x1000, 0x1000).unwrap_err();
    assert!(
        matches!(
            unknown,
            Error::Refused {
                errno: Errno(0),
                ..
            }
        ),
        "{unknown}"
    );
    client.dma_unmap(readable.iova, readable.bytes).unwrap();
    assert_eq!(copy(&client, readable.iova, both.iova, 8, 0), FAULT);
    assert!(readable.bytes() == source && both.bytes() == expected);

    // They refuse what wants no answer with an answer.
    for _ in 0..3 {
        client.region_write_posted(BAR0, BROKEN, &[1]).unwrap();
        let refused = client.region_write(BAR0, BROKEN, &[1]).unwrap_err();
        assert!(matches!(refused, Error::Refused { .. }), "{refused}");
    }

    // A reset takes registers, not mappings and vectors.
    client.reset().unwrap();
    assert_eq!((command(), read32(&client, STATUS)), (0, 0));
    heard(&events);
    assert_eq!(copy(&client, both.iova, both.iova + 0x4000, 0x100, 2), DONE);
    expected.copy_within(..0x100, 0x4000);
    assert!(both.bytes() == expected);
    assert_eq!(heard(&events), [false, false, true]);
    client.disable_irqs(MSIX).unwrap();
    assert_eq!(copy(&client, both.iova, both.iova + 0x5000, 0x100, 2), DONE);
    assert_eq!(heard(&events), [false; 3]);

    drop(client);
    let device = server.thread.join().unwrap();
    assert_eq!(device.maps.len(), 1);
    assert!(device.events.is_empty());
}

#[test]
fn many_threads_share_a_connection_to_their_server() {
    let server = Theirs::start();
    let client = Client::connect(&server.path, Options::default()).unwrap();
    thread::scope(|scope| {
        for thread in 0..8 {
            let client = &client;
            scope.spawn(move || {
                let at = WORDS + 4 * thread;
                for round in 0..300_u32 {
                    let value = round << 8 | thread as u32;
                    match round % 2 {
                        0 => client.region_write(BAR0, at, &value.to_le_bytes()),
                        _ => client.region_write_posted(BAR0, at, &value.to_le_bytes()),
                    }
                    .unwrap();
                    assert_eq!(read32(client, at), value);
                }
            });
        }
    });
    drop(client);
    let device = server.thread.join().unwrap();
    for thread in 0..8 {
        assert_eq!(device.word(WORDS + 4 * thread), 299 << 8 | thread as u32);
    }
}
