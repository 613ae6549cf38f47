//! Free ranges of numbers: first fit, joined when they touch.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// What is free of a range of addresses or offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extents {
    /// Length by start; no two touch.
    free: BTreeMap<u64, u64>,
}

impl Extents {
    /// Everything from `start` on for `len` is free.
    pub(crate) fn new(start: u64, len: u64) -> Self {
        let mut extents = Self::default();
        extents.give(start, len);
        extents
    }

    /// Takes the first `len` numbers, at least one, that start at a multiple of `align`, a power of
    /// two.
    pub(crate) fn take(&mut self, len: u64, align: u64) -> Option<u64> {
        let (start, hole, begin) = self.free.iter().find_map(|(start, hole)| {
            let begin = start.checked_next_multiple_of(align)?;
            let fits = (begin - start).checked_add(len)? <= *hole;
            fits.then_some((*start, *hole, begin))
        })?;
        self.free.remove(&start);
        let before = begin - start;
        self.put(start, before);
        self.put(begin + len, hole - before - len);
        Some(begin)
    }

    /// Makes numbers free that are not.
    pub(crate) fn give(&mut self, start: u64, len: u64) {
        let (mut start, mut len) = (start, len);
        if let Some((next, more)) = self.free.range(start..).next().map(|(k, v)| (*k, *v)) {
            debug_assert!(len <= next - start, "freed twice");
            if next - start == len {
                self.free.remove(&next);
                len += more;
            }
        }
        if let Some((before, more)) = self.free.range(..start).next_back().map(|(k, v)| (*k, *v)) {
            debug_assert!(more <= start - before, "freed twice");
            if start - before == more {
                self.free.remove(&before);
                (start, len) = (before, len + more);
            }
        }
        self.put(start, len);
    }

    /// Withdraws a range, free or not.
    pub(crate) fn withdraw(&mut self, range: RangeInclusive<u64>) {
        let (first, last) = range.into_inner();
        let touched: Vec<_> = self
            .free
            .range(..=last)
            .map(|(start, len)| (*start, *len))
            .filter(|(start, len)| start + (len - 1) >= first)
            .collect();
        for (start, len) in touched {
            self.free.remove(&start);
            self.put(start, first.saturating_sub(start));
            let end = start + (len - 1);
            self.put(last.saturating_add(1), end.saturating_sub(last));
        }
    }

    /// The free ranges: start and length.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.free.iter().map(|(start, len)| (*start, *len))
    }

    fn put(&mut self, start: u64, len: u64) {
        if len > 0 {
            self.free.insert(start, len);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a map of single numbers.
        #[test]
        fn taken_ranges_are_apart_and_come_back_whole(
            steps in proptest::collection::vec((1u64..40, 0u32..5, any::<prop::sample::Index>(), any::<bool>()), 1..200),
            holes in proptest::collection::vec((0u64..256, 0u64..20), 0..4),
        ) {
            let mut extents = Extents::new(0, 256);
            let mut free = [true; 256];
            for (first, more) in holes {
                extents.withdraw(first..=first + more);
                free.iter_mut().skip(first as usize).take(more as usize + 1).for_each(|free| *free = false);
            }
            let begin = extents.clone();
            let mut taken: Vec<(u64, u64)> = Vec::new();
            for (len, align, index, give) in steps {
                if give && !taken.is_empty() {
                    let (start, len) = taken.swap_remove(index.index(taken.len()));
                    extents.give(start, len);
                    free[start as usize..][..len as usize].fill(true);
                    continue;
                }
                let align = 1 << align;
                let fits = (0..=256 - len).step_by(align as usize)
                    .find(|start| free[*start as usize..][..len as usize].iter().all(|free| *free));
                prop_assert_eq!(extents.take(len, align), fits);
                if let Some(start) = fits {
                    free[start as usize..][..len as usize].fill(false);
                    taken.push((start, len));
                }
            }
            for (start, len) in taken {
                extents.give(start, len);
            }
            prop_assert_eq!(extents, begin);
        }
    }

    #[test]
    fn the_ends_of_the_numbers_are_no_trap() {
        let mut all = Extents::new(1, u64::MAX);
        assert_eq!(all.take(u64::MAX, 1), Some(1));
        assert_eq!(all.take(1, 1), None);
        all.give(1, u64::MAX);
        assert_eq!(all.take(2, 1 << 63), Some(1 << 63));
        let mut high = Extents::new(u64::MAX - 9, 10);
        assert_eq!(high.take(1, 1 << 63), None);
        assert_eq!(high.take(11, 1), None);
        high.withdraw(u64::MAX..=u64::MAX);
        assert_eq!(high.iter().collect::<Vec<_>>(), [(u64::MAX - 9, 9)]);
        high.withdraw(0..=u64::MAX);
        assert_eq!(high.iter().count(), 0);
    }
}
