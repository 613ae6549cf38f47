//! What sysfs tells about one PCI function.

use std::os::unix::fs::FileExt;
use std::path::Path;

use isa::pci::{DEVICE_ID, VENDOR_ID};

use super::{Address, Sysfs, SysfsError};
use crate::transport::function::config::{
    CAPABILITY_MSIX, MSIX_CONTROL, MSIX_CONTROL_VECTORS, find_capability,
};

/// Flag of a resource: memory (`IORESOURCE_MEM` of Linux).
const RESOURCE_MEMORY: u64 = 0x200;
/// Flag of a resource: prefetchable.
const RESOURCE_PREFETCH: u64 = 0x2000;
/// Flag of a resource: 64 bits.
const RESOURCE_64: u64 = 0x10_0000;

/// A PCI function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Where it sits.
    pub address: Address,
    /// Vendor.
    pub vendor: u16,
    /// Device.
    pub device: u16,
    /// Class, 24 bits.
    pub class: u32,
    /// Revision.
    pub revision: u8,
    /// The driver that has it.
    pub driver: Option<String>,
    /// Number of its IOMMU group; `None` without an IOMMU.
    pub group: Option<u32>,
    /// Name of the IOMMU in front of it.
    pub iommu: Option<String>,
    /// Name of its device file below `/dev/vfio/devices`, on kernels that have such files.
    pub cdev: Option<String>,
    /// Windows.
    pub bars: Vec<Bar>,
    /// MSI-X vectors; `None` where there are none or the capabilities may not be read.
    pub vectors: Option<u32>,
    /// Memory node that is nearest; `None` on machines with one.
    pub node: Option<u32>,
    /// Whether the kernel knows how to reset it.
    pub resettable: bool,
}

/// A window of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Its number.
    pub index: u8,
    /// Its bytes.
    pub bytes: u64,
    /// Whether it is memory, not ports.
    pub memory: bool,
    /// Whether its address has 64 bits.
    pub wide: bool,
    /// Whether reads have no effect, so that they may be merged.
    pub prefetchable: bool,
}

impl Device {
    /// Whether it says that it is a Systole card.
    pub fn is_card(&self) -> bool {
        (self.vendor, self.device) == (VENDOR_ID, DEVICE_ID)
    }

    /// Reads what there is to know of the function at `address`.
    pub(super) fn read(sysfs: &Sysfs, address: Address) -> Result<Self, SysfsError> {
        let folder = sysfs.device_folder(address);
        if !folder.is_dir() {
            return Err(SysfsError::NoDevice(address));
        }
        let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        let number = |name: &'static str| {
            let text = text(name);
            let digits = text.trim().trim_start_matches("0x");
            u32::from_str_radix(digits, 16).map_err(|_| SysfsError::Odd(address, name))
        };
        let link = |name: &str| {
            let target = std::fs::read_link(folder.join(name)).ok()?;
            Some(target.file_name()?.to_str()?.to_string())
        };
        // Kernels without such files show the name too, but no number of a device with it.
        let cdev = std::fs::read_dir(folder.join("vfio-dev"))
            .ok()
            .and_then(|mut entries| entries.next()?.ok())
            .filter(|entry| entry.path().join("dev").exists())
            .and_then(|entry| entry.file_name().into_string().ok());
        Ok(Self {
            address,
            vendor: number("vendor")? as u16,
            device: number("device")? as u16,
            class: number("class")?,
            revision: number("revision").unwrap_or(0) as u8,
            driver: link("driver"),
            group: link("iommu_group").and_then(|name| name.parse().ok()),
            iommu: link("iommu"),
            cdev,
            bars: bars(&text("resource")),
            vectors: vectors(&folder.join("config")),
            // Minus one says that the machine has one node.
            node: text("numa_node").trim().parse().ok(),
            resettable: folder.join("reset").exists(),
        })
    }
}

/// Reads the windows from the file `resource`: a line each, `start end flags`.
fn bars(text: &str) -> Vec<Bar> {
    let number = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    let bar = |(index, line): (usize, &str)| {
        let mut parts = line.split_whitespace().map(number);
        let (start, end, flags) = (parts.next()??, parts.next()??, parts.next()??);
        let bytes = (end > start).then(|| end - start + 1)?;
        Some(Bar {
            index: index as u8,
            bytes,
            memory: flags & RESOURCE_MEMORY != 0,
            wide: flags & RESOURCE_64 != 0,
            prefetchable: flags & RESOURCE_PREFETCH != 0,
        })
    };
    text.lines().take(6).enumerate().filter_map(bar).collect()
}

/// Reads the number of MSI-X vectors from configuration space.
fn vectors(path: &Path) -> Option<u32> {
    // Only what is needed: the kernel asks the device for every byte, and a simulated one is slow.
    let file = std::fs::File::open(path).ok()?;
    let read = |offset: u16| {
        let mut word = [0; 2];
        file.read_exact_at(&mut word, offset.into()).ok()?;
        Some(u16::from_le_bytes(word))
    };
    let at = find_capability(CAPABILITY_MSIX, |offset| read(offset).ok_or(())).ok()??;
    Some(u32::from(read(at + MSIX_CONTROL)? & MSIX_CONTROL_VECTORS) + 1)
}
