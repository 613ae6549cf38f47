//! Both ends against those of the `vfio_user` crate, which is not ours.

mod common;

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::*;
use vfio_bindings::bindings::vfio::*;
use vfio_user::{DmaMapFlags, DmaUnmapFlags, IrqInfo, ServerBackend, ServerRegion, SparseArea};
use vfio_user_protocol::client::{Client, DmaRange, Error, Options};
use vfio_user_protocol::message::{Command, Select, SetIrqs};
use vfio_user_protocol::server::Ended;
use vfio_user_protocol::{Area, Errno, IrqAction, MapFlags, RegionFlags};

#[test]
fn their_client_drives_our_server() {
    let server = Running::new();
    let mut client = vfio_user::Client::new(&server.path).unwrap();
    // This client asks for each region with and without room for the capabilities.
    let bar2 = client.region(BAR2).unwrap();
    assert_eq!(bar2.size, BAR2_BYTES);
    assert_eq!(
        bar2.flags & VFIO_REGION_INFO_FLAG_MMAP,
        VFIO_REGION_INFO_FLAG_MMAP
    );
    let areas: Vec<_> = bar2
        .sparse_areas
        .iter()
        .map(|area| (area.offset, area.size))
        .collect();
    assert_eq!(areas, [(0, 4096), (4 << 12, BAR2_BYTES - (4 << 12))]);
    let file = bar2.file_offset.as_ref().unwrap();
    assert_eq!(file.start(), BAR2_OFFSET);
    file.file()
        .write_all_at(b"mapped", BAR2_OFFSET + 0x8000)
        .unwrap();
    let mut six = [0; 6];
    client.region_read(BAR2, 0x8000, &mut six).unwrap();
    assert_eq!(&six, b"mapped");
    assert!(client.region(BAR4).unwrap().file_offset.is_some());
    assert!(client.region(BAR0).unwrap().file_offset.is_none());
    assert_eq!(client.region(CONFIG).unwrap().size, 4096);
    // Its `resettable` is the wrong way round.
    assert!(!client.resettable());

    let data: Vec<u8> = (0..5000_u32).map(|i| i as u8).collect();
    client.region_write(BAR0, 0x1003, &data).unwrap();
    let mut back = vec![0; data.len()];
    client.region_read(BAR0, 0x1003, &mut back).unwrap();
    assert_eq!(back, data);

    let msix = client.get_irq_info(MSIX).unwrap();
    assert_eq!(
        (msix.count, msix.flags),
        (VECTORS, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE)
    );
    let events = [event(), event(), event()];
    let fds: Vec<_> = events.iter().map(AsRawFd::as_raw_fd).collect();
    let eventfd = VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_EVENTFD;
    client.set_irqs(MSIX, eventfd, 2, 3, &fds).unwrap();
    client.region_write(BAR0, SIGNAL, &[3]).unwrap();
    assert!(signalled(&events[1]));
    client.set_irqs(MSIX, eventfd, 2, 1, &[]).unwrap();
    assert_eq!(locked(&server.log).vectors, 2);
    let none = VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_NONE;
    client.set_irqs(MSIX, none, 0, 0, &[]).unwrap();
    assert_eq!(locked(&server.log).vectors, 0);

    let memory = File::from(memfd(0x4000));
    memory
        .write_all_at(&[0x77; COPY_BYTES as usize], 0x2000)
        .unwrap();
    client
        .dma_map(0x2000, 0x5_0000, 0x1000, memory.as_raw_fd())
        .unwrap();
    client
        .region_write(BAR0, COPY, &0x5_0000_u64.to_ne_bytes())
        .unwrap();
    let mut copied = [0; COPY_BYTES as usize];
    memory
        .read_exact_at(&mut copied, 0x2000 + COPY_BYTES)
        .unwrap();
    assert_eq!(copied, [0x77; COPY_BYTES as usize]);
    client.dma_unmap(0x5_0000, 0x1000).unwrap();
    assert_eq!(locked(&server.log).maps.len(), 0);

    client.reset().unwrap();
    client.region_read(BAR0, 0x1003, &mut back).unwrap();
    assert_eq!(back, vec![0; data.len()]);
    client.shutdown().unwrap();
    drop(client);
    assert_eq!(server.until_ended(1), Ended::Closed);
}

