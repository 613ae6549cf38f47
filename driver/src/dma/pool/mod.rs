//! Memory for cards behind an IOMMU: large pieces, mapped once, cut into regions.
//!
//! A mapping costs a system call and entries of the IOMMU, so memory is mapped in arenas of at
//! least [`HUGE_BYTES`] and regions are cut from them. A region goes back to its arena when the
//! last [`DmaMemory`] that names it is dropped, so what is in flight is never given out again. An
//! arena that is empty stays mapped for the next region, up to [`KEPT_BYTES`] of them.

mod extents;
mod window;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use isa::command::CARD_MEMORY;

use super::host::{HUGE_BYTES, HostMemory, Sharing};
use super::{Backing, DmaMemory};
use crate::transport::TransportError;

use extents::Extents;
pub use window::CardMemory;

/// Regions start at a multiple of this many bytes.
pub const PAGE_BYTES: usize = 4096;
/// Bytes of empty arenas that stay mapped.
pub const KEPT_BYTES: usize = 64 << 20;
/// Arenas lie above 32 bits where the IOMMU allows it, so that a card that drops the upper half of
/// an address meets nothing.
const PREFERRED: u64 = 1 << 32;
/// Where messages of interrupts go; no memory is reached there.
const INTERRUPTS: RangeInclusive<u64> = 0xfee0_0000..=0xfeef_ffff;

/// How memory of the host becomes visible to one card, at addresses that the host chooses.
pub trait DmaSpace: Send + Sync {
    /// Which memory can be mapped.
    fn sharing(&self) -> Sharing;

    /// Addresses at which memory can be mapped.
    fn ranges(&self) -> Vec<RangeInclusive<u64>>;

    /// Makes all of `memory` visible to the card from `address` on, to be read and written.
    ///
    /// # Errors
    /// The kernel, the server or the IOMMU refuses.
    fn map(&self, memory: &Arc<HostMemory>, address: u64) -> Result<(), TransportError>;

    /// Takes back a mapping of `bytes` at `address`. On return the card cannot reach it any more.
    ///
    /// # Errors
    /// The kernel or the server refuses; the card may still reach it.
    fn unmap(&self, address: u64, bytes: u64) -> Result<(), TransportError>;
}

/// The memory of one card. Clones share it.
#[derive(Clone)]
pub struct Pool(Arc<Mutex<State>>);

struct State {
    /// `None` once the pool is closed.
    space: Option<Arc<dyn DmaSpace>>,
    addresses: Extents,
    /// By address.
    arenas: BTreeMap<u64, Arena>,
}

struct Arena {
    memory: Arc<HostMemory>,
    /// Offsets that are free.
    free: Extents,
}

/// What a pool holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Mapped arenas.
    pub arenas: usize,
    /// Bytes of them.
    pub mapped: usize,
    /// Bytes of regions in use, whole pages.
    pub used: usize,
}

impl Pool {
    /// A pool that maps into `space`.
    pub fn new(space: Arc<dyn DmaSpace>) -> Self {
        let mut addresses = Extents::default();
        for range in space.ranges() {
            let (first, last) = (*range.start(), (*range.end()).min(CARD_MEMORY - 1));
            if first <= last {
                // Ranges may touch or overlap; what is there already is withdrawn first.
                addresses.withdraw(first..=last);
                addresses.give(first, last - first + 1);
            }
        }
        // Address 0 is what a forgotten pointer holds.
        addresses.withdraw(0..=PAGE_BYTES as u64 - 1);
        addresses.withdraw(INTERRUPTS);
        Self(Arc::new(Mutex::new(State {
            space: Some(space),
            addresses,
            arenas: BTreeMap::new(),
        })))
    }

    /// A region of zeros of `bytes`, rounded up to a word, that starts at a page; at least a word.
    ///
    /// # Errors
    /// [`TransportError::Memory`] when there is none, and what mapping gives.
    pub fn allocate(&self, bytes: usize) -> Result<DmaMemory, TransportError> {
        let refuse = |why: &str| TransportError::Memory {
            bytes,
            why: why.into(),
        };
        let words = bytes.div_ceil(4).max(1);
        let pages = words
            .checked_mul(4)
            .and_then(|bytes| bytes.checked_next_multiple_of(PAGE_BYTES))
            .ok_or_else(|| refuse("no machine has so much"))?;
        let mut state = self.lock();
        let (address, offset) = match state.cut(pages) {
            Some(place) => place,
            None => {
                state.grow(bytes, pages)?;
                state
                    .cut(pages)
                    .ok_or_else(|| refuse("the arena that was made for it has no room"))?
            }
        };
        let memory = Arc::clone(&state.arenas[&address].memory);
        drop(state);
        let region = Region {
            pool: self.clone(),
            memory,
            address,
            offset,
            pages,
            words,
        };
        // Another region's bytes may stand here.
        for word in region.words() {
            word.store(0, Ordering::Relaxed);
        }
        let address = address + offset as u64;
        Ok(DmaMemory::new(Arc::new(region), address))
    }

