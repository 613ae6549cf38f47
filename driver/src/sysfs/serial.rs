//! Serial ports on USB, as the kernel shows them in sysfs. They are not opened: to open one may reset
//! what is behind it, and does not tell whether that is a card.

use std::fs;
use std::path::{Path, PathBuf};

use super::Sysfs;

/// Folders above a port in which its USB device is looked for.
const MOST_PARENTS: usize = 4;

/// A serial port on USB.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SerialPort {
    /// The file that programs open.
    pub path: PathBuf,
    /// Vendor of the USB device.
    pub vendor: String,
    /// Its product.
    pub product: String,
    /// What it calls itself, if it does.
    pub name: Option<String>,
}

impl Sysfs {
    /// The serial ports on USB, by their names.
    pub fn serial_ports(&self) -> Vec<SerialPort> {
        let entries = fs::read_dir(self.root.join("sys/class/tty"));
        let names = entries.into_iter().flatten().flatten();
        let mut ports: Vec<SerialPort> = names
            .filter_map(|entry| {
                let device = fs::canonicalize(entry.path().join("device")).ok()?;
                let path = Path::new("/dev").join(entry.file_name());
                of_usb(&device, path)
            })
            .collect();
        ports.sort();
        ports
    }
}

/// The port at `path`, if its device or a folder above that is a device on USB.
fn of_usb(device: &Path, path: PathBuf) -> Option<SerialPort> {
    let mut folders = device.ancestors().take(MOST_PARENTS);
    folders.find_map(|folder| {
        let read = |name: &str| {
            let text = fs::read_to_string(folder.join(name)).ok()?;
            let text = text.trim();
            (!text.is_empty()).then(|| text.to_string())
        };
        Some(SerialPort {
            vendor: read("idVendor")?,
            product: read("idProduct")?,
            name: read("product"),
            path: path.clone(),
        })
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn ports_on_usb_are_found_and_others_are_not() {
        let root = tempfile::tempdir().expect("a folder");
        let devices = root.path().join("sys/devices");
        let usb = devices.join("pci0000:00/0000:00:14.0/usb1/1-3");
        let class = root.path().join("sys/class/tty");
        let sysfs = Sysfs::new(root.path());
        assert_eq!(sysfs.serial_ports(), []);
        for (name, device) in [
            ("ttyUSB1", Some(usb.join("1-3:1.1/ttyUSB1"))),
            ("ttyUSB0", Some(usb.join("1-3:1.0/ttyUSB0"))),
            ("ttyS0", Some(devices.join("platform/serial8250/ttyS0"))),
            ("tty1", None),
        ] {
            fs::create_dir_all(class.join(name)).expect("a folder");
            if let Some(device) = device {
                fs::create_dir_all(&device).expect("a folder");
                symlink(device, class.join(name).join("device")).expect("a link");
            }
        }
        for (name, text) in [
            ("idVendor", "0403\n"),
            ("idProduct", "6010\n"),
            ("product", "Digilent USB Device\n"),
        ] {
            fs::write(usb.join(name), text).expect("a file");
        }
        let port = |path: &str| SerialPort {
            path: path.into(),
            vendor: "0403".into(),
            product: "6010".into(),
            name: Some("Digilent USB Device".into()),
        };
        let expected = [port("/dev/ttyUSB0"), port("/dev/ttyUSB1")];
        assert_eq!(sysfs.serial_ports(), expected);
    }
}
