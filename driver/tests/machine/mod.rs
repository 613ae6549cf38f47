//! Machines that are folders: sysfs as Linux 6.12 shows it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub const CARD: &str = "0000:01:00.0";
pub const DISK: &str = "0000:01:00.1";
pub const BRIDGE: &str = "0000:00:1c.0";
pub const FAR: &str = "0001:02:03.0";

/// A machine with a card in group 7 beside a disk, a bridge, and a card far away without an IOMMU.
pub struct Machine(pub TempDir);

impl Machine {
    pub fn new() -> Self {
        let machine = Self(tempfile::tempdir().expect("a folder"));
        for driver in ["vfio-pci", "nvme", "pcieport", "systole_old"] {
            let folder = machine.path("sys/bus/pci/drivers").join(driver);
            machine.file(folder.join("unbind"), "");
        }
        machine.file(machine.path("sys/bus/pci/drivers_probe"), "");
        machine.file(machine.path("dev/vfio/vfio"), "");
        machine.file(machine.path("dev/vfio/7"), "");
        machine.device(CARD, "0x10ee", "0x5359", "0x120000", Some("systole_old"));
        machine.device(DISK, "0x144d", "0xa808", "0x010802", Some("nvme"));
        machine.device(BRIDGE, "0x8086", "0x7ab8", "0x060400", Some("pcieport"));
        machine.device(FAR, "0x10ee", "0x5359", "0x120000", None);
        for address in [CARD, DISK, BRIDGE] {
            machine.group(address, 7);
        }
        machine
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn folder(&self, address: &str) -> PathBuf {
        self.path("sys/bus/pci/devices").join(address)
    }

    pub fn file(&self, path: PathBuf, text: impl AsRef<[u8]>) {
        fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        fs::write(path, text).expect("it can be written");
    }

    pub fn device(
        &self,
        address: &str,
        vendor: &str,
        device: &str,
        class: &str,
        driver: Option<&str>,
    ) {
        let folder = self.folder(address);
        for (name, text) in [
            ("vendor", vendor),
            ("device", device),
            ("class", class),
            ("revision", "0x01"),
            ("numa_node", "-1"),
            ("driver_override", "(null)"),
            ("reset", ""),
        ] {
            self.file(folder.join(name), format!("{text}\n"));
        }
        // Two windows, the second of 64 bits; then ports; the rest is not there.
        let resource = "\
            0x00000000fe800000 0x00000000fe80ffff 0x0000000000040200\n\
            0x0000000000000000 0x0000000000000000 0x0000000000000000\n\
            0x000000fe00000000 0x000000fe03ffffff 0x000000000014220c\n\
            0x0000000000000000 0x0000000000000000 0x0000000000000000\n\
            0x000000000000e000 0x000000000000e01f 0x0000000000040101\n\
            0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
        self.file(folder.join("resource"), resource);
        // Configuration space with power management at 0x40 and MSI-X with four vectors at 0x50.
        let mut config = vec![0u8; 256];
        config[0x06] = 0x10;
        config[0x34] = 0x40;
        config[0x40..0x42].copy_from_slice(&[0x01, 0x50]);
        config[0x50..0x54].copy_from_slice(&[0x11, 0x00, 0x03, 0x00]);
        self.file(folder.join("config"), config);
        if let Some(driver) = driver {
            self.give(address, driver);
        }
    }

    pub fn group(&self, address: &str, number: u32) {
        let group = self
            .path("sys/kernel/iommu_groups")
            .join(number.to_string());
        let devices = group.join("devices");
        fs::create_dir_all(&devices).expect("a folder");
        symlink(self.folder(address), devices.join(address)).expect("a link");
        symlink(group, self.folder(address).join("iommu_group")).expect("a link");
        let iommu = self.path("sys/devices/virtual/iommu/dmar0");
        fs::create_dir_all(&iommu).expect("a folder");
        symlink(iommu, self.folder(address).join("iommu")).expect("a link");
    }

    pub fn give(&self, address: &str, driver: &str) {
        let driver = self.path("sys/bus/pci/drivers").join(driver);
        symlink(driver, self.folder(address).join("driver")).expect("a link");
    }

    pub fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_systole"))
            .args(["device", "--sysfs"])
            .arg(self.0.path())
            .args(args)
            .stdin(Stdio::null())
            .output()
            .expect("the program starts")
    }

    pub fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).expect("it prints JSON")
    }

    pub fn prints(&self, args: &[&str], words: &[&str]) {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", said(&output));
        let text = String::from_utf8(output.stdout).expect("text");
        for word in words {
            assert!(text.contains(word), "{args:?}: no `{word}` in: {text}");
        }
    }

    pub fn refuses(&self, args: &[&str], code: i32, words: &[&str]) {
        let output = self.run(args);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        for word in words {
            assert!(said.contains(word), "{args:?}: no `{word}` in: {said}");
        }
    }
}

/// What it said on standard error.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
