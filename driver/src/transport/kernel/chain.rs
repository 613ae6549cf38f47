//! Answers of the kernel that carry a chain of capabilities.

use std::ops::RangeInclusive;

use vfio_bindings::bindings::vfio::{
    VFIO_IOMMU_INFO_CAPS, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, VFIO_REGION_INFO_CAP_SPARSE_MMAP,
    VFIO_REGION_INFO_FLAG_CAPS, VFIO_REGION_INFO_FLAG_MMAP, VFIO_REGION_INFO_FLAG_READ,
    VFIO_REGION_INFO_FLAG_WRITE,
};

/// Capabilities that a chain has at most, so that one which bites its tail ends.
const MOST: usize = 64;

/// A region of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Region {
    /// Where it starts in the device's file.
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// Parts that can be mapped: first byte and length.
    pub(super) mappable: Vec<(u64, u64)>,
}

impl Region {
    /// Reads `vfio_region_info` with what follows it; `None` when it is cut off.
    pub(super) fn parse(answer: &[u8]) -> Option<Self> {
        let flags = u32_at(answer, 4)?;
        let (bytes, offset) = (u64_at(answer, 16)?, u64_at(answer, 24)?);
        let mut mappable = Vec::new();
        if flags & VFIO_REGION_INFO_FLAG_MMAP != 0 && bytes > 0 {
            let chain = match flags & VFIO_REGION_INFO_FLAG_CAPS {
                0 => 0,
                _ => u32_at(answer, 12)? as usize,
            };
            mappable = match capability(answer, chain, VFIO_REGION_INFO_CAP_SPARSE_MMAP) {
                Some(at) => pairs(answer, at)?,
                None => vec![(0, bytes)],
            };
            mappable.retain(|(first, len)| {
                *len > 0 && first.checked_add(*len).is_some_and(|end| end <= bytes)
            });
        }
        Some(Self {
            offset,
            bytes,
            readable: flags & VFIO_REGION_INFO_FLAG_READ != 0,
            writable: flags & VFIO_REGION_INFO_FLAG_WRITE != 0,
            mappable,
        })
    }
}

/// Reads the addresses that an IOMMU can map from `vfio_iommu_type1_info` with what follows it;
/// `None` when the kernel does not say.
pub(super) fn ranges(answer: &[u8]) -> Option<Vec<RangeInclusive<u64>>> {
    if u32_at(answer, 4)? & VFIO_IOMMU_INFO_CAPS == 0 {
        return None;
    }
    let chain = u32_at(answer, 16)? as usize;
    let at = capability(answer, chain, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE)?;
    let ranges = pairs(answer, at)?;
    Some(
        ranges
            .into_iter()
            .map(|(first, last)| first..=last)
            .collect(),
    )
}

/// Where the first capability of this kind starts, in the chain that starts at `at`.
fn capability(answer: &[u8], mut at: usize, kind: u32) -> Option<usize> {
    for _ in 0..MOST {
        if at == 0 {
            return None;
        }
        if u32::from(u16_at(answer, at)?) == kind {
            return Some(at);
        }
        at = u32_at(answer, at + 4)? as usize;
    }
    None
}

/// Pairs of 64-bit numbers of a capability: their count stands behind the header of 8 bytes, the
/// pairs 8 bytes further.
fn pairs(answer: &[u8], at: usize) -> Option<Vec<(u64, u64)>> {
    let count = u32_at(answer, at + 8)? as usize;
    let pair = |index: usize| {
        let at = at + 16 + 16 * index;
        Some((u64_at(answer, at)?, u64_at(answer, at + 8)?))
    };
    // Cut off, the list ends before its count does.
    (0..count).map(pair).collect()
}

fn bytes_at<const N: usize>(answer: &[u8], at: usize) -> Option<[u8; N]> {
    answer.get(at..)?.first_chunk().copied()
}

fn u16_at(answer: &[u8], at: usize) -> Option<u16> {
    bytes_at(answer, at).map(u16::from_ne_bytes)
}

fn u32_at(answer: &[u8], at: usize) -> Option<u32> {
    bytes_at(answer, at).map(u32::from_ne_bytes)
}

