//! PCI functions as the kernel shows them in sysfs, and which driver has them; and serial ports.

mod address;
mod bind;
mod device;
mod serial;
mod way;

use std::io;
use std::path::{Path, PathBuf};

pub use address::Address;
pub use device::{Bar, Device};
pub use serial::SerialPort;
pub use way::Way;

/// The driver through which a program has a function to itself.
pub const VFIO_DRIVER: &str = "vfio-pci";

/// The kernel's view of the machine, below a root.
#[derive(Clone, Debug)]
pub struct Sysfs {
    root: PathBuf,
}

impl Default for Sysfs {
    fn default() -> Self {
        Self::new("/")
    }
}

/// Why something cannot be found out or changed. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SysfsError {
    /// Nothing sits there.
    #[error("there is no PCI device {0}: `systole device list --all` shows those that there are")]
    NoDevice(Address),
    /// A file that every function has is missing or holds something else.
    #[error("the kernel's file `{1}` of the PCI device {0} does not hold a number")]
    Odd(Address, &'static str),
    /// The machine shows no PCI devices.
    #[error("the PCI devices of this machine cannot be listed ({path}): {error}")]
    NoPci {
        /// The folder.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// vfio-pci is not there.
    #[error(
        "the kernel's driver vfio-pci is not loaded: load it with `sudo modprobe vfio-pci` (a \
         kernel without it needs CONFIG_VFIO_PCI)"
    )]
    NoModule,
    /// No IOMMU stands in front of the function.
    #[error(
        "no IOMMU keeps {0} to the memory that it is given: switch VT-d or AMD-Vi on in the \
         firmware, boot the kernel with `intel_iommu=on` (Intel) or without `amd_iommu=off` (AMD), \
         and look for `iommu` in `dmesg`"
    )]
    NoIommu(Address),
    /// It is no Systole card.
    #[error(
        "{address} is {vendor:04x}:{device:04x}, which is no Systole card: --force takes it from \
         its driver all the same"
    )]
    NotACard {
        /// Where it sits.
        address: Address,
        /// Its vendor.
        vendor: u16,
        /// Its device.
        device: u16,
    },
    /// The file may not be written.
    #[error("{path} may not be written by this user: run the command with `sudo`")]
    Permission {
        /// The file.
        path: PathBuf,
    },
    /// Another failure of a file.
    #[error("cannot write {path}: {error}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// The kernel took the request, and nothing came of it.
    #[error(
        "the kernel did not give {address} to {wanted}, it has {found}: `dmesg` says why (a \
         driver that is not loaded, or another that was faster)"
    )]
    NotTaken {
        /// Where it sits.
        address: Address,
        /// Who should have it.
        wanted: &'static str,
        /// Who has it.
        found: String,
    },
    /// Its driver has not let go of it yet, because somebody uses it.
    #[error(
        "the driver {driver} does not let go of {address}, because a program uses it: end that \
         program (where the driver is vfio-pci, `sudo fuser -v /dev/vfio/* /dev/vfio/devices/*` \
         names it). The kernel goes on with the request as soon as it can, and this command does \
         not end before; {address} has no driver then: run the command again, or `sudo systole \
         device bind {address}` or `unbind {address}`, to give it one"
    )]
    InUse {
        /// Where it sits.
        address: Address,
        /// Its driver.
        driver: String,
    },
    /// It could not be given to vfio-pci, and is as it was.
    #[error("{source}; {address} is as it was before")]
    Restored {
        /// Where it sits.
        address: Address,
        /// Why not.
        source: Box<Self>,
    },
    /// It could not be given to vfio-pci, nor made as it was.
    #[error(
        "{source}; nor could {address} be made as it was before ({restore}): try `sudo systole \
         device unbind {address}`"
    )]
    HalfWay {
        /// Where it sits.
        address: Address,
        /// Why it could not be given.
        source: Box<Self>,
        /// Why it is not as it was.
        restore: Box<Self>,
    },
    /// The kernel does not know how to reset it.
    #[error("the kernel knows no way to reset {0}")]
    NoReset(Address),
}

impl Sysfs {
    /// The view below `root`, which holds `sys` and `dev`; `/` on a machine as it is.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// A path below `/dev`.
    pub fn dev(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join("dev").join(name)
    }

    fn bus(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join("sys/bus/pci").join(name)
    }

    fn device_folder(&self, address: Address) -> PathBuf {
        self.bus("devices").join(address.to_string())
    }