#[test]
fn their_clients_come_one_after_the_other() {
    let server = Running::new();
    for round in 1..=50 {
        let mut client = vfio_user::Client::new(&server.path).unwrap();
        client.region_write(BAR0, 0x1000, &[round as u8]).unwrap();
        drop(client);
    }
    server.until("fifty ends", |log| log.disconnects == 50);
}

/// What their server was asked to do.
#[derive(Default)]
struct Seen {
    maps: Vec<(DmaMapFlags, u64, u64, u64, bool)>,
    unmaps: Vec<(u64, u64)>,
    irqs: Vec<(u32, u32, u32, u32, usize)>,
    resets: usize,
}

struct Backend {
    bytes: Vec<u8>,
    seen: Arc<Mutex<Seen>>,
}

impl ServerBackend for Backend {
    fn region_read(&mut self, region: u32, offset: u64, data: &mut [u8]) -> std::io::Result<()> {
        if region != BAR0 {
            return Err(std::io::Error::other("not there"));
        }
        data.copy_from_slice(&self.bytes[offset as usize..][..data.len()]);
        Ok(())
    }

    fn region_write(&mut self, _region: u32, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.bytes[offset as usize..][..data.len()].copy_from_slice(data);
        Ok(())
    }

    fn dma_map(
        &mut self,
        flags: DmaMapFlags,
        offset: u64,
        address: u64,
        size: u64,
        fd: Option<File>,
    ) -> std::io::Result<()> {
        let map = (flags, offset, address, size, fd.is_some());
        self.seen.lock().unwrap().maps.push(map);
        Ok(())
    }

    fn dma_unmap(&mut self, _: DmaUnmapFlags, address: u64, size: u64) -> std::io::Result<()> {
        self.seen.lock().unwrap().unmaps.push((address, size));
        Ok(())
    }

    fn reset(&mut self) -> std::io::Result<()> {
        self.seen.lock().unwrap().resets += 1;
        Ok(())
    }

    fn set_irqs(
        &mut self,
        index: u32,
        flags: u32,
        start: u32,
        count: u32,
        fds: Vec<File>,
    ) -> std::io::Result<()> {
        let set = (index, flags, start, count, fds.len());
        self.seen.lock().unwrap().irqs.push(set);
        for mut fd in fds {
            std::io::Write::write_all(&mut fd, &1_u64.to_ne_bytes())?;
        }
        Ok(())
    }
}

