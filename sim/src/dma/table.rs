//! The table of mappings.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

use super::backing::Source;
use super::{Backing, DmaFault, Faults, MapError};

/// Bytes up to which the last doubleword of a write becomes visible after the others: whoever
/// waits for it (the phase of a completion) then sees the whole.
const ORDERED_BYTES: usize = 64;

/// What the card may do with a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// The card may read.
    pub read: bool,
    /// The card may write.
    pub write: bool,
}

impl Permissions {
    /// Both.
    pub const READ_WRITE: Self = Self {
        read: true,
        write: true,
    };
}

struct Mapping {
    /// Address of the last byte.
    last: u64,
    permissions: Permissions,
    source: Source,
}

/// Which memory of the host a card may reach, by address.
///
/// Accesses may come from several threads. An unmapping waits until no access is under way.
#[derive(Default)]
pub struct DmaTable {
    /// Mappings by the address of their first byte. They do not overlap.
    mappings: RwLock<BTreeMap<u64, Mapping>>,
    faults: Mutex<Faults>,
    /// Who is told of writes that fail.
    alarm: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl fmt::Debug for DmaTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DmaTable({} mappings)", self.len())
    }
}

impl DmaTable {
    /// A table without mappings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Maps `bytes` bytes from `iova` on.
    ///
    /// # Errors
    /// An empty or endless range, no permission, an overlap with another mapping, or a backing
    /// that cannot serve it. Nothing is mapped then.
    pub fn map(
        &self,
        iova: u64,
        bytes: u64,
        permissions: Permissions,
        backing: Backing,
    ) -> Result<(), MapError> {
        let last = last_byte(iova, bytes)?;
        if !permissions.read && !permissions.write {
            return Err(MapError::Permissions);
        }
        let source = backing.open(bytes, permissions)?;
        let mut mappings = self
            .mappings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if touching(&mappings, iova, last).next().is_some() {
            return Err(MapError::Overlap);
        }
        let mapping = Mapping {
            last,
            permissions,
            source,
        };
        mappings.insert(iova, mapping);
        Ok(())
    }

    /// Undoes all mappings in `bytes` bytes from `iova` on, and returns when no access can use
    /// them any more. Gives the bytes that were mapped.
    ///
    /// # Errors
    /// An empty or endless range, no mapping in it, or one that lies only partly in it. Nothing is
    /// unmapped then.
    pub fn unmap(&self, iova: u64, bytes: u64) -> Result<u64, MapError> {
        let last = last_byte(iova, bytes)?;
        let mut mappings = self
            .mappings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        let mut sum = 0;
        for (&start, mapping) in touching(&mappings, iova, last) {
            if start < iova || mapping.last > last {
                return Err(MapError::Partial);
            }
            found.push(start);
            sum += mapping.last - start + 1;
        }
        if found.is_empty() {
            return Err(MapError::NotMapped);
        }
        for start in found {
            mappings.remove(&start);
        }
        Ok(sum)
    }

    /// Undoes all mappings, and returns when no access can use them any more.
    pub fn unmap_all(&self) {
        let mut mappings = self
            .mappings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        mappings.clear();
    }

    /// Mappings that there are.
    pub fn len(&self) -> usize {
        let mappings = self.mappings.read().unwrap_or_else(PoisonError::into_inner);
        mappings.len()
    }

    /// Whether nothing is mapped.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An access of the card: reads `out.len()` bytes from `iova` on.
    ///
    /// # Errors
    /// Counted, too. `out` is then unspecified.
    pub fn read(&self, iova: u64, out: &mut [u8]) -> Result<(), DmaFault> {
        let done = self.access(
            iova,
            out.len(),
            |allowed| allowed.read,
            |source, at, span| source.read(at, &mut out[span]),
        );
        done.inspect_err(|_| self.count(|faults| faults.reads += 1))
    }

