//! A card through the kernel's vfio-pci, behind an IOMMU.

mod chain;
mod error;
mod ioctl;
mod open;
mod reports;
mod space;

use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use rustix::io::{Errno, pread, pwrite};
use vfio_bindings::bindings::vfio::{
    VFIO_DEVICE_FLAGS_PCI, VFIO_DEVICE_FLAGS_RESET, VFIO_PCI_CONFIG_REGION_INDEX,
    VFIO_PCI_ERR_IRQ_INDEX, VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_REQ_IRQ_INDEX,
};

use super::function::Function;
use super::signals::{Signal, wait_any};
use super::{Patience, TransportError, Wake};
use crate::dma::mapping::Mapping;
use crate::dma::pool::DmaSpace;
use crate::dma::{Backing, HostMemory, Sharing};
use crate::sysfs::{Address, Sysfs};
use chain::Region;
use reports::Reports;
use space::Space;

pub use error::OpenError;
pub use open::Road;

/// BARs of a function.
const BARS: usize = 6;

/// A function that vfio-pci has given to this process.
pub struct KernelFunction {
    name: String,
    // Mappings first: while one lives, the kernel counts the device as used.
    bars: Vec<Bar>,
    config: Region,
    signals: Arc<OnceLock<Vec<Signal>>>,
    /// What the kernel says of the link, and whether it wants the device back.
    reports: Option<Reports>,
    vectors: u32,
    resettable: bool,
    ranges: Vec<RangeInclusive<u64>>,
    device: OwnedFd,
    space: Space,
}

/// A window of the function, and what of it is mapped.
#[derive(Default)]
struct Bar {
    region: Region,
    /// First byte in the window, and the mapping.
    parts: Vec<(u64, Arc<Mapping>)>,
}

impl KernelFunction {
    /// Takes the function at `address`, which must be with vfio-pci.
    ///
    /// # Errors
    /// It cannot be had; says what to do.
    pub fn open(sysfs: &Sysfs, address: Address, road: Road) -> Result<Self, OpenError> {
        let (device, space) = open::open(sysfs, address, road)?;
        let failed = OpenError::failed;
        let (flags, regions, irqs) = ioctl::device_info(device.as_fd())
            .map_err(failed("the device does not describe itself"))?;
        if flags & VFIO_DEVICE_FLAGS_PCI == 0 {
            return Err(OpenError::NoWay {
                address,
                way: "PCI device",
                why: "what the kernel gives is none".into(),
            });
        }
        let region = |index: u32| -> Result<Region, OpenError> {
            if index >= regions {
                return Ok(Region::default());
            }
            let answer = ioctl::region_info(device.as_fd(), index)
                .map_err(failed("the device does not describe its regions"))?;
            Ok(Region::parse(&answer).unwrap_or_default())
        };
        let bars = (0..BARS as u32)
            .map(|index| {
                let region = region(index)?;
                let parts = map_parts(&device, &region)
                    .map_err(failed("a window of the device cannot be mapped"))?;
                Ok(Bar { region, parts })
            })
            .collect::<Result<_, OpenError>>()?;
        let config = region(VFIO_PCI_CONFIG_REGION_INDEX)?;
        let vectors = |index| match index < irqs {
            true => ioctl::vectors(device.as_fd(), index).unwrap_or(0),
            false => 0,
        };
        // Reports of the kernel are a help, not a need.
        let report = |index, signal: BorrowedFd<'_>| {
            if vectors(index) > 0 {
                let _ = ioctl::set_vectors(device.as_fd(), index, &[signal]);
            }
        };
        let signals = Arc::default();
        let reports = Reports::listen(Arc::clone(&signals)).ok();
        if let Some(reports) = &reports {
            report(VFIO_PCI_ERR_IRQ_INDEX, reports.error());
            report(VFIO_PCI_REQ_IRQ_INDEX, reports.request());
        }
        let ranges = space
            .ranges()
            .map_err(failed("the IOMMU does not tell its range of addresses"))?;
        Ok(Self {
            name: format!("card {address} (vfio-pci, {})", space.name()),
            bars,
            config,
            signals,
            reports,
            vectors: vectors(VFIO_PCI_MSIX_IRQ_INDEX),
            resettable: flags & VFIO_DEVICE_FLAGS_RESET != 0,
            ranges,
            device,
            space,
        })
    }

    /// The part of a window in which `bytes` from `offset` on are mapped, and where in it.
    fn part(&self, bar: u8, offset: u32, bytes: u64) -> Option<(&Mapping, usize)> {
        let offset = u64::from(offset);
        self.bars
            .get(usize::from(bar))?
            .parts
            .iter()
            .find_map(|(first, part)| {
                let at = offset.checked_sub(*first)?;
                (at + bytes <= part.len() as u64).then_some((&**part, at as usize))
            })
    }

    /// The place in the device's file of `bytes` of a window from `offset` on.
    fn place(&self, bar: u8, offset: u32, bytes: u64) -> Result<u64, TransportError> {
        let region = self.bars.get(usize::from(bar)).map(|bar| &bar.region);
        region
            .and_then(|region| within(region, offset.into(), bytes))
            .ok_or_else(|| TransportError::Broken(format!("BAR {bar} has no bytes at {offset:#x}")))
    }

    fn config_place(&self, offset: u16, bytes: usize) -> Result<u64, TransportError> {
        within(&self.config, offset.into(), bytes as u64).ok_or_else(|| {
            TransportError::Broken(format!(
                "configuration space has no {bytes} bytes at {offset:#x}"
            ))
        })
    }
}