#[test]
fn our_client_drives_their_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.sock");
    let file: OwnedFd = memfd(0x9000);
    let rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
    let region = |index: u32| {
        let (size, flags) = match index {
            BAR0 => (0x10000, rw),
            BAR2 => (0x6000, rw | VFIO_REGION_INFO_FLAG_MMAP),
            _ => (0, 0),
        };
        let area = |offset, size| SparseArea {
            area: vfio_region_sparse_mmap_area { offset, size },
        };
        ServerRegion {
            region_info: vfio_region_info {
                argsz: 32,
                flags,
                index,
                cap_offset: 0,
                size,
                offset: if index == BAR2 { 0x3000 } else { 0 },
            },
            // So many that the first answer has no room for them.
            sparse_areas: if index == BAR2 {
                (0..100).map(|i| area(i * 16, 16)).collect()
            } else {
                vec![]
            },
            mmap_fd: (index == BAR2).then_some(file.as_raw_fd()),
        }
    };
    let irqs = [0, 0, 4, 0, 0]
        .into_iter()
        .zip(0..)
        .map(|(count, index)| IrqInfo {
            index,
            flags: VFIO_IRQ_INFO_EVENTFD,
            count,
        });
    let regions = (0..9).map(region).collect();
    let server = vfio_user::Server::new(&path, true, irqs.collect(), regions).unwrap();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let mut backend = Backend {
        bytes: vec![0; 0x10000],
        seen: Arc::clone(&seen),
    };
    let thread = std::thread::spawn(move || server.run(&mut backend).unwrap());

    let options = Options {
        patience: Duration::from_secs(20),
        ..Options::default()
    };
    let client = Client::connect(&path, options).unwrap();
    let info = client.device_info().unwrap();
    assert!(info.pci && info.resettable);
    assert_eq!((info.regions, info.irqs), (9, 5));
    let bar0 = client.region_info(BAR0).unwrap();
    assert_eq!(
        (bar0.size, bar0.flags),
        (0x10000, RegionFlags::READ | RegionFlags::WRITE)
    );
    let bar2 = client.region_info(BAR2).unwrap();
    let areas: Vec<Area> = (0..100)
        .map(|i| Area {
            offset: i * 16,
            size: 16,
        })
        .collect();
    assert_eq!((bar2.offset, bar2.areas), (0x3000, areas));
    let view = File::from(bar2.file.unwrap());
    view.write_all_at(b"same", 0x3000).unwrap();
    let mut four = [0; 4];
    File::from(file.try_clone().unwrap())
        .read_exact_at(&mut four, 0x3000)
        .unwrap();
    assert_eq!(&four, b"same");

    let data: Vec<u8> = (0..0x8000_u32).map(|i| (i >> 2) as u8).collect();
    client.region_write(BAR0, 0x100, &data).unwrap();
    let mut back = vec![0; data.len()];
    client.region_read(BAR0, 0x100, &mut back).unwrap();
    assert_eq!(back, data);
    // It does not know how to gather writes, so they go one by one.
    assert!(!client.capabilities().write_multiple);
    let writes: [(u32, u64, &[u8]); 2] = [(BAR0, 8, &[1, 2, 3]), (BAR0, 11, &[4])];
    assert_eq!(client.region_write_many(&writes).unwrap(), 2);
    client.region_write_posted(BAR0, 12, &[5]).unwrap();
    let mut five = [0; 5];
    client.region_read(BAR0, 8, &mut five).unwrap();
    assert_eq!(five, [1, 2, 3, 4, 5]);
    // Its refusals have no number.
    let error = client.region_read(BAR2, 0, &mut five).unwrap_err();
    assert!(matches!(
        error,
        Error::Refused {
            command: Command::RegionRead,
            errno: Errno(0)
        }
    ));
    assert!(error.to_string().contains("without a number"), "{error}");
    let error = client.region_read(9, 0, &mut five).unwrap_err();
    assert!(matches!(
        error,
        Error::Refused {
            errno: Errno::INVAL,
            ..
        }
    ));

    assert_eq!(client.irq_info(MSIX).unwrap().count, 4);
    let events = [event(), event()];
    // It says that it takes one descriptor a message, so two messages go out.
    let fds: Vec<_> = events.iter().map(|event| event.as_fd()).collect();
    client.connect_irqs(MSIX, 1, &fds).unwrap();
    assert!(signalled(&events[0]) && signalled(&events[1]));
    let take = SetIrqs {
        index: MSIX,
        action: IrqAction::Trigger,
        start: 1,
        count: 1,
        select: Select::EventFds,
    };
    client.set_irqs(&take, &[]).unwrap();
    client.disable_irqs(MSIX).unwrap();

    let memory = memfd(0x4000);
    let map = DmaRange {
        flags: MapFlags::READ,
        iova: 0x10_0000,
        length: 0x2000,
        file: Some((memory.as_fd(), 0x1000)),
    };
    client.dma_map(&map).unwrap();
    client
        .dma_map(&DmaRange {
            iova: 0x20_0000,
            file: None,
            ..map
        })
        .unwrap();
    client.dma_unmap(0x10_0000, 0x2000).unwrap();
    client.reset().unwrap();
    drop(client);
    thread.join().unwrap();

    let seen = seen.lock().unwrap();
    let (event, none) = (VFIO_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_NONE);
    let trigger = VFIO_IRQ_SET_ACTION_TRIGGER;
    assert_eq!(
        seen.irqs,
        [
            (MSIX, trigger | event, 1, 1, 1),
            (MSIX, trigger | event, 2, 1, 1),
            (MSIX, trigger | event, 1, 1, 0),
            (MSIX, trigger | none, 0, 0, 0),
        ]
    );
    assert_eq!(
        seen.maps,
        [
            (DmaMapFlags::READ, 0x1000, 0x10_0000, 0x2000, true),
            (DmaMapFlags::READ, 0, 0x20_0000, 0x2000, false),
        ]
    );
    assert_eq!(seen.unmaps, [(0x10_0000, 0x2000)]);
    assert_eq!(seen.resets, 1);
}
