//! The client against the server of this crate, over a device without behaviour.

mod common;

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::*;
use vfio_user_protocol::client::{Client, DmaRange, Error, Options};
use vfio_user_protocol::message::{Command, Select, SetIrqs};
use vfio_user_protocol::server::{BindError, Ended, Options as ServerOptions, Server};
use vfio_user_protocol::{Area, Errno, IrqAction, IrqFlags, MapFlags, Memory, RegionFlags};

fn connect(server: &Running) -> Client {
    Client::connect(&server.path, Options::default()).unwrap()
}

fn refused(result: Result<(), Error>) -> Errno {
    match result {
        Err(Error::Refused { errno, .. }) => errno,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_client_learns_what_the_device_is() {
    let server = Running::new();
    let client = connect(&server);
    let info = client.device_info().unwrap();
    assert!(info.pci && info.resettable);
    assert_eq!((info.regions, info.irqs), (9, 5));

    let both = RegionFlags::READ | RegionFlags::WRITE;
    let bar0 = client.region_info(BAR0).unwrap();
    assert_eq!((bar0.size, bar0.flags), (64 << 10, both));
    assert!(bar0.file.is_none() && bar0.areas.is_empty() && !bar0.msix_mappable);
    assert_eq!(client.region_info(1).unwrap().size, 0);
    let bar2 = client.region_info(BAR2).unwrap();
    assert_eq!(
        bar2.areas,
        [
            Area {
                offset: 0,
                size: 4096
            },
            Area {
                offset: 4 << 12,
                size: BAR2_BYTES - (4 << 12)
            },
        ]
    );
    assert!(bar2.msix_mappable);
    let bar4 = client.region_info(BAR4).unwrap();
    assert_eq!(
        bar4.areas,
        [Area {
            offset: 0,
            size: 4096
        }]
    );
    assert!(bar4.file.is_some());
    for index in [9, 10, u32::MAX] {
        assert!(matches!(
            client.region_info(index),
            Err(Error::Refused {
                errno: Errno::INVAL,
                ..
            })
        ));
    }

    let msix = client.irq_info(MSIX).unwrap();
    assert_eq!(msix.count, VECTORS);
    assert_eq!(msix.flags, IrqFlags::EVENTFD | IrqFlags::NORESIZE);
    assert_eq!(client.irq_info(1).unwrap().count, 0);
    assert!(client.irq_info(5).is_err());
    assert!(client.is_connected());
}

#[test]
fn the_file_of_a_region_is_the_region() {
    let server = Running::new();
    let client = connect(&server);
    let bar2 = client.region_info(BAR2).unwrap();
    let file = std::fs::File::from(bar2.file.unwrap());
    file.write_all_at(b"through the file", bar2.offset + 0x5000)
        .unwrap();
    let mut data = [0; 16];
    client.region_read(BAR2, 0x5000, &mut data).unwrap();
    assert_eq!(&data, b"through the file");
    client.region_write(BAR2, 0, b"by a message").unwrap();
    let mut data = [0; 12];
    file.read_exact_at(&mut data, bar2.offset).unwrap();
    assert_eq!(&data, b"by a message");
}

#[test]
fn regions_hold_what_was_written_at_every_size_and_place() {
    let server = Running::new();
    let client = connect(&server);
    let mut mirror = vec![0_u8; 64 << 10];
    let mut seed = 1_u64;
    for length in (1..70).chain([255, 4095, 4096, 4097, 60000]) {
        seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        let at = 0x1000 + (seed >> 33) as usize % ((60 << 10) - 60000 + 70);
        let data: Vec<u8> = (0..length).map(|i| (i as u64 ^ seed) as u8).collect();
        let at = at.min(mirror.len() - length);
        client.region_write(BAR0, at as u64, &data).unwrap();
        mirror[at..at + length].copy_from_slice(&data);
    }
    let mut all = vec![0; mirror.len()];
    client.region_read(BAR0, 0, &mut all).unwrap();
    assert_eq!(all, mirror);
}

#[test]
fn long_accesses_take_several_messages() {
    let server = Running::with(ServerOptions {
        max_data_xfer_size: 1000,
        ..ServerOptions::default()
    });
    let client = connect(&server);
    assert_eq!(client.capabilities().max_data_xfer_size, 1000);
    let data: Vec<u8> = (0..30_001_u32).map(|i| ((i * 7) >> 3) as u8).collect();
    client.region_write(BAR0, 0x1001, &data).unwrap();
    let mut back = vec![0; data.len()];
    client.region_read(BAR0, 0x1001, &mut back).unwrap();
    assert_eq!(back, data);
}

#[test]
fn the_largest_access_goes_in_one_message() {
    let server = Running::new();
    let client = connect(&server);
    let data: Vec<u8> = (0..(1 << 20) + 5_u32).map(|i| (i >> 5) as u8).collect();
    client.region_write(BAR2, 1, &data).unwrap();
    let mut back = vec![0; data.len()];
    client.region_read(BAR2, 1, &mut back).unwrap();
    assert_eq!(back, data);
}

#[test]
fn accesses_outside_or_against_the_flags_are_refused_and_the_next_one_works() {
    let server = Running::new();
    let client = connect(&server);
    let mut data = [0; 8];
    for (region, offset) in [
        (BAR0, (64 << 10) - 7),
        (BAR0, 64 << 10),
        (BAR0, u64::MAX - 3),
        (1, 0),
        (9, 0),
        (u32::MAX, 0),
    ] {
        let read = client.region_read(region, offset, &mut data);
        assert_eq!(refused(read), Errno::INVAL, "{region} {offset:#x}");
        let write = client.region_write(region, offset, &data);
        assert_eq!(refused(write), Errno::INVAL, "{region} {offset:#x}");
    }
    assert_eq!(refused(client.region_write(BAR4, 0, &data)), Errno::ACCES);
    assert_eq!(refused(client.region_write(BAR0, BROKEN, &data)), Errno::IO);
    client.region_write(BAR0, (64 << 10) - 8, &[9; 8]).unwrap();
    client.region_read(BAR0, (64 << 10) - 8, &mut data).unwrap();
    assert_eq!(data, [9; 8]);
}

#[test]
fn posted_and_gathered_writes_are_done_before_what_follows() {
    let server = Running::new();
    let client = connect(&server);
    for i in 0..2000_u32 {
        client
            .region_write_posted(BAR0, 0x1000, &i.to_ne_bytes())
            .unwrap();
    }
    let mut last = [0; 4];
    client.region_read(BAR0, 0x1000, &mut last).unwrap();
    assert_eq!(u32::from_ne_bytes(last), 1999);
    // An error of a posted write is nobody's.
    client.region_write_posted(BAR0, BROKEN, &[1]).unwrap();

    let bytes: Vec<[u8; 8]> = (0..1000_u64).map(u64::to_ne_bytes).collect();
    let writes: Vec<(u32, u64, &[u8])> = (0..)
        .zip(&bytes)
        .map(|(i, bytes)| (BAR0, 0x2000 + 8 * i, &bytes[..1 + i as usize % 8]))
        .collect();
    assert_eq!(client.region_write_many(&writes).unwrap(), 1000);
    for (region, offset, data) in &writes {
        let mut back = vec![0; data.len()];
        client.region_read(*region, *offset, &mut back).unwrap();
        assert_eq!(back, *data);
    }
    // Up to the first that fails.
    let mixed: [(u32, u64, &[u8]); 3] = [
        (BAR0, 0x1000, &[7]),
        (BAR0, BROKEN, &[1]),
        (BAR0, 0x1001, &[8]),
    ];
    assert_eq!(client.region_write_many(&mixed).unwrap(), 1);
    let mut two = [0; 2];
    client.region_read(BAR0, 0x1000, &mut two).unwrap();
    assert_eq!(two[0], 7);
    assert_ne!(two[1], 8);
    let failed = client.region_write_many(&mixed[1..]);
    assert!(matches!(
        failed,
        Err(Error::Refused {
            errno: Errno::IO,
            ..
        })
    ));
    assert!(matches!(
        client.region_write_many(&[(0, 0, &[0; 9])]),
        Err(Error::Invalid(_))
    ));
}

#[test]
fn interrupts_come_through_the_descriptors_of_their_vectors() {
    let server = Running::new();
    let client = connect(&server);
    let events: Vec<OwnedFd> = (0..VECTORS).map(|_| event()).collect();
    let fds: Vec<_> = events.iter().map(|event| event.as_fd()).collect();
    // More than go into one message.
    client.connect_irqs(MSIX, 0, &fds).unwrap();
    server.until("all vectors", |log| log.vectors == VECTORS as usize);
    for vector in [0, 15, 16, 19_u8] {
        client.region_write(BAR0, SIGNAL, &[vector]).unwrap();
        assert!(signalled(&events[usize::from(vector)]));
    }
    // One is taken away, then all.
    let take = |start, count| SetIrqs {
        index: MSIX,
        action: IrqAction::Trigger,
        start,
        count,
        select: Select::EventFds,
    };
    client.set_irqs(&take(3, 1), &[]).unwrap();
    assert_eq!(locked(&server.log).vectors, VECTORS as usize - 1);
    client.disable_irqs(MSIX).unwrap();
    assert_eq!(locked(&server.log).vectors, 0);

    assert_eq!(
        refused(client.connect_irqs(MSIX, VECTORS, &fds[..1])),
        Errno::INVAL
    );
    assert_eq!(
        refused(client.connect_irqs(MSIX, u32::MAX, &fds[..1])),
        Errno::INVAL
    );
    assert_eq!(refused(client.connect_irqs(1, 0, &fds[..1])), Errno::INVAL);
    assert_eq!(refused(client.connect_irqs(5, 0, &fds[..1])), Errno::INVAL);
    assert_eq!(
        refused(client.set_irqs(&take(0, 2), &fds[..1])),
        Errno::INVAL
    );
    let mask = |index| SetIrqs {
        index,
        action: IrqAction::Mask,
        start: 0,
        count: 1,
        select: Select::These(vec![true]),
    };
    assert_eq!(refused(client.set_irqs(&mask(MSIX), &[])), Errno::NOTTY);
    client.set_irqs(&mask(0), &[]).unwrap();
    assert_eq!(locked(&server.log).calls, ["Mask 0 0 1 Bool([true])"]);
}

/// Memory of the client, which notes how it was asked.
struct Ram {
    base: u64,
    bytes: Mutex<Vec<u8>>,
    asked: Mutex<Vec<(char, u64, usize)>>,
}

impl Ram {
    fn new(base: u64, size: usize) -> Arc<Self> {
        Arc::new(Self {
            base,
            bytes: Mutex::new((0..size).map(|i| i as u8).collect()),
            asked: Mutex::default(),
        })
    }

    fn range(&self, address: u64, bytes: usize) -> Result<std::ops::Range<usize>, Errno> {
        let begin = address.checked_sub(self.base).ok_or(Errno::FAULT)? as usize;
        let end = begin.checked_add(bytes).ok_or(Errno::FAULT)?;
        if end > self.bytes.lock().unwrap().len() {
            return Err(Errno::FAULT);
        }
        Ok(begin..end)
    }
}

impl Memory for Ram {
    fn read(&self, address: u64, data: &mut [u8]) -> Result<(), Errno> {
        self.asked.lock().unwrap().push(('r', address, data.len()));
        let range = self.range(address, data.len())?;
        data.copy_from_slice(&self.bytes.lock().unwrap()[range]);
        Ok(())
    }

    fn write(&self, address: u64, data: &[u8]) -> Result<(), Errno> {
        self.asked.lock().unwrap().push(('w', address, data.len()));
        let range = self.range(address, data.len())?;
        self.bytes.lock().unwrap()[range].copy_from_slice(data);
        Ok(())
    }
}

fn range(iova: u64, length: u64, flags: MapFlags) -> DmaRange<'static> {
    DmaRange {
        flags,
        iova,
        length,
        file: None,
    }
}

fn copy(client: &Client, address: u64) -> Result<(), Error> {
    client.region_write(BAR0, COPY, &address.to_ne_bytes())
}

const BOTH: MapFlags = MapFlags::READ.union(MapFlags::WRITE);

#[test]
fn a_device_reaches_memory_in_a_file_at_its_offset() {
    let server = Running::new();
    let client = connect(&server);
    let file = memfd(0x4000);
    let view = std::fs::File::from(file.try_clone().unwrap());
    let text = [0x5a_u8; COPY_BYTES as usize];
    view.write_all_at(&text, 0x3000).unwrap();
    let map = DmaRange {
        file: Some((file.as_fd(), 0x3000)),
        ..range(0x10_0000, 0x1000, BOTH)
    };
    client.dma_map(&map).unwrap();
    copy(&client, 0x10_0000).unwrap();
    let mut found = [0; COPY_BYTES as usize];
    view.read_exact_at(&mut found, 0x3000 + COPY_BYTES).unwrap();
    assert_eq!(found, text);
    client.dma_unmap(0x10_0000, 0x1000).unwrap();
    assert_eq!(refused(copy(&client, 0x10_0000)), Errno::FAULT);
}

#[test]
fn a_device_reaches_memory_without_a_file_while_a_command_is_under_way() {
    let server = Running::new();
    let base = 0xffff_ffff_ffff_f000;
    let ram = Ram::new(base, 0x1000);
    let client = Client::connect(
        &server.path,
        Options {
            memory: Some(ram.clone()),
            ..Options::default()
        },
    )
    .unwrap();
    client.dma_map(&range(base, 0x1000, BOTH)).unwrap();
    // The write is answered only when the device has read and written this process's memory; and
    // other commands are on their way meanwhile.
    for i in 0..50 {
        for _ in 0..20 {
            client.region_write_posted(BAR0, 0x1000, &[i]).unwrap();
        }
        copy(&client, base + u64::from(i)).unwrap();
    }
    // The very last byte of the address space is one of these.
    let last = 0x1000 - 2 * COPY_BYTES;
    copy(&client, base + last).unwrap();
    let bytes = ram.bytes.lock().unwrap();
    let (from, to) = (last as usize, (last + COPY_BYTES) as usize);
    assert_eq!(bytes[from..to], bytes[to..]);
    drop(bytes);
    let asked = ram.asked.lock().unwrap();
    assert_eq!(asked.iter().filter(|one| one.0 == 'r').count(), 51);
    // One write of nothing tells how the client answers.
    let writes = asked.iter().filter(|one| one.0 == 'w');
    let (nothing, writes): (Vec<_>, Vec<_>) = writes.copied().partition(|one| one.2 == 0);
    assert_eq!((nothing.len(), writes.len()), (1, 51));
}

#[test]
fn large_accesses_to_memory_are_cut_to_what_the_client_takes() {
    use vfio_user_protocol::server::Session;
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let ram = Ram::new(0x4000, 100_000);
    let options = Options {
        memory: Some(ram.clone()),
        max_data_xfer_size: 777,
        ..Options::default()
    };
    let client = std::thread::spawn(move || Client::over(far, options).unwrap());
    let session = Session::over(near, ServerOptions::default()).unwrap();
    let client = client.join().unwrap();
    let memory = session.memory();
    let data: Vec<u8> = (0..90_000_u32).map(|i| (i >> 4) as u8).collect();
    memory.write(0x4001, &data).unwrap();
    let mut back = vec![0; data.len()];
    memory.read(0x4001, &mut back).unwrap();
    assert_eq!(back, data);
    assert!(
        ram.asked
            .lock()
            .unwrap()
            .iter()
            .all(|(_, _, bytes)| *bytes <= 777)
    );
    assert_eq!(
        memory.read(0x4000, &mut vec![0; 100_001]),
        Err(Errno::FAULT)
    );
    assert_eq!(memory.write(0, &[1]), Err(Errno::FAULT));
    assert_eq!(memory.read(u64::MAX, &mut [0; 2]), Err(Errno::FAULT));
    drop(client);
    assert_eq!(memory.read(0x4000, &mut [0; 2]), Err(Errno::PIPE));
}

#[test]
fn mappings_are_kept_apart_and_honour_their_flags() {
    let server = Running::with(ServerOptions {
        max_dma_maps: 3,
        ..ServerOptions::default()
    });
    let ram = Ram::new(0, 0x10000);
    let options = Options {
        memory: Some(ram),
        ..Options::default()
    };
    let client = Client::connect(&server.path, options).unwrap();
    client.dma_map(&range(0x1000, 0x2000, BOTH)).unwrap();
    client
        .dma_map(&range(0x3000, 0x1000, MapFlags::READ))
        .unwrap();
    for (iova, length) in [
        (0x1000, 0x2000),
        (0, 0x2000),
        (0x2000, 0x1000),
        (0, 0x10000),
    ] {
        let again = client.dma_map(&range(iova, length, BOTH));
        assert_eq!(refused(again), Errno::EXIST, "{iova:#x}");
    }
    for (iova, length) in [
        (0x8001, 0x1000),
        (0x8000, 0xfff),
        (0x8000, 0),
        (u64::MAX - 0xfff, 0x2000),
    ] {
        let odd = client.dma_map(&range(iova, length, BOTH));
        assert_eq!(refused(odd), Errno::INVAL, "{iova:#x}");
    }
    copy(&client, 0x1000).unwrap();
    assert_eq!(refused(copy(&client, 0x3000)), Errno::PERM);
    assert_eq!(refused(copy(&client, 0x9000)), Errno::FAULT);
    client
        .dma_map(&range(0x8000, 0x1000, MapFlags::WRITE))
        .unwrap();
    assert_eq!(refused(copy(&client, 0x8000)), Errno::PERM);
    assert_eq!(
        refused(client.dma_map(&range(0xa000, 0x1000, BOTH))),
        Errno::NOSPC
    );

    // Half a mapping cannot go, nothing may go, and one may go with others.
    assert_eq!(refused(client.dma_unmap(0x1000, 0x1000)), Errno::INVAL);
    assert_eq!(refused(client.dma_unmap(0x2000, 0x1000)), Errno::INVAL);
    client.dma_unmap(0x10000, 0x1000).unwrap();
    client.dma_unmap(0, 0x4000).unwrap();
    assert_eq!(locked(&server.log).maps.len(), 1);
    client.dma_unmap_all().unwrap();
    assert_eq!(locked(&server.log).maps.len(), 0);
    client.dma_unmap_all().unwrap();
}

#[test]
fn memory_that_the_client_does_not_have_is_refused() {
    let server = Running::new();
    let client = connect(&server);
    client.dma_map(&range(0x1000, 0x1000, BOTH)).unwrap();
    assert_eq!(refused(copy(&client, 0x1000)), Errno::FAULT);
}

#[test]
fn a_reset_reaches_the_device() {
    let server = Running::new();
    let client = connect(&server);
    client.region_write(BAR0, 0x1000, &[1]).unwrap();
    client.reset().unwrap();
    let mut byte = [9];
    client.region_read(BAR0, 0x1000, &mut byte).unwrap();
    assert_eq!(byte, [0]);
    assert_eq!(locked(&server.log).calls, ["reset"]);
}

#[test]
fn a_second_client_is_told_that_the_device_is_taken() {
    let server = Running::new();
    let first = connect(&server);
    for _ in 0..3 {
        match Client::connect(&server.path, Options::default()) {
            Err(Error::Refused {
                command: Command::Version,
                errno: Errno::BUSY,
            }) => {}
            other => panic!("not told: {other:?}"),
        }
    }
    first.device_info().unwrap();
    drop(first);
    connect(&server).device_info().unwrap();
}

#[test]
fn every_end_of_a_client_is_told_to_the_device_once() {
    let server = Running::new();
    for round in 1..=20 {
        let client = connect(&server);
        client.dma_map(&range(0x1000, 0x1000, BOTH)).unwrap();
        drop(client);
        assert_eq!(server.until_ended(round), Ended::Closed);
        let log = locked(&server.log);
        assert_eq!((log.disconnects, log.maps.len()), (round, 0));
    }
}

#[test]
fn a_client_that_runs_out_of_patience_can_go_on() {
    let server = Running::new();
    let client = Client::connect(
        &server.path,
        Options {
            patience: Duration::from_millis(200),
            ..Options::default()
        },
    )
    .unwrap();
    let late = client.region_write(BAR0, STALL, &[1]);
    assert!(matches!(
        late,
        Err(Error::Timeout {
            command: Command::RegionWrite,
            ..
        })
    ));
    locked(&server.log).release = true;
    // The late answer is not taken for one of these, of which more may be late on a busy machine.
    let mut done = false;
    for i in 0..200_u32 {
        let mut back = [0; 4];
        if client.region_write(BAR0, 0x1000, &i.to_ne_bytes()).is_ok()
            && client.region_read(BAR0, 0x1000, &mut back).is_ok()
        {
            assert_eq!(u32::from_ne_bytes(back), i);
            done = true;
        }
    }
    assert!(done);
}

#[test]
fn threads_share_a_client() {
    let server = Running::new();
    let client = connect(&server);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let client = &client;
            scope.spawn(move || {
                for i in 0..200_u64 {
                    let value = (thread << 32 | i).to_ne_bytes();
                    let mut back = [0; 8];
                    client
                        .region_write(BAR0, 0x1000 + 8 * thread, &value)
                        .unwrap();
                    client
                        .region_read(BAR0, 0x1000 + 8 * thread, &mut back)
                        .unwrap();
                    assert_eq!(back, value);
                }
            });
        }
    });
}