/// Maps all of a region that can be.
fn map_parts(device: &OwnedFd, region: &Region) -> Result<Vec<(u64, Arc<Mapping>)>, Errno> {
    if !region.readable || !region.writable {
        return Ok(Vec::new());
    }
    let map = |(first, len): &(u64, u64)| {
        let place = region.offset.checked_add(*first).ok_or(Errno::INVAL)?;
        let len = usize::try_from(*len).map_err(|_| Errno::NOMEM)?;
        let mapping = Mapping::of_file(device.as_fd(), place, len)?;
        Ok((*first, Arc::new(mapping)))
    };
    region.mappable.iter().map(map).collect()
}

/// Where `bytes` of a region from `offset` on stand in the device's file.
fn within(region: &Region, offset: u64, bytes: u64) -> Option<u64> {
    let fits = offset.checked_add(bytes)? <= region.bytes;
    fits.then(|| region.offset.checked_add(offset))?
}

/// Reads all of `data` at a place of the device's file.
fn read_all(device: &OwnedFd, data: &mut [u8], place: u64) -> Result<(), TransportError> {
    match pread(device, &mut *data, place) {
        Ok(bytes) if bytes == data.len() => Ok(()),
        Ok(_) => Err(cut_off()),
        Err(error) => Err(broken("an access to the device failed")(error)),
    }
}

/// Writes all of `data` at a place of the device's file.
fn write_all(device: &OwnedFd, data: &[u8], place: u64) -> Result<(), TransportError> {
    match pwrite(device, data, place) {
        Ok(bytes) if bytes == data.len() => Ok(()),
        Ok(_) => Err(cut_off()),
        Err(error) => Err(broken("an access to the device failed")(error)),
    }
}

fn cut_off() -> TransportError {
    TransportError::Broken("the kernel did a part of an access to the device".into())
}

fn broken(what: &'static str) -> impl FnOnce(Errno) -> TransportError {
    move |error| match error {
        Errno::NODEV | Errno::NXIO => TransportError::Gone {
            why: format!("{what}: {error}"),
        },
        error => TransportError::Broken(format!("{what}: {error}")),
    }
}

impl DmaSpace for KernelFunction {
    fn sharing(&self) -> Sharing {
        Sharing::Process
    }

    fn ranges(&self) -> Vec<RangeInclusive<u64>> {
        self.ranges.clone()
    }

    fn map(&self, memory: &Arc<HostMemory>, address: u64) -> Result<(), TransportError> {
        let bytes = memory.len();
        self.space
            .map(memory.address(), bytes as u64, address)
            .map_err(|error| TransportError::Memory {
                bytes,
                why: error::map_refusal(bytes, error),
            })
    }

    fn unmap(&self, address: u64, bytes: u64) -> Result<(), TransportError> {
        let unmapped = self.space.unmap(address, bytes);
        match unmapped.map_err(broken("memory cannot be taken from the device"))? {
            all if all == bytes => Ok(()),
            part => Err(TransportError::Broken(format!(
                "the kernel took {part} of {bytes} bytes from the device"
            ))),
        }
    }
}