    /// Takes every arena from the card; nothing can be allocated any more. Only for a card that
    /// was stopped: it must not be able to touch memory. Regions that are still held stay memory
    /// of this process.
    ///
    /// # Errors
    /// The first refusal; the others are tried all the same.
    pub fn close(&self) -> Result<(), TransportError> {
        let (space, arenas) = {
            let mut state = self.lock();
            (state.space.take(), std::mem::take(&mut state.arenas))
        };
        let mut result = Ok(());
        for (address, arena) in arenas {
            if let Some(space) = &space {
                result = result.and(space.unmap(address, arena.memory.len() as u64));
            }
        }
        result
    }

    /// What the pool holds now.
    pub fn usage(&self) -> Usage {
        let state = self.lock();
        let mut usage = Usage::default();
        for arena in state.arenas.values() {
            let free: u64 = arena.free.iter().map(|(_, len)| len).sum();
            usage.arenas += 1;
            usage.mapped += arena.memory.len();
            usage.used += arena.memory.len() - free as usize;
        }
        usage
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the lists whole: nothing here panics between two changes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Finds `pages` bytes in an arena; returns its address and where in it.
    fn cut(&mut self, pages: usize) -> Option<(u64, usize)> {
        self.arenas.iter_mut().find_map(|(address, arena)| {
            let offset = arena.free.take(pages as u64, PAGE_BYTES as u64)?;
            Some((*address, offset as usize))
        })
    }

    /// Maps another arena in which `pages` bytes have room, for a request of `bytes`.
    fn grow(&mut self, bytes: usize, pages: usize) -> Result<(), TransportError> {
        let refuse = |why: String| TransportError::Memory { bytes, why };
        let Some(space) = self.space.clone() else {
            return Err(refuse("the card was closed".into()));
        };
        let len = pages
            .checked_next_multiple_of(HUGE_BYTES)
            .ok_or_else(|| refuse("no machine has so much".into()))?;
        let memory = HostMemory::new(len, space.sharing())
            .map_err(|error| refuse(format!("the machine gives none: {error}")))?;
        let memory = Arc::new(memory);
        let address = self
            .place(len as u64)
            .ok_or_else(|| refuse("the IOMMU has no range of addresses for it".into()))?;
        if let Err(error) = space.map(&memory, address) {
            self.addresses.give(address, len as u64);
            return Err(error);
        }
        let free = Extents::new(0, len as u64);
        self.arenas.insert(address, Arena { memory, free });
        Ok(())
    }

    /// Addresses for an arena, above 32 bits if there are any.
    fn place(&mut self, len: u64) -> Option<u64> {
        let mut high = self.addresses.clone();
        high.withdraw(0..=PREFERRED - 1);
        let align = HUGE_BYTES as u64;
        match high.take(len, align) {
            Some(address) => {
                self.addresses.withdraw(address..=address + len - 1);
                Some(address)
            }
            None => self.addresses.take(len, align),
        }
    }

    /// Gives a region back to its arena, and the arena back to the machine if it is empty and
    /// enough others are.
    fn free(&mut self, address: u64, offset: usize, pages: usize) {
        let Some(arena) = self.arenas.get_mut(&address) else {
            return;
        };
        arena.free.give(offset as u64, pages as u64);
        let empty = |arena: &Arena| {
            let len = arena.memory.len() as u64;
            arena.free.iter().eq([(0, len)])
        };
        if !empty(arena) {
            return;
        }
        let len = arena.memory.len();
        let kept: usize = self
            .arenas
            .values()
            .filter(|arena| empty(arena))
            .map(|arena| arena.memory.len())
            .sum();
        if kept <= KEPT_BYTES {
            return;
        }
        // Where it cannot be taken from the card it stays, as memory for the next region.
        if let Some(space) = &self.space
            && space.unmap(address, len as u64).is_ok()
        {
            self.arenas.remove(&address);
            self.addresses.give(address, len as u64);
        }
    }
}

/// Part of an arena, given back when dropped.
struct Region {
    pool: Pool,
    memory: Arc<HostMemory>,
    /// Of the arena.
    address: u64,
    offset: usize,
    /// Bytes that were cut.
    pages: usize,
    /// Words that were asked for.
    words: usize,
}

impl Backing for Region {
    fn words(&self) -> &[AtomicU32] {
        &self.memory.words()[self.offset / 4..][..self.words]
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        self.pool.lock().free(self.address, self.offset, self.pages);
    }
}

#[cfg(test)]
mod tests;
