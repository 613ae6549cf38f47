//! From an address to an open device.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use vfio_bindings::bindings::vfio::{VFIO_TYPE1_IOMMU, VFIO_TYPE1v2_IOMMU};

use super::error::OpenError;
use super::ioctl;
use super::space::Space;
use crate::sysfs::{Address, Device, Sysfs, SysfsError, VFIO_DRIVER, Way};

/// Which of the kernel's two ways to a device is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Road {
    /// iommufd where the kernel has it for the device and this user may use it, else the group.
    #[default]
    Any,
    /// The device's own file, with an iommufd (Linux 6.6 and later).
    Iommufd,
    /// The file of its IOMMU group.
    Group,
}

/// Opens the device at `address`.
pub(super) fn open(
    sysfs: &Sysfs,
    address: Address,
    road: Road,
) -> Result<(OwnedFd, Space), OpenError> {
    let device = sysfs.device(address)?;
    if device.driver.as_deref() != Some(VFIO_DRIVER) {
        if !sysfs.has_vfio() {
            return Err(SysfsError::NoModule.into());
        }
        if device.group.is_none() {
            return Err(SysfsError::NoIommu(address).into());
        }
        return Err(OpenError::NotBound {
            address,
            driver: device.driver,
        });
    }
    let way = match road {
        Road::Any => sysfs.way(&device),
        Road::Iommufd => Some(sysfs.iommufd_way(&device).ok_or_else(|| OpenError::NoWay {
            address,
            way: "iommufd",
            why: "it needs Linux 6.6 or later with CONFIG_VFIO_DEVICE_CDEV".into(),
        })?),
        Road::Group => sysfs.group_way(&device),
    };
    match way.ok_or(SysfsError::NoIommu(address))? {
        Way::Iommufd {
            device: file,
            iommu,
        } => through_iommufd(sysfs, &device, &file, &iommu),
        Way::Group { group, container } => through_group(sysfs, &device, &group, &container),
    }
}

fn through_iommufd(
    sysfs: &Sysfs,
    device: &Device,
    path: &Path,
    iommu: &Path,
) -> Result<(OwnedFd, Space), OpenError> {
    let file = open_file(path)?;
    let iommu = open_file(iommu)?;
    ioctl::bind_iommufd(file.as_fd(), iommu.as_fd()).map_err(|error| {
        taken(sysfs, device, path, error)
            .unwrap_or_else(|| OpenError::failed("the device cannot be bound to iommufd")(error))
    })?;
    let space = ioctl::new_space(iommu.as_fd())
        .map_err(OpenError::failed("iommufd gives no address space"))?;
    ioctl::attach(file.as_fd(), space).map_err(OpenError::failed(
        "the device cannot be attached to its address space",
    ))?;
    Ok((file, Space::Iommufd { iommu, space }))
}

fn through_group(
    sysfs: &Sysfs,
    device: &Device,
    group: &Path,
    container: &Path,
) -> Result<(OwnedFd, Space), OpenError> {
    let address = device.address;
    let number = device.group.ok_or(SysfsError::NoIommu(address))?;
    let container = open_file(container)?;
    let version = ioctl::api_version(container.as_fd()).map_err(OpenError::failed(
        "/dev/vfio/vfio does not tell its version",
    ))?;
    let no_way = |why: String| OpenError::NoWay {
        address,
        way: "group",
        why,
    };
    if version != 0 {
        return Err(no_way(format!(
            "its interface has version {version}, not 0"
        )));
    }
    let group = open_file(group)?;
    let viable = ioctl::group_is_viable(group.as_fd())
        .map_err(OpenError::failed("the group does not tell its state"))?;
    if !viable {
        return Err(OpenError::NotViable {
            group: number,
            others: sysfs.in_the_way(device),
        });
    }
    ioctl::set_container(group.as_fd(), container.as_fd()).map_err(OpenError::failed(
        "the group cannot be put into a container",
    ))?;
    let kind = [VFIO_TYPE1v2_IOMMU, VFIO_TYPE1_IOMMU]
        .into_iter()
        .find(|kind| ioctl::has_iommu(container.as_fd(), *kind) == Ok(true))
        .ok_or_else(|| {
            no_way(
                "the module vfio_iommu_type1 is missing: `sudo modprobe vfio_iommu_type1`".into(),
            )
        })?;
    ioctl::set_iommu(container.as_fd(), kind).map_err(OpenError::failed(
        "the IOMMU refuses the group (without interrupt remapping the kernel gives no device to \
         a program)",
    ))?;
    let name = CString::new(address.to_string()).unwrap_or_default();
    let file = ioctl::device_of_group(group.as_fd(), &name)
        .map_err(OpenError::failed("the group does not give the device"))?;
    let space = Space::Type1 {
        container,
        _group: group,
    };
    Ok((file, space))
}

/// Why the kernel does not let go of a device, where the reason is its group.
fn taken(sysfs: &Sysfs, device: &Device, path: &Path, error: Errno) -> Option<OpenError> {
    let others = sysfs.in_the_way(device);
    match (error, device.group) {
        (Errno::BUSY | Errno::PERM, Some(group)) if !others.is_empty() => {
            Some(OpenError::NotViable { group, others })
        }
        (Errno::BUSY, _) => Some(OpenError::Busy { path: path.into() }),
        _ => None,
    }
}

fn open_file(path: &Path) -> Result<OwnedFd, OpenError> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_err(|error| match error {
        Errno::ACCESS | Errno::PERM | Errno::NOENT => OpenError::Forbidden { path: path.into() },
        Errno::BUSY => OpenError::Busy { path: path.into() },
        error => OpenError::Failed {
            what: format!("{} cannot be opened", path.display()),
            error,
        },
    })
}
