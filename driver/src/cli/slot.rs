//! Cards in the slots of this machine, for those who did not name one.

use systole::sysfs::{Address, Sysfs, SysfsError};

/// What is in the slots.
#[derive(Debug, PartialEq, Eq)]
pub enum Slot<T> {
    /// No card.
    Empty,
    /// The first card that could be opened.
    Open(T),
    /// Cards, none of which can be used; says why, and what to do.
    Unusable(String),
}

/// Looks for cards and opens the first that can be.
pub fn first<T>(sysfs: &Sysfs, mut open: impl FnMut(Address) -> Result<T, String>) -> Slot<T> {
    let devices = match sysfs.devices() {
        Ok(devices) => devices,
        // Where there is no PCI there is no card either.
        Err(SysfsError::NoPci { .. }) => return Slot::Empty,
        Err(error) => return Slot::Unusable(error.to_string()),
    };
    let mut reasons = Vec::new();
    for device in devices.iter().filter(|device| device.is_card()) {
        let obstacle = sysfs.obstacles(device).into_iter().next();
        let why = match obstacle.map_or_else(|| open(device.address), Err) {
            Ok(card) => return Slot::Open(card),
            Err(why) => why,
        };
        reasons.push(format!("{}: {why}", device.address));
    }
    match reasons.is_empty() {
        true => Slot::Empty,
        false => Slot::Unusable(reasons.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    /// A card that is with vfio-pci, in a group of its own, below this root.
    fn card(root: &Path, address: &str, group: u32) {
        let folder = root.join("sys/bus/pci/devices").join(address);
        let group_folder = root.join("sys/kernel/iommu_groups").join(group.to_string());
        let driver = root.join("sys/bus/pci/drivers/vfio-pci");
        for folder in [&folder, &group_folder, &driver, &root.join("dev/vfio")] {
            fs::create_dir_all(folder).expect("a folder");
        }
        for (name, text) in [
            ("vendor", "0x10ee"),
            ("device", "0x5359"),
            ("class", "0x120000"),
        ] {
            fs::write(folder.join(name), text).expect("a file");
        }
        for name in ["vfio", &group.to_string()] {
            fs::write(root.join("dev/vfio").join(name), "").expect("a file");
        }
        symlink(driver, folder.join("driver")).expect("a link");
        symlink(group_folder, folder.join("iommu_group")).expect("a link");
    }

    #[test]
    fn the_first_card_that_opens_is_taken() {
        let root = tempfile::tempdir().expect("a folder");
        let sysfs = Sysfs::new(root.path());
        let never = |_| -> Result<(), String> { panic!("there is nothing to open") };
        assert_eq!(first(&sysfs, never), Slot::Empty);
        for (address, group) in [
            ("0000:03:00.0", 3),
            ("0000:01:00.0", 1),
            ("0000:02:00.0", 2),
        ] {
            card(root.path(), address, group);
        }
        // One with an obstacle is not even tried.
        fs::remove_file(root.path().join("sys/bus/pci/devices/0000:01:00.0/driver"))
            .expect("a link");
        let mut tried = Vec::new();
        let found = first(&sysfs, |address| {
            tried.push(address.to_string());
            match tried.len() {
                1 => Err("it is busy".to_string()),
                _ => Ok(tried.len()),
            }
        });
        assert_eq!(found, Slot::Open(2));
        assert_eq!(tried, ["0000:02:00.0", "0000:03:00.0"]);
        let refused = |_| -> Result<(), String> { Err("it is busy".into()) };
        let Slot::Unusable(why) = first(&sysfs, refused) else {
            panic!("none can be opened");
        };
        for word in [
            "0000:01:00.0: no driver has",
            "device bind 0000:01:00.0",
            "0000:02:00.0: it is busy; 0000:03:00.0: it is busy",
        ] {
            assert!(why.contains(word), "no `{word}` in: {why}");
        }
    }

    #[test]
    fn a_machine_that_tells_nonsense_is_named() {
        let root = tempfile::tempdir().expect("a folder");
        card(root.path(), "0000:01:00.0", 1);
        let vendor = root.path().join("sys/bus/pci/devices/0000:01:00.0/vendor");
        fs::write(vendor, "?").expect("a file");
        let found = first(&Sysfs::new(root.path()), |_| Ok(()));
        assert!(matches!(found, Slot::Unusable(why) if why.contains("`vendor`")));
    }
}
