//! The kernel's two ways to a function that vfio-pci has, and which of them is taken.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::{Device, Sysfs};

/// A way to a function: the files that a program opens for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// The function's own file, with an iommufd (Linux 6.6 and later).
    Iommufd {
        /// The function.
        device: PathBuf,
        /// Where address spaces come from.
        iommu: PathBuf,
    },
    /// The file of its IOMMU group.
    Group {
        /// The group.
        group: PathBuf,
        /// Where address spaces come from.
        container: PathBuf,
    },
}

impl Way {
    /// The file that stands for the function.
    pub fn file(&self) -> &Path {
        match self {
            Self::Iommufd { device, .. } => device,
            Self::Group { group, .. } => group,
        }
    }

    /// All its files, in the order in which they are opened.
    fn files(&self) -> [&Path; 2] {
        match self {
            Self::Iommufd { device, iommu } => [device, iommu],
            Self::Group { group, container } => [container, group],
        }
    }

    /// Its files that this user may not open.
    pub fn closed(&self) -> impl Iterator<Item = &Path> {
        let wanted = Access::READ_OK | Access::WRITE_OK;
        let files = self.files().into_iter();
        files.filter(move |file| access(*file, wanted).is_err())
    }
}

impl Sysfs {
    /// The way through iommufd, where the kernel has a file for the function.
    pub fn iommufd_way(&self, device: &Device) -> Option<Way> {
        let name = device.cdev.as_ref()?;
        Some(Way::Iommufd {
            device: self.dev("vfio/devices").join(name),
            iommu: self.dev("iommu"),
        })
    }

    /// The way through the IOMMU group, where the function has one.
    pub fn group_way(&self, device: &Device) -> Option<Way> {
        let group = device.group?;
        Some(Way::Group {
            group: self.dev("vfio").join(group.to_string()),
            container: self.dev("vfio/vfio"),
        })
    }

    /// The way that a program takes unless it is told which. iommufd comes first where both are
    /// alike; one that this user may use goes before one that is only there, and that before one
    /// that is not.
    pub fn way(&self, device: &Device) -> Option<Way> {
        let ways = [self.iommufd_way(device), self.group_way(device)];
        // Of several that are alike the first is taken.
        ways.into_iter().flatten().min_by_key(|way| {
            let there = way.files().iter().all(|file| file.exists());
            (way.closed().next().is_some(), !there)
        })
    }
}