#[test]
fn nobody_holds_up_the_start_of_a_server() {
    use rustix::fs::{FlockOperation, flock};
    use rustix::net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.sock");
    // Somebody has locked the folder for good.
    let held = std::fs::File::open(folder.path()).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    drop(Server::bind(&path, ServerOptions::default()).unwrap());
    // A server lets nobody in, and its queue is full.
    let socket = |flags| socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
    let address = SocketAddrUnix::new(&path).unwrap();
    let listener = socket(SocketFlags::CLOEXEC);
    bind(&listener, &address).unwrap();
    listen(&listener, 0).unwrap();
    let mut waiting = Vec::new();
    loop {
        let one = socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
        match connect(&one, &address) {
            Ok(()) => waiting.push(one),
            Err(error) => {
                assert_eq!(error, rustix::io::Errno::AGAIN);
                break;
            }
        }
    }
    let second = Server::bind(&path, ServerOptions::default());
    assert!(matches!(second, Err(BindError::InUse(_))));
}

#[test]
fn a_socket_file_is_private_and_taken_over_only_when_it_is_stale() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.sock");
    let server = Server::bind(&path, ServerOptions::default()).unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let second = Server::bind(&path, ServerOptions::default());
    assert!(matches!(second, Err(BindError::InUse(_))));
    drop(server);
    assert!(!path.exists());

    // A dead server leaves its file behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let server = Server::bind(&path, ServerOptions::default()).unwrap();
    // A file that is not the server's any more stays.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "mine").unwrap();
    drop(server);
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    let other = Server::bind(&path, ServerOptions::default());
    assert!(matches!(other, Err(BindError::NotASocket(_))));
    let missing = Server::bind(folder.path().join("no/card.sock"), ServerOptions::default());
    assert!(matches!(missing, Err(BindError::System { .. })));
}

#[test]
fn nobody_to_connect_to_is_an_error_that_names_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.sock");
    let error = Client::connect(&path, Options::default()).unwrap_err();
    assert!(error.to_string().contains("card.sock"), "{error}");
}
