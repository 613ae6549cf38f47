//! The pool against a space that keeps its own books.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;

/// Remembers what is mapped and refuses what an IOMMU would.
#[derive(Default)]
struct Books {
    ranges: Vec<RangeInclusive<u64>>,
    file: bool,
    mapped: Mutex<BTreeMap<u64, u64>>,
    /// Mappings ever made.
    maps: Mutex<usize>,
    broken: AtomicBool,
}

impl Books {
    fn new(ranges: &[RangeInclusive<u64>]) -> Arc<Self> {
        Arc::new(Self {
            ranges: ranges.to_vec(),
            ..Self::default()
        })
    }

    fn mapped(&self) -> u64 {
        self.mapped.lock().expect("no panic").values().sum()
    }

    fn refusal(&self) -> Result<(), TransportError> {
        match self.broken.load(Ordering::Relaxed) {
            true => Err(TransportError::Broken("the books are closed".into())),
            false => Ok(()),
        }
    }
}

impl DmaSpace for Books {
    fn sharing(&self) -> Sharing {
        match self.file {
            true => Sharing::File,
            false => Sharing::Process,
        }
    }

    fn ranges(&self) -> Vec<RangeInclusive<u64>> {
        self.ranges.clone()
    }

    fn map(&self, memory: &Arc<HostMemory>, address: u64) -> Result<(), TransportError> {
        self.refusal()?;
        let (first, last) = (address, address + memory.len() as u64 - 1);
        assert_eq!(first % HUGE_BYTES as u64, 0);
        assert!(self.file || memory.address().is_multiple_of(HUGE_BYTES as u64));
        assert_eq!(memory.file().is_some(), self.file);
        assert!(
            self.ranges
                .iter()
                .any(|range| range.contains(&first) && range.contains(&last))
        );
        assert!(last < *INTERRUPTS.start() || first > *INTERRUPTS.end());
        let mut mapped = self.mapped.lock().expect("no panic");
        let before = mapped.range(..=last).next_back();
        assert!(
            before.is_none_or(|(start, len)| start + len <= first),
            "mapped twice"
        );
        mapped.insert(address, memory.len() as u64);
        *self.maps.lock().expect("no panic") += 1;
        Ok(())
    }

    fn unmap(&self, address: u64, bytes: u64) -> Result<(), TransportError> {
        self.refusal()?;
        let removed = self.mapped.lock().expect("no panic").remove(&address);
        assert_eq!(removed, Some(bytes), "unmapped what was not mapped so");
        Ok(())
    }
}

/// As an x86 IOMMU has them, and a small and ragged one.
const WIDE: [RangeInclusive<u64>; 2] = [0..=0xfedf_ffff, 0xfef0_0000..=(1 << 48) - 1];
const RAGGED: [RangeInclusive<u64>; 3] = [
    0..=0x60_0fff,
    0x10_0000_0000..=0x10_00ff_ffff,
    0x20_0010_0000..=0x20_01ff_ffff,
];

