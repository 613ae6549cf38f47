//! Moving a function from one driver to another.

use std::io;
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::{Address, Device, Sysfs, SysfsError, VFIO_DRIVER};

/// Time that a driver may take to take a function, or to let go of it.
const PATIENCE: Duration = Duration::from_secs(3);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);

impl Sysfs {
    /// Takes a function from its driver and gives it to vfio-pci, until it is released or the
    /// machine boots. `force`: also one that is no Systole card.
    ///
    /// # Errors
    /// Something is missing or forbidden, or the kernel does not do it; says what to do.
    pub fn bind(&self, address: Address, force: bool) -> Result<Device, SysfsError> {
        let device = self.device(address)?;
        if !device.is_card() && !force {
            return Err(SysfsError::NotACard {
                address,
                vendor: device.vendor,
                device: device.device,
            });
        }
        if device.driver.as_deref() == Some(VFIO_DRIVER) {
            return Ok(device);
        }
        if !self.has_vfio() {
            return Err(SysfsError::NoModule);
        }
        if device.group.is_none() {
            return Err(SysfsError::NoIommu(address));
        }
        // Only vfio-pci may take it from here on, before another driver can.
        let folder = self.device_folder(address);
        write(&folder.join("driver_override"), VFIO_DRIVER)?;
        self.hand_over(&device).map_err(|error| {
            // The kernel goes on with what was asked of it: nothing can be made as it was while
            // the function is yet to lose its driver, and until then the wish does no harm.
            if let SysfsError::InUse { .. } = error {
                return error;
            }
            let source = Box::new(error);
            match self.restore(&device) {
                Ok(()) => SysfsError::Restored { address, source },
                Err(restore) => SysfsError::HalfWay {
                    address,
                    source,
                    restore: Box::new(restore),
                },
            }
        })
    }

    /// Takes a function from its driver, and has the kernel look for another.
    fn hand_over(&self, device: &Device) -> Result<Device, SysfsError> {
        let address = device.address;
        self.leave(device)?;
        write(&self.bus("drivers_probe"), &address.to_string())?;
        self.until(address, VFIO_DRIVER, |driver| driver == Some(VFIO_DRIVER))
    }

    /// Takes back what [`Self::bind`] did before it failed: the function is anybody's again, and
    /// has a driver if it had one.
    fn restore(&self, before: &Device) -> Result<(), SysfsError> {
        let address = before.address;
        let folder = self.device_folder(address);
        write(&folder.join("driver_override"), "\n")?;
        let Some(driver) = before.driver.as_deref() else {
            return Ok(());
        };
        if self.device(address)?.driver.is_none() {
            write(&self.bus("drivers_probe"), &address.to_string())?;
        }
        self.until(address, "the driver that it had", |now| now == Some(driver))?;
        Ok(())
    }

    /// Takes a function from vfio-pci and lets the kernel find the driver that it had.
    ///
    /// # Errors
    /// Something is forbidden, or the kernel does not do it; says what to do.
    pub fn unbind(&self, address: Address) -> Result<Device, SysfsError> {
        let device = self.device(address)?;
        let folder = self.device_folder(address);
        if device.driver.as_deref() == Some(VFIO_DRIVER) {
            self.leave(&device)?;
        }
        // An empty line takes the wish back.
        write(&folder.join("driver_override"), "\n")?;
        if self.device(address)?.driver.is_none() {
            write(&self.bus("drivers_probe"), &address.to_string())?;
        }
        self.device(address)
    }

    /// Resets a function through the kernel.
    ///
    /// # Errors
    /// It cannot be reset, or this user may not.
    pub fn reset(&self, address: Address) -> Result<(), SysfsError> {
        let device = self.device(address)?;
        if !device.resettable {
            return Err(SysfsError::NoReset(address));
        }
        write(&self.device_folder(address).join("reset"), "1")
    }

    /// Takes a function from the driver that has it.
    fn leave(&self, device: &Device) -> Result<(), SysfsError> {
        let Some(driver) = &device.driver else {
            return Ok(());
        };
        let address = device.address;
        let unbind = self.device_folder(address).join("driver/unbind");
        // The kernel makes the writer wait until nobody uses the function any more.
        let (sender, receiver) = channel();
        let (path, text) = (unbind.clone(), address.to_string());
        let writer = thread::Builder::new().spawn(move || {
            // Nobody listens any more if it took too long.
            let _ = sender.send(write(&path, &text));
        });
        writer.map_err(|error| SysfsError::Write {
            path: unbind,
            error,
        })?;
        receiver
            .recv_timeout(PATIENCE)
            .map_err(|_| SysfsError::InUse {
                address,
                driver: driver.clone(),
            })??;
        self.until(address, "nobody", |now| now != Some(driver))?;
        Ok(())
    }

    /// Waits until the function's driver is as wanted.
    fn until(
        &self,
        address: Address,
        wanted: &'static str,
        is: impl Fn(Option<&str>) -> bool,
    ) -> Result<Device, SysfsError> {
        let end = Instant::now() + PATIENCE;
        loop {
            let device = self.device(address)?;
            if is(device.driver.as_deref()) {
                return Ok(device);
            }
            if Instant::now() > end {
                let found = device.driver.unwrap_or_else(|| "no driver".into());
                return Err(SysfsError::NotTaken {
                    address,
                    wanted,
                    found,
                });
            }
            sleep(PAUSE);
        }
    }
}

/// Writes a file of the kernel, which must be there, at once.
fn write(path: &Path, text: &str) -> Result<(), SysfsError> {
    let written = std::fs::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => SysfsError::Permission { path: path.into() },
        _ => SysfsError::Write {
            path: path.into(),
            error,
        },
    })
}
