//! Address spaces of IOMMUs: the container of a group, and that of an iommufd.

use std::ops::RangeInclusive;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

use super::{chain, ioctl};

/// What a device's addresses mean.
pub(super) enum Space {
    /// VFIO's own: a container with the group in it.
    Type1 {
        container: OwnedFd,
        /// Keeps the group in the container.
        _group: OwnedFd,
    },
    /// That of an iommufd.
    Iommufd { iommu: OwnedFd, space: u32 },
}

impl Space {
    /// How devices come to it, for people.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Type1 { .. } => "group",
            Self::Iommufd { .. } => "iommufd",
        }
    }

    /// Addresses that can be mapped.
    pub(super) fn ranges(&self) -> Result<Vec<RangeInclusive<u64>>, Errno> {
        /// What every IOMMU of x86 translates, for kernels that do not say (before Linux 5.4).
        const SAFE: RangeInclusive<u64> = 0..=(1 << 39) - 1;
        Ok(match self {
            Self::Type1 { container, .. } => {
                let answer = ioctl::iommu_info(container.as_fd())?;
                chain::ranges(&answer).unwrap_or_else(|| vec![SAFE])
            }
            Self::Iommufd { iommu, space } => {
                let ranges = ioctl::space_ranges(iommu.as_fd(), *space)?;
                ranges
                    .into_iter()
                    .map(|(first, last)| first..=last)
                    .collect()
            }
        })
    }

    /// Maps `bytes` at `memory` of this process to `address`, to be read and written.
    pub(super) fn map(&self, memory: u64, bytes: u64, address: u64) -> Result<(), Errno> {
        match self {
            Self::Type1 { container, .. } => {
                ioctl::map_type1(container.as_fd(), memory, bytes, address)
            }
            Self::Iommufd { iommu, space } => {
                ioctl::map_space(iommu.as_fd(), *space, memory, bytes, address)
            }
        }
    }

    /// Takes a mapping back; returns how many bytes of it there were.
    pub(super) fn unmap(&self, address: u64, bytes: u64) -> Result<u64, Errno> {
        match self {
            Self::Type1 { container, .. } => ioctl::unmap_type1(container.as_fd(), address, bytes),
            Self::Iommufd { iommu, space } => {
                ioctl::unmap_space(iommu.as_fd(), *space, address, bytes)
            }
        }
    }
}
