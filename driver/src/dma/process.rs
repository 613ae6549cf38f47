//! Memory for cards that live in this process.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{Backing, DmaMemory};

/// Address of the first region: nowhere near a pointer, and above 32 bits so that a card that
/// drops the upper half faults at once.
const FIRST: u64 = 0x1_0000_0000;
/// Regions start at a multiple of this many bytes.
const PAGE: u64 = 4096;
/// Bytes between two regions that belong to nobody, so that a stray access faults.
const GUARD: u64 = 64 << 10;

struct Words(Box<[AtomicU32]>);

impl Backing for Words {
    fn words(&self) -> &[AtomicU32] {
        &self.0
    }
}

#[derive(Default)]
struct Map {
    regions: BTreeMap<u64, Weak<Words>>,
    next: u64,
}

/// One access of the card, as a [`Tamper`] sees it.
#[derive(Debug)]
pub enum Access<'a> {
    /// The card reads; the bytes are what it will get.
    Read(u64, &'a mut [u8]),
    /// The card writes; the bytes are what will be written.
    Write(u64, &'a mut [u8]),
}

/// Looks at every access of the card and may change its bytes; `false` makes it a bus error. For
/// tests of what happens when memory or card misbehave.
pub type Tamper = Box<dyn FnMut(Access<'_>) -> bool + Send>;

/// Memory of this process that host and card share. Regions have addresses of their own, far
/// apart; a region ends to exist for the card when the host has dropped it.
pub struct ProcessMemory {
    map: Mutex<Map>,
    tamper: Mutex<Option<Tamper>>,
}

impl Default for ProcessMemory {
    fn default() -> Self {
        let map = Map {
            regions: BTreeMap::new(),
            next: FIRST,
        };
        Self {
            map: Mutex::new(map),
            tamper: Mutex::new(None),
        }
    }
}

impl ProcessMemory {
    /// A new region of zeros, `bytes` rounded up to a word; at least one word.
    pub fn allocate(&self, bytes: usize) -> DmaMemory {
        let words = Arc::new(Words(
            (0..bytes.div_ceil(4).max(1))
                .map(|_| AtomicU32::new(0))
                .collect(),
        ));
        let mut map = self.map.lock().unwrap_or_else(PoisonError::into_inner);
        map.regions.retain(|_, region| region.strong_count() > 0);
        let address = map.next;
        map.next = (address + words.0.len() as u64 * 4 + GUARD).next_multiple_of(PAGE);
        map.regions.insert(address, Arc::downgrade(&words));
        DmaMemory::new(words, address)
    }

    /// Lets `tamper` see every access from now on.
    pub fn set_tamper(&self, tamper: Option<Tamper>) {
        *self.tamper.lock().unwrap_or_else(PoisonError::into_inner) = tamper;
    }

    /// An access of the card: reads `out.len()` bytes. `false`: bus error.
    pub fn card_read(&self, address: u64, out: &mut [u8]) -> bool {
        let Some((memory, offset)) = self.find(address, out.len()) else {
            return false;
        };
        memory.read(offset, out);
        self.passes(Access::Read(address, out))
    }

    /// An access of the card: writes `data`. `false`: bus error.
    pub fn card_write(&self, address: u64, data: &[u8]) -> bool {
        let Some((memory, offset)) = self.find(address, data.len()) else {
            return false;
        };
        let mut data = data.to_vec();
        let passes = self.passes(Access::Write(address, &mut data));
        if passes {
            memory.write(offset, &data);
        }
        passes
    }

    fn passes(&self, access: Access<'_>) -> bool {
        let mut tamper = self.tamper.lock().unwrap_or_else(PoisonError::into_inner);
        tamper.as_mut().is_none_or(|tamper| tamper(access))
    }

    /// The region that holds all of these bytes, and where in it they start.
    fn find(&self, address: u64, len: usize) -> Option<(DmaMemory, usize)> {
        let map = self.map.lock().unwrap_or_else(PoisonError::into_inner);
        let (start, region) = map.regions.range(..=address).next_back()?;
        let memory = DmaMemory::new(region.upgrade()?, *start);
        let offset = usize::try_from(address - start).ok()?;
        (offset.checked_add(len)? <= memory.len()).then_some((memory, offset))
    }
}