impl Function for KernelFunction {
    fn describe(&self) -> &str {
        &self.name
    }

    fn config_read(&self, offset: u16, data: &mut [u8]) -> Result<(), TransportError> {
        let place = self.config_place(offset, data.len())?;
        read_all(&self.device, data, place)
    }

    fn config_write(&self, offset: u16, data: &[u8]) -> Result<(), TransportError> {
        let place = self.config_place(offset, data.len())?;
        write_all(&self.device, data, place)
    }

    fn bar_bytes(&self, bar: u8) -> u64 {
        let bar = self.bars.get(usize::from(bar));
        bar.map_or(0, |bar| bar.region.bytes)
    }

    fn read32(&self, bar: u8, offset: u32) -> Result<u32, TransportError> {
        if let Some((part, at)) = self.part(bar, offset, 4)
            && let Some(value) = part.read_device(at)
        {
            return Ok(value);
        }
        let mut data = [0; 4];
        read_all(&self.device, &mut data, self.place(bar, offset, 4)?)?;
        Ok(u32::from_le_bytes(data))
    }

    fn write32(&self, bar: u8, offset: u32, value: u32) -> Result<(), TransportError> {
        if let Some((part, at)) = self.part(bar, offset, 4)
            && part.write_device(at, value).is_some()
        {
            return Ok(());
        }
        let place = self.place(bar, offset, 4)?;
        write_all(&self.device, &value.to_le_bytes(), place)
    }

    fn card_memory(&self, bar: u8) -> Result<Option<Arc<dyn Backing>>, TransportError> {
        let whole = self.bars.get(usize::from(bar)).and_then(|bar| {
            let (first, part) = bar.parts.first()?;
            (*first == 0 && part.len() as u64 == bar.region.bytes).then(|| Arc::clone(part))
        });
        Ok(whole.map(|mapping| mapping as Arc<dyn Backing>))
    }

    fn vectors(&self) -> u32 {
        self.vectors
    }

    fn enable_vectors(&self, count: u32) -> Result<(), TransportError> {
        let signals: Vec<Signal> = (0..count)
            .map(|_| Signal::new())
            .collect::<Result<_, _>>()
            .map_err(broken("there are no descriptors for interrupts"))?;
        let files: Vec<_> = signals.iter().map(AsFd::as_fd).collect();
        ioctl::set_vectors(self.device.as_fd(), VFIO_PCI_MSIX_IRQ_INDEX, &files)
            .map_err(broken("the kernel gives no MSI-X vectors"))?;
        self.signals.set(signals).map_err(|_| {
            TransportError::Broken("the vectors of the device are switched on already".into())
        })
    }

    fn wait(&self, vector: u32, patience: Patience) -> Result<Wake, TransportError> {
        let signals = self.signals.get().map(Vec::as_slice).unwrap_or_default();
        let Some(signal) = signals.get(vector as usize) else {
            let text = format!("vector {vector} of the device is not switched on");
            return Err(TransportError::Broken(text));
        };
        let end = Instant::now().checked_add(patience.time);
        // Reports raise the vector too. One of before may have been taken with an interrupt.
        self.check()?;
        let expired = wait_any(&[signal.as_fd()], None, end)
            .map_err(broken("the kernel does not let this process wait"))?;
        self.check()?;
        match signal.take() || !expired {
            true => Ok(Wake::Interrupt),
            false => Ok(Wake::Expired),
        }
    }

    fn alarms(&self) -> u64 {
        self.reports.as_ref().map_or(0, Reports::errors)
    }

    fn alarm(&self) -> String {
        "the kernel reports an error of the card's PCIe link (see `dmesg`)".into()
    }

    fn check(&self) -> Result<(), TransportError> {
        match self.reports.as_ref().is_some_and(Reports::leaving) {
            true => Err(TransportError::Gone {
                why: "the kernel takes it back, because it is removed or given to another driver"
                    .into(),
            }),
            false => Ok(()),
        }
    }

    fn reset(&self) -> Result<(), TransportError> {
        self.check()?;
        if !self.resettable {
            return Err(TransportError::Broken(
                "the kernel knows no way to reset the device".into(),
            ));
        }
        ioctl::reset(self.device.as_fd()).map_err(broken("the device cannot be reset"))
    }
}