    /// An access of the card: writes `data` from `iova` on. The last doubleword of a short write
    /// becomes visible last.
    ///
    /// # Errors
    /// Counted, too. Nothing is written when a mapping is missing or forbids it; when what is
    /// behind one does not answer, a part may have been.
    pub fn write(&self, iova: u64, data: &[u8]) -> Result<(), DmaFault> {
        let allowed = |allowed: Permissions| allowed.write;
        let done = self.access(iova, data.len(), allowed, |source, at, span| {
            let data = &data[span];
            let (rest, last) = data.split_at(last_doubleword(at, data.len()));
            (rest.is_empty() || source.write(at, rest))
                && source.write(at + rest.len() as u64, last)
        });
        done.inspect_err(|&fault| {
            self.count(|faults| {
                faults.writes += 1;
                faults.last_write = Some(fault);
            });
            if let Some(alarm) = self.alarm.get() {
                alarm();
            }
        })
    }

    /// Has `alarm` called at every write that fails, before [`Self::write`] returns: what the card
    /// writes later, such as the completion of the program whose result was lost, is seen by
    /// nobody before that. Only the first call has an effect; says whether this is it.
    pub fn on_lost_write(&self, alarm: impl Fn() + Send + Sync + 'static) -> bool {
        self.alarm.set(Box::new(alarm)).is_ok()
    }

    /// Accesses that failed so far.
    pub fn faults(&self) -> Faults {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, add: impl FnOnce(&mut Faults)) {
        add(&mut self.faults.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Calls `part` for every mapping that a span touches, after all of them were found to allow
    /// it, with the position in the mapping and the bytes of the span.
    fn access(
        &self,
        iova: u64,
        len: usize,
        allowed: impl Fn(Permissions) -> bool,
        mut part: impl FnMut(&Source, u64, std::ops::Range<usize>) -> bool,
    ) -> Result<(), DmaFault> {
        if len == 0 {
            return Ok(());
        }
        let last = last_byte(iova, len as u64).map_err(|_| DmaFault::Unmapped(iova))?;
        let mappings = self.mappings.read().unwrap_or_else(PoisonError::into_inner);
        let mut next = iova;
        let mut covered = false;
        for (&start, mapping) in touching(&mappings, iova, last) {
            if start > next {
                break;
            }
            if !allowed(mapping.permissions) {
                return Err(DmaFault::Forbidden(next));
            }
            covered = mapping.last >= last;
            next = mapping.last.wrapping_add(1);
        }
        if !covered {
            return Err(DmaFault::Unmapped(next));
        }
        for (&start, mapping) in touching(&mappings, iova, last) {
            let first = start.max(iova);
            let span = (first - iova) as usize..(mapping.last.min(last) - iova) as usize + 1;
            if !part(&mapping.source, first - start, span) {
                return Err(DmaFault::Gone(first));
            }
        }
        Ok(())
    }
}

/// Address of the last of `bytes` bytes from `iova` on.
fn last_byte(iova: u64, bytes: u64) -> Result<u64, MapError> {
    let more = bytes.checked_sub(1).ok_or(MapError::Range)?;
    iova.checked_add(more).ok_or(MapError::Range)
}

/// The mappings that hold any of the addresses, in order.
fn touching(
    mappings: &BTreeMap<u64, Mapping>,
    iova: u64,
    last: u64,
) -> impl Iterator<Item = (&u64, &Mapping)> {
    let first = match mappings.range(..=iova).next_back() {
        Some((&start, mapping)) if mapping.last >= iova => start,
        _ => iova,
    };
    mappings.range(first..=last)
}

/// Where the last doubleword of a write of `len` bytes at `at` starts in it; 0 for a write that
/// needs no order.
fn last_doubleword(at: u64, len: usize) -> usize {
    if len > ORDERED_BYTES {
        return 0;
    }
    let last = at.wrapping_add(len as u64 - 1) & !3;
    last.saturating_sub(at) as usize
}