    /// All PCI functions, in the order of their addresses.
    ///
    /// # Errors
    /// [`SysfsError::NoPci`], or one of them cannot be read.
    pub fn devices(&self) -> Result<Vec<Device>, SysfsError> {
        let path = self.bus("devices");
        let entries = std::fs::read_dir(&path);
        let entries = entries.map_err(|error| SysfsError::NoPci { path, error })?;
        let mut addresses: Vec<Address> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        addresses.sort();
        let read = |address| match self.device(address) {
            // It left in the meantime.
            Err(SysfsError::NoDevice(_)) => None,
            found => Some(found),
        };
        addresses.into_iter().filter_map(read).collect()
    }

    /// The function at `address`.
    ///
    /// # Errors
    /// [`SysfsError::NoDevice`] and [`SysfsError::Odd`].
    pub fn device(&self, address: Address) -> Result<Device, SysfsError> {
        Device::read(self, address)
    }

    /// The functions of an IOMMU group, which one user has together or not at all.
    pub fn group(&self, group: u32) -> Vec<Device> {
        let folder = self.root.join("sys/kernel/iommu_groups");
        let entries = std::fs::read_dir(folder.join(group.to_string()).join("devices"));
        let mut devices: Vec<Device> = entries
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(|address| self.device(address).ok())
            .collect();
        devices.sort_by_key(|device| device.address);
        devices
    }

    /// Other functions of the group that have a driver of the kernel: while one does, no program
    /// is given any of them. Drivers that never start a transfer do not count.
    pub fn in_the_way(&self, device: &Device) -> Vec<Device> {
        const HARMLESS: [&str; 3] = [VFIO_DRIVER, "pci-stub", "pcieport"];
        let Some(group) = device.group else {
            return Vec::new();
        };
        let mut others = self.group(group);
        others.retain(|other| {
            let driver = other.driver.as_deref();
            other.address != device.address && driver.is_some_and(|name| !HARMLESS.contains(&name))
        });
        others
    }

    /// Whether vfio-pci is loaded.
    pub fn has_vfio(&self) -> bool {
        self.bus("drivers").join(VFIO_DRIVER).is_dir()
    }

    /// What keeps a program of this user from using the function, each with what to do; nothing
    /// when it can.
    pub fn obstacles(&self, device: &Device) -> Vec<String> {
        let address = device.address;
        let mut list = Vec::new();
        if device.group.is_none() {
            list.push(SysfsError::NoIommu(address).to_string());
        }
        if !self.has_vfio() {
            list.push(SysfsError::NoModule.to_string());
        }
        if device.driver.as_deref() != Some(VFIO_DRIVER) {
            let holder = device.driver.as_deref().unwrap_or("no driver");
            list.push(format!(
                "{holder} has {address}: `sudo systole device bind {address}` gives it to vfio-pci"
            ));
            return list;
        }
        let others = self.in_the_way(device);
        if !others.is_empty() {
            list.push(not_viable(device.group.unwrap_or(0), &others));
        }
        if let Some(way) = self.way(device) {
            list.extend(way.closed().map(forbidden));
        }
        list
    }
}

/// What to do about a device file that this user may not open.
pub(crate) fn forbidden(file: &Path) -> String {
    let path = file.display();
    // That of iommufd is another module's, and belongs to no subsystem of its own.
    let (module, rule) = match file.ends_with("dev/iommu") {
        true => ("iommufd", "KERNEL==\"iommu\""),
        false => ("vfio-pci", "SUBSYSTEM==\"vfio\""),
    };
    if !file.exists() {
        return format!("{path} is not there: load {module} with `sudo modprobe {module}`");
    }
    format!(
        "{path} may not be opened by this user: `sudo chown \"$USER\" {path}` until the next boot, \
         or a udev rule for {rule} that names a group for good"
    )
}

/// What to do about a group of which the kernel keeps a part.
pub(crate) fn not_viable(group: u32, others: &[Device]) -> String {
    let names: Vec<String> = others
        .iter()
        .map(|other| {
            let driver = other.driver.as_deref().unwrap_or("no driver");
            format!("{} ({driver})", other.address)
        })
        .collect();
    let commands: Vec<String> = others
        .iter()
        .map(|other| format!("`sudo systole device bind --force {}`", other.address))
        .collect();
    format!(
        "IOMMU group {group} is given to one program as a whole, and drivers of the kernel have a \
         part of it: {}. Take them away with {}, or put the card into another slot",
        names.join(", "),
        commands.join(", ")
    )
}
