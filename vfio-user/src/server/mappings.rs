//! What of the client's memory is mapped.

use std::collections::BTreeMap;

use crate::Errno;
use crate::message::DmaMapRequest;

/// Ranges by their first address, none of which overlap, with their lengths.
#[derive(Debug, Default)]
pub(super) struct Mappings(BTreeMap<u64, u64>);

impl Mappings {
    /// Whether the range may be mapped where pages of `pgsizes` and `limit` ranges are allowed.
    pub fn check(&self, map: &DmaMapRequest, pgsizes: u64, limit: u32) -> Result<(), Errno> {
        let page = 1 << pgsizes.trailing_zeros().min(63);
        if !map.iova.is_multiple_of(page) || !map.length.is_multiple_of(page) {
            return Err(Errno::INVAL);
        }
        if self.0.len() >= limit as usize {
            return Err(Errno::NOSPC);
        }
        let last = map.iova + (map.length - 1);
        // The ranges do not overlap each other: only the last one that begins below can reach in.
        let before = self.0.range(..=last).next_back();
        if before.is_some_and(|(iova, length)| iova + (length - 1) >= map.iova) {
            return Err(Errno::EXIST);
        }
        Ok(())
    }

    /// Notes a range that [`Self::check`] allowed.
    pub fn insert(&mut self, iova: u64, length: u64) {
        self.0.insert(iova, length);
    }

    /// Forgets a range.
    pub fn remove(&mut self, iova: u64) {
        self.0.remove(&iova);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// All ranges.
    pub fn all(&self) -> Vec<(u64, u64)> {
        self.0
            .iter()
            .map(|(iova, length)| (*iova, *length))
            .collect()
    }

    /// The ranges that lie within the given one, which is not empty and ends within 64 bits.
    ///
    /// # Errors
    /// [`Errno::INVAL`] where it would cut one in two.
    pub fn within(&self, iova: u64, length: u64) -> Result<Vec<(u64, u64)>, Errno> {
        let last = iova + (length - 1);
        let mut found = Vec::new();
        for (begin, length) in self.0.range(..=last).rev() {
            let end = begin + (length - 1);
            if end < iova {
                break;
            }
            if *begin < iova || end > last {
                return Err(Errno::INVAL);
            }
            found.push((*begin, *length));
        }
        found.reverse();
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::MapFlags;
    use proptest::prelude::*;

    const PAGE: u64 = 4096;

    fn request(iova: u64, length: u64) -> DmaMapRequest {
        DmaMapRequest {
            flags: MapFlags::READ,
            offset: 0,
            iova,
            length,
        }
    }

    #[test]
    fn the_ends_of_the_address_space_are_mapped_like_the_rest() {
        let mut mappings = Mappings::default();
        for iova in [0, u64::MAX - PAGE + 1] {
            mappings.check(&request(iova, PAGE), PAGE, 10).unwrap();
            mappings.insert(iova, PAGE);
            let again = mappings.check(&request(iova, PAGE), PAGE, 10);
            assert_eq!(again, Err(Errno::EXIST));
        }
        assert_eq!(mappings.within(0, u64::MAX).map(|_| ()), Err(Errno::INVAL));
        assert_eq!(mappings.within(PAGE, PAGE), Ok(vec![]));
    }

    #[test]
    fn a_full_table_and_odd_ranges_are_refused() {
        let mut mappings = Mappings::default();
        mappings.insert(0, PAGE);
        let more = mappings.check(&request(PAGE, PAGE), PAGE, 1);
        assert_eq!(more, Err(Errno::NOSPC));
        for (iova, length) in [(PAGE + 1, PAGE), (PAGE, PAGE - 1), (2, 2)] {
            let odd = mappings.check(&request(iova, length), PAGE, 10);
            assert_eq!(odd, Err(Errno::INVAL), "{iova:#x} {length:#x}");
        }
    }

    proptest! {
        /// Against a table with an entry a page.
        #[test]
        fn ranges_are_those_of_a_table_of_pages(
            steps in prop::collection::vec((any::<bool>(), 0..24_u64, 1..6_u64), 1..40),
        ) {
            let mut mappings = Mappings::default();
            let mut pages = [None; 32];
            for (step, (map, first, count)) in steps.into_iter().enumerate() {
                let range = first as usize..(first + count) as usize;
                let (iova, length) = (first * PAGE, count * PAGE);
                if map {
                    let free = pages[range.clone()].iter().all(Option::is_none);
                    let may = mappings.check(&request(iova, length), PAGE, 1000);
                    prop_assert_eq!(may.is_ok(), free);
                    if free {
                        mappings.insert(iova, length);
                        pages[range].fill(Some(step));
                    }
                } else {
                    let outside = |owner: &usize| pages.iter().enumerate()
                        .any(|(page, other)| *other == Some(*owner) && !range.contains(&page));
                    let cut = pages[range.clone()].iter().flatten().any(outside);
                    match mappings.within(iova, length) {
                        Err(_) => prop_assert!(cut),
                        Ok(found) => {
                            prop_assert!(!cut);
                            let mapped = pages[range.clone()].iter().flatten().count() as u64;
                            let sum: u64 = found.iter().map(|(_, length)| length / PAGE).sum();
                            prop_assert_eq!(sum, mapped);
                            for (iova, _) in found {
                                mappings.remove(iova);
                            }
                            pages[range].fill(None);
                        }
                    }
                }
            }
        }
    }
}