#[derive(Clone, Debug)]
enum Step {
    Allocate(usize),
    Free(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![
        4 => 0usize..20_000,
        1 => 0usize..3 * HUGE_BYTES,
        1 => Just(HUGE_BYTES),
    ];
    let step = prop_oneof![
        3 => size.prop_map(Step::Allocate),
        2 => any::<prop::sample::Index>().prop_map(Step::Free),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn regions_are_apart_mapped_and_zero(ragged: bool, steps in steps()) {
        let books = Books::new(if ragged { &RAGGED } else { &WIDE });
        let pool = Pool::new(books.clone());
        let mut held: Vec<DmaMemory> = Vec::new();
        for step in steps {
            match step {
                Step::Free(index) if !held.is_empty() => {
                    let index = index.index(held.len());
                    held.swap_remove(index);
                }
                Step::Free(_) => {}
                Step::Allocate(bytes) => {
                    let memory = match pool.allocate(bytes) {
                        Ok(memory) => memory,
                        Err(TransportError::Memory { .. }) if ragged => continue,
                        Err(error) => return Err(TestCaseError::fail(error.to_string())),
                    };
                    prop_assert_eq!(memory.len(), bytes.next_multiple_of(4).max(4));
                    prop_assert_eq!(memory.address() % PAGE_BYTES as u64, 0);
                    let (first, end) = (memory.address(), memory.address() + memory.len() as u64);
                    let (start, len) = books.mapped.lock().expect("no panic")
                        .range(..=first).next_back().map(|(start, len)| (*start, *len))
                        .expect("a mapping");
                    prop_assert!(end <= start + len);
                    for other in &held {
                        let begin = other.address();
                        prop_assert!(end <= begin || begin + other.len() as u64 <= first);
                    }
                    for index in 0..memory.len() / 4 {
                        prop_assert_eq!(memory.load(index), 0);
                        memory.store(index, u32::MAX);
                    }
                    held.push(memory);
                }
            }
        }
        held.clear();
        let usage = pool.usage();
        prop_assert_eq!(usage.used, 0);
        prop_assert!(usage.mapped <= KEPT_BYTES);
        prop_assert_eq!(usage.mapped as u64, books.mapped());
        for arena in pool.lock().arenas.values() {
            let whole = [(0, arena.memory.len() as u64)];
            prop_assert!(arena.free.iter().eq(whole), "the free ranges were not joined");
        }
        pool.close().expect("nothing refuses");
        prop_assert_eq!(books.mapped(), 0);
    }
}

#[test]
fn a_thousand_rounds_leave_nothing_behind() {
    let books = Books::new(&WIDE);
    let pool = Pool::new(books.clone());
    let addresses = pool.lock().addresses.clone();
    for round in 0..1000 {
        // Now and then more than stays mapped.
        let large = match round % 50 {
            0 => KEPT_BYTES + HUGE_BYTES,
            _ => HUGE_BYTES / 2 * (1 + round % 3),
        };
        let held: Vec<_> = [100, 70_000, large, 5000]
            .into_iter()
            .map(|bytes| pool.allocate(bytes).expect("memory"))
            .collect();
        assert_eq!(held[2].load(0), 0, "round {round}");
        held[2].store(0, 7);
    }
    assert!(books.mapped() <= KEPT_BYTES as u64);
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux");
    assert!(maps.lines().count() < 2000, "mappings of this process leak");
    {
        let state = pool.lock();
        let mut left = addresses;
        for (address, arena) in &state.arenas {
            left.withdraw(*address..=address + arena.memory.len() as u64 - 1);
        }
        assert_eq!(state.addresses, left, "addresses leak");
    }
    pool.close().expect("nothing refuses");
    assert_eq!(books.mapped(), 0);
}

#[test]
fn small_regions_share_one_mapping() {
    let books = Books::new(&WIDE);
    let pool = Pool::new(books.clone());
    let held: Vec<_> = (0..HUGE_BYTES / PAGE_BYTES)
        .map(|_| pool.allocate(1).expect("memory"))
        .collect();
    assert_eq!(*books.maps.lock().expect("no panic"), 1);
    assert!(held.iter().all(|memory| memory.address() >= PREFERRED));
    let one_more = pool.allocate(1).expect("memory");
    assert_eq!(*books.maps.lock().expect("no panic"), 2);
    drop((held, one_more));
}

#[test]
fn memory_outlives_its_pool_and_is_refused_afterwards() {
    let books = Books::new(&WIDE);
    let pool = Pool::new(books.clone());
    let memory = pool.allocate(64).expect("memory");
    memory.store(3, 9);
    pool.close().expect("nothing refuses");
    assert_eq!(books.mapped(), 0);
    assert_eq!(memory.load(3), 9);
    let refused = pool.allocate(64);
    assert!(matches!(refused, Err(TransportError::Memory { .. })));
    drop(memory);
}

#[test]
fn refusals_cost_no_addresses() {
    // Room for one arena.
    let books = Books::new(&[0x20_0000..=0x3f_ffff]);
    let pool = Pool::new(books.clone());
    books.broken.store(true, Ordering::Relaxed);
    assert!(matches!(pool.allocate(8), Err(TransportError::Broken(_))));
    books.broken.store(false, Ordering::Relaxed);
    let memory = pool.allocate(8).expect("memory");
    assert_eq!(memory.address(), 0x20_0000);
    let text = match pool.allocate(HUGE_BYTES) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("there is no second place"),
    };
    assert!(text.contains("no range of addresses"), "{text}");
    for bytes in [usize::MAX, usize::MAX / 2] {
        assert!(matches!(
            pool.allocate(bytes),
            Err(TransportError::Memory { .. })
        ));
    }
    // An arena that cannot be unmapped stays in use.
    books.broken.store(true, Ordering::Relaxed);
    drop(memory);
    assert_eq!(pool.allocate(8).expect("memory").address(), 0x20_0000);
    assert!(pool.close().is_err());
}

#[test]
fn shared_memory_has_a_sealed_file() {
    let books = Arc::new(Books {
        ranges: WIDE.to_vec(),
        file: true,
        ..Books::default()
    });
    let pool = Pool::new(books);
    let memory = pool.allocate(64).expect("memory");
    memory.store(0, 0x0403_0201);
    let state = pool.lock();
    let arena = state.arenas.values().next().expect("an arena");
    let file = arena.memory.file().expect("a file");
    let mut bytes = [0; 4];
    rustix::io::pread(file, &mut bytes, 0).expect("it can be read");
    assert_eq!(bytes, [1, 2, 3, 4]);
    assert!(rustix::fs::ftruncate(file, 0).is_err(), "it can be cut off");
}
