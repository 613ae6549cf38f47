//! The table of mappings against a list of bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use proptest::prelude::*;
use rustix::fs::{MemfdFlags, Mode, OFlags, ftruncate, memfd_create, open};
use sim::dma::{Backing, DmaFault, DmaTable, HostBytes, MapError, Permissions};
use sim::function::CardMemory;

const READ: Permissions = Permissions {
    read: true,
    write: false,
};
const WRITE: Permissions = Permissions {
    read: false,
    write: true,
};

/// Bytes of this process that remember the pieces in which they were written.
struct Bytes {
    data: Mutex<Vec<u8>>,
    writes: Mutex<Vec<(u64, usize)>>,
}

impl Bytes {
    fn new(len: usize) -> Arc<Self> {
        Arc::new(Self {
            data: Mutex::new(vec![0; len]),
            writes: Mutex::default(),
        })
    }
}

impl HostBytes for Bytes {
    fn read(&self, offset: u64, out: &mut [u8]) -> bool {
        let data = self.data.lock().expect("no panic");
        let span = data.get(offset as usize..offset as usize + out.len());
        span.map(|bytes| out.copy_from_slice(bytes)).is_some()
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> bool {
        self.writes
            .lock()
            .expect("no panic")
            .push((offset, bytes.len()));
        let mut data = self.data.lock().expect("no panic");
        let span = data.get_mut(offset as usize..offset as usize + bytes.len());
        span.map(|out| out.copy_from_slice(bytes)).is_some()
    }
}

fn bytes(len: usize) -> Backing {
    Backing::Bytes(Bytes::new(len), 0)
}

fn file(len: u64) -> Arc<OwnedFd> {
    let file = memfd_create("test", MemfdFlags::CLOEXEC).expect("a file");
    ftruncate(&file, len).expect("a length");
    Arc::new(file)
}

#[test]
fn ranges_that_make_no_sense_are_refused() {
    let table = DmaTable::new();
    let both = Permissions::READ_WRITE;
    let none = Permissions {
        read: false,
        write: false,
    };
    assert_eq!(table.map(0, 0, both, bytes(1)), Err(MapError::Range));
    assert_eq!(table.map(u64::MAX, 2, both, bytes(2)), Err(MapError::Range));
    assert_eq!(table.map(2, u64::MAX, both, bytes(2)), Err(MapError::Range));
    assert_eq!(table.map(0, 1, none, bytes(1)), Err(MapError::Permissions));
    let far = Backing::Bytes(Bytes::new(1), u64::MAX);
    assert_eq!(table.map(0, 1, both, far), Err(MapError::Offset));
    let far = Backing::File(file(1), i64::MAX as u64);
    assert_eq!(table.map(0, 1, both, far), Err(MapError::Offset));
    assert_eq!(table.unmap(0, 0), Err(MapError::Range));
    assert_eq!(table.unmap(u64::MAX, 2), Err(MapError::Range));
    assert_eq!(table.unmap(0, u64::MAX), Err(MapError::NotMapped));
    assert!(table.is_empty());

    // The last byte of all has an address too.
    let last = Bytes::new(16);
    let backing = Backing::Bytes(last, 0);
    assert_eq!(table.map(u64::MAX - 15, 16, both, backing), Ok(()));
    assert_eq!(table.write(u64::MAX, &[7]), Ok(()));
    let mut byte = [0];
    assert_eq!(table.read(u64::MAX, &mut byte), Ok(()));
    assert_eq!(byte, [7]);
    let end = DmaFault::Unmapped(u64::MAX);
    assert_eq!(table.read(u64::MAX, &mut [0; 2]), Err(end));
    assert_eq!(table.unmap(u64::MAX - 15, 16), Ok(16));
}

#[test]
fn files_must_be_regular_and_open_for_what_is_allowed() {
    let table = DmaTable::new();
    let map = |file: OwnedFd, permissions| {
        let backing = Backing::File(Arc::new(file), 0);
        let mapped = table.map(0, 16, permissions, backing);
        table.unmap_all();
        mapped
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("memory");
    File::create(&path)
        .and_then(|mut file| file.write_all(&[1; 16]))
        .expect("a file");
    let open = |flags| open(&path, flags, Mode::empty()).expect("it opens");
    assert_eq!(map(open(OFlags::RDONLY), READ), Ok(()));
    assert_eq!(map(open(OFlags::RDONLY), WRITE), Err(MapError::FileMode));
    assert_eq!(map(open(OFlags::WRONLY), WRITE), Ok(()));
    let both = Permissions::READ_WRITE;
    assert_eq!(map(open(OFlags::WRONLY), both), Err(MapError::FileMode));
    assert_eq!(map(open(OFlags::RDWR), both), Ok(()));
    let append = open(OFlags::RDWR | OFlags::APPEND);
    assert_eq!(map(append, both), Err(MapError::File));
    let (read, write) = std::io::pipe().expect("a pipe");
    assert_eq!(map(read.into(), READ), Err(MapError::File));
    assert_eq!(map(write.into(), WRITE), Err(MapError::File));
    let folder = rustix::fs::open(folder.path(), OFlags::RDONLY, Mode::empty());
    assert_eq!(map(folder.expect("it opens"), READ), Err(MapError::File));
}

#[test]
fn a_file_that_is_too_short_fails_the_access_alone() {
    let table = DmaTable::new();
    let file = file(4096);
    let backing = Backing::File(Arc::clone(&file), 0);
    let mapped = table.map(0x1000, 8192, READ, backing);
    mapped.expect("nobody looks at the length");
    assert_eq!(table.read(0x1ff8, &mut [0; 8]), Ok(()));
    let gone = Err(DmaFault::Gone(0x1ffc));
    assert_eq!(table.read(0x1ffc, &mut [0; 8]), gone);
    ftruncate(&*file, 0).expect("a shorter file");
    assert_eq!(table.read(0x1000, &mut [0; 1]), Err(DmaFault::Gone(0x1000)));
    assert_eq!(table.faults().reads, 2);
}

#[test]
fn the_last_doubleword_of_a_short_write_comes_last() {
    let table = DmaTable::new();
    let memory = Bytes::new(4096);
    let backing = Backing::Bytes(Arc::clone(&memory) as _, 0);
    let mapped = table.map(0x1000, 4096, WRITE, backing);
    mapped.expect("nothing is mapped");
    for (iova, len, expect) in [
        (0x1000, 32, vec![(0, 28), (28, 4)]),
        (0x1000, 4, vec![(0, 4)]),
        (0x1002, 3, vec![(2, 2), (4, 1)]),
        (0x1001, 2, vec![(1, 2)]),
        (0x1000, 64, vec![(0, 60), (60, 4)]),
        (0x1000, 128, vec![(0, 128)]),
    ] {
        memory.writes.lock().expect("no panic").clear();
        table.write(iova, &vec![1; len]).expect("a write");
        let writes = memory.writes.lock().expect("no panic").clone();
        assert_eq!(writes, expect, "{len} bytes at {iova:#x}");
    }
}

/// Whoever unmaps waits for the access that is under way, and no other comes after.
#[test]
fn an_unmapping_waits_for_the_access_that_is_under_way() {
    struct Slow {
        inside: AtomicBool,
        go: AtomicBool,
    }
    impl HostBytes for Slow {
        fn read(&self, _: u64, _: &mut [u8]) -> bool {
            self.inside.store(true, Ordering::SeqCst);
            while !self.go.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            self.inside.store(false, Ordering::SeqCst);
            true
        }

        fn write(&self, _: u64, _: &[u8]) -> bool {
            false
        }
    }
    for all in [false, true] {
        let table = Arc::new(DmaTable::new());
        let slow = Arc::new(Slow {
            inside: AtomicBool::new(false),
            go: AtomicBool::new(false),
        });
        let backing = Backing::Bytes(Arc::clone(&slow) as _, 0);
        table.map(0, 16, READ, backing).expect("nothing is mapped");
        let reader = {
            let table = Arc::clone(&table);
            thread::spawn(move || table.read(0, &mut [0; 4]))
        };
        while !slow.inside.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        let unmapper = {
            let (table, slow) = (Arc::clone(&table), Arc::clone(&slow));
            thread::spawn(move || {
                match all {
                    true => table.unmap_all(),
                    false => assert_eq!(table.unmap(0, 16), Ok(16)),
                }
                slow.inside.load(Ordering::SeqCst)
            })
        };
        for _ in 0..1000 {
            thread::yield_now();
        }
        slow.go.store(true, Ordering::SeqCst);
        assert_eq!(reader.join().expect("no panic"), Ok(()));
        assert!(!unmapper.join().expect("no panic"), "it came back early");
        assert_eq!(table.read(0, &mut [0]), Err(DmaFault::Unmapped(0)));
    }
}

#[test]
fn card_memory_is_what_its_file_holds_and_cannot_be_shortened() {
    let memory = CardMemory::new(1).expect("room");
    assert_eq!(memory.len(), 1 << 20);
    assert!(ftruncate(memory.file(), 4096).is_err());
    assert!(ftruncate(memory.file(), 2 << 20).is_err());
    assert!(CardMemory::new(0).is_err());
    // Every length and alignment, against the file.
    for start in 0..9u64 {
        for len in 0..40usize {
            let data: Vec<u8> = (0..len)
                .map(|i| ((i as u64 * 7 + start) % 255) as u8 + 1)
                .collect();
            let base = 4096 - 16 + start;
            rustix::io::pwrite(memory.file(), &[0; 64], 4096 - 16).expect("a write");
            assert!(memory.write(base, &data));
            let mut seen = [0xff; 64];
            rustix::io::pread(memory.file(), &mut seen, 4096 - 16).expect("a read");
            let mut expect = [0; 64];
            expect[start as usize..start as usize + len].copy_from_slice(&data);
            assert_eq!(seen, expect);
            let mut out = vec![0; len];
            assert!(memory.read(base, &mut out));
            assert_eq!(out, data);
        }
    }
    let end = 1 << 20;
    assert!(memory.read(end - 1, &mut [0]) && memory.read(end, &mut []));
    for (offset, len) in [(end - 1, 2), (end, 1), (u64::MAX, 1), (u64::MAX - 3, 8)] {
        assert!(!memory.read(offset, &mut vec![0; len]));
        assert!(!memory.write(offset, &vec![0; len]));
    }
}

/// A step of the comparison. Addresses are small, so that ranges meet.
#[derive(Clone, Debug)]
enum Step {
    Map(u64, u64, bool, bool, bool),
    Unmap(u64, u64),
    Read(u64, usize),
    Write(u64, Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let place = || (0u64..200, 1u64..60);
    prop_oneof![
        (place(), any::<[bool; 3]>()).prop_map(|((iova, bytes), [read, write, file])| Step::Map(
            iova, bytes, read, write, file
        )),
        place().prop_map(|(iova, bytes)| Step::Unmap(iova, bytes)),
        (0u64..220, 0usize..80).prop_map(|(iova, len)| Step::Read(iova, len)),
        (0u64..220, prop::collection::vec(any::<u8>(), 0..80))
            .prop_map(|(iova, data)| Step::Write(iova, data)),
    ]
}

proptest! {
    /// Every address is looked at by itself here.
    #[test]
    fn the_table_agrees_with_a_list_of_bytes(steps in prop::collection::vec(step(), 1..60)) {
        #[derive(Clone, Copy)]
        struct Byte {
            value: u8,
            read: bool,
            write: bool,
            first: u64,
        }
        let table = DmaTable::new();
        let mut model: BTreeMap<u64, Byte> = BTreeMap::new();
        let mut lengths: BTreeMap<u64, u64> = BTreeMap::new();
        let mut failed = (0, 0);
        for step in steps {
            match step {
                Step::Map(iova, bytes, read, write, in_file) => {
                    // The part does not begin where its backing does.
                    let backing = match in_file {
                        true => Backing::File(file(bytes + 3), 3),
                        false => Backing::Bytes(Bytes::new(bytes as usize + 5), 5),
                    };
                    let mapped = table.map(iova, bytes, Permissions { read, write }, backing);
                    if !read && !write {
                        prop_assert_eq!(mapped, Err(MapError::Permissions));
                    } else if (iova..iova + bytes).any(|at| model.contains_key(&at)) {
                        prop_assert_eq!(mapped, Err(MapError::Overlap));
                    } else {
                        prop_assert_eq!(mapped, Ok(()));
                        for at in iova..iova + bytes {
                            model.insert(at, Byte { value: 0, read, write, first: iova });
                        }
                        lengths.insert(iova, bytes);
                    }
                }
                Step::Unmap(iova, bytes) => {
                    let end = iova + bytes;
                    let hit: std::collections::BTreeSet<u64> =
                        (iova..end).filter_map(|at| model.get(&at)).map(|it| it.first).collect();
                    let whole = hit.iter().all(|&it| it >= iova && it + lengths[&it] <= end);
                    let unmapped = table.unmap(iova, bytes);
                    if hit.is_empty() {
                        prop_assert_eq!(unmapped, Err(MapError::NotMapped));
                    } else if !whole {
                        prop_assert_eq!(unmapped, Err(MapError::Partial));
                    } else {
                        let sum = hit.iter().map(|it| lengths[it]).sum();
                        prop_assert_eq!(unmapped, Ok(sum));
                        model.retain(|_, byte| !hit.contains(&byte.first));
                        lengths.retain(|it, _| !hit.contains(it));
                    }
                }
                Step::Read(iova, len) => {
                    let mut out = vec![0xa5; len];
                    let done = table.read(iova, &mut out);
                    let bytes: Option<Vec<u8>> = (iova..iova + len as u64)
                        .map(|at| model.get(&at).filter(|it| it.read).map(|it| it.value))
                        .collect();
                    prop_assert_eq!(done.is_ok(), bytes.is_some());
                    match bytes {
                        Some(bytes) => prop_assert_eq!(out, bytes),
                        None => failed.0 += 1,
                    }
                }
                Step::Write(iova, data) => {
                    let done = table.write(iova, &data);
                    let range = iova..iova + data.len() as u64;
                    let allowed = range.clone().all(|at| model.get(&at).is_some_and(|it| it.write));
                    prop_assert_eq!(done.is_ok(), allowed);
                    if allowed {
                        for (at, value) in range.zip(data) {
                            model.get_mut(&at).expect("it is there").value = value;
                        }
                    } else {
                        failed.1 += 1;
                        prop_assert_eq!(table.faults().last_write, done.err());
                    }
                }
            }
            prop_assert_eq!(table.len(), lengths.len());
        }
        prop_assert_eq!((table.faults().reads, table.faults().writes), failed);
    }
}