fn u64_at(answer: &[u8], at: usize) -> Option<u64> {
    bytes_at(answer, at).map(u64::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use proptest::prelude::*;
    use vfio_bindings::bindings::vfio;

    use super::*;

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    /// `vfio_region_info`, then a capability of another kind, then the sparse areas.
    fn region(flags: u32, areas: &[(u64, u64)]) -> Vec<u8> {
        let mut answer = words(&[0, flags, 0, 32, 0x1_0000, 0, 0, 0x2]);
        answer.extend(words(&[1 << 16 | VFIO_CAP_OTHER, 40]));
        answer.extend(words(&[1 << 16 | 1, 0, areas.len() as u32, 0]));
        for (first, len) in areas {
            answer.extend(first.to_ne_bytes());
            answer.extend(len.to_ne_bytes());
        }
        answer
    }
    const VFIO_CAP_OTHER: u32 = 3;

    #[test]
    fn places_are_those_of_the_headers() {
        assert_eq!(offset_of!(vfio::vfio_region_info, flags), 4);
        assert_eq!(offset_of!(vfio::vfio_region_info, cap_offset), 12);
        assert_eq!(offset_of!(vfio::vfio_region_info, size), 16);
        assert_eq!(offset_of!(vfio::vfio_region_info, offset), 24);
        assert_eq!(offset_of!(vfio::vfio_info_cap_header, next), 4);
        assert_eq!(
            offset_of!(vfio::vfio_region_info_cap_sparse_mmap, nr_areas),
            8
        );
        assert_eq!(
            offset_of!(vfio::vfio_region_info_cap_sparse_mmap, areas),
            16
        );
        assert_eq!(size_of::<vfio::vfio_region_sparse_mmap_area>(), 16);
        assert_eq!(offset_of!(vfio::vfio_iommu_type1_info, flags), 4);
        assert_eq!(offset_of!(vfio::vfio_iommu_type1_info, cap_offset), 16);
        assert_eq!(
            offset_of!(vfio::vfio_iommu_type1_info_cap_iova_range, nr_iovas),
            8
        );
        assert_eq!(
            offset_of!(vfio::vfio_iommu_type1_info_cap_iova_range, iova_ranges),
            16
        );
    }

    #[test]
    fn regions_tell_what_can_be_mapped() {
        let whole = Region {
            offset: 2 << 32,
            bytes: 0x1_0000,
            readable: true,
            writable: true,
            mappable: vec![(0, 0x1_0000)],
        };
        assert_eq!(
            Region::parse(&region(0b111, &[(0, 4096)])),
            Some(whole.clone())
        );
        let unmappable = Region {
            mappable: Vec::new(),
            ..whole.clone()
        };
        assert_eq!(
            Region::parse(&region(0b1011, &[(0, 4096)])),
            Some(unmappable)
        );
        // An area that ends beyond the region, and one that does not end.
        let areas = [
            (0, 0x8000),
            (0xc000, 0x4000),
            (0xc000, 0x4001),
            (8, u64::MAX),
        ];
        let sparse = Region {
            mappable: areas[..2].to_vec(),
            ..whole
        };
        assert_eq!(Region::parse(&region(0b1111, &areas)), Some(sparse));
    }

    #[test]
    fn an_iommu_tells_its_ranges() {
        let mut answer = words(&[0, 0b11, 0, 0, 24, 0]);
        answer.extend(words(&[1 << 16 | 1, 0, 2, 0]));
        for number in [0, 0xfedf_ffff, 0xfef0_0000, (1u64 << 39) - 1] {
            answer.extend(number.to_ne_bytes());
        }
        let both = vec![0..=0xfedf_ffff, 0xfef0_0000..=(1 << 39) - 1];
        assert_eq!(ranges(&answer), Some(both));
        answer[4] = 1;
        assert_eq!(ranges(&answer), None);
    }

    #[test]
    fn a_chain_that_bites_its_tail_ends() {
        let mut answer = region(0b1111, &[(0, 4096)]);
        answer[36..40].copy_from_slice(&32u32.to_ne_bytes());
        let region = Region::parse(&answer).expect("the rest is whole");
        assert_eq!(region.mappable, [(0, 0x1_0000)]);
    }

    proptest! {
        #[test]
        fn no_answer_is_too_odd(mut answer in proptest::collection::vec(any::<u8>(), 0..200), flags in 0u8..16) {
            if let Some(byte) = answer.get_mut(4) {
                *byte = flags;
            }
            let _ = ranges(&answer);
            if let Some(region) = Region::parse(&answer) {
                for (first, len) in region.mappable {
                    prop_assert!(first + len <= region.bytes);
                }
            }
        }
    }
}
