//! A card behind the vfio-user socket of another process.

use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustix::fs::{SealFlags, fcntl_get_seals, fstat};
use vfio_bindings::bindings::vfio::{
    VFIO_PCI_CONFIG_REGION_INDEX, VFIO_PCI_ERR_IRQ_INDEX, VFIO_PCI_MSIX_IRQ_INDEX,
};
use vfio_user_protocol::MapFlags;
use vfio_user_protocol::client::{Client, DmaRange, Error, Options, RegionOfDevice};

use super::function::Function;
use super::signals::{Alarm, Signal, wait_any};
use super::{Patience, TransportError, Wake};
use crate::dma::mapping::Mapping;
use crate::dma::pool::DmaSpace;
use crate::dma::{Backing, HostMemory, Sharing};

/// Addresses that servers take; interrupts aside, none is special to them.
const ADDRESSES: RangeInclusive<u64> = 0..=(1 << 48) - 1;
/// BARs of a function.
const BARS: usize = 6;

/// A function that a vfio-user server shows.
pub struct UserFunction {
    name: String,
    bars: Vec<RegionOfDevice>,
    memory: OnceLock<(u8, Arc<Mapping>)>,
    signals: OnceLock<Vec<Signal>>,
    /// The server reports that a write of the card was lost.
    error: Option<Alarm>,
    vectors: u32,
    /// What the server did not answer in time. Nothing is asked of it any more: to wait anew for
    /// each of the many requests of a shutdown would take minutes.
    silent: OnceLock<String>,
    // Last, so that the server is there while the rest is let go.
    client: Client,
}

impl UserFunction {
    /// Connects to the server that listens at `path`.
    ///
    /// # Errors
    /// Nobody is there, it has another client, or it does not behave as a server of a PCI function.
    pub fn connect(path: &Path) -> Result<Self, TransportError> {
        Self::connect_with(path, Options::default().patience)
    }

    /// The same for a server that may take as long as `patience` for each answer. One that takes
    /// longer counts as gone, for good.
    ///
    /// # Errors
    /// Those of [`Self::connect`].
    pub fn connect_with(path: &Path, patience: Duration) -> Result<Self, TransportError> {
        let options = Options {
            patience,
            ..Options::default()
        };
        let client = Client::connect(path, options).map_err(broken)?;
        let info = client.device_info().map_err(broken)?;
        if !info.pci {
            return Err(TransportError::Broken(format!(
                "what the server at {} shows is no PCI device",
                path.display()
            )));
        }
        let bars = (0..BARS as u32)
            .map(|index| match index < info.regions {
                true => client.region_info(index).map_err(broken),
                false => Err(TransportError::Broken(
                    "the server shows fewer regions than a PCI device has".into(),
                )),
            })
            .collect::<Result<_, _>>()?;
        let vectors = |index| match index < info.irqs {
            true => client.irq_info(index).map(|irq| irq.count).map_err(broken),
            false => Ok(0),
        };
        let mut error = None;
        if vectors(VFIO_PCI_ERR_IRQ_INDEX)? > 0 {
            let alarm = Alarm::new().map_err(no_descriptors)?;
            client
                .connect_irqs(VFIO_PCI_ERR_IRQ_INDEX, 0, &[alarm.as_fd()])
                .map_err(broken)?;
            error = Some(alarm);
        }
        Ok(Self {
            name: format!("card of the server {} (vfio-user)", path.display()),
            bars,
            memory: OnceLock::new(),
            signals: OnceLock::new(),
            error,
            vectors: vectors(VFIO_PCI_MSIX_IRQ_INDEX)?,
            silent: OnceLock::new(),
            client,
        })
    }

    /// The server, unless it has stopped answering.
    fn server(&self) -> Result<&Client, TransportError> {
        match self.silent.get() {
            None => Ok(&self.client),
            Some(why) => Err(TransportError::Gone { why: why.clone() }),
        }
    }

    /// What a failed request means, for this one and those to come.
    fn failed(&self, error: Error) -> TransportError {
        if let Error::Timeout { .. } = error {
            self.silent.get_or_init(|| error.to_string());
        }
        broken(error)
    }

    /// The file of a region, if it holds all of it and cannot be cut off: a page that is gone from
    /// under a mapping would end this process.
    fn file(region: &RegionOfDevice) -> Option<BorrowedFd<'_>> {
        let whole =
            matches!(&region.areas[..], [area] if area.offset == 0 && area.size == region.size);
        let file = region.file.as_ref().filter(|_| whole)?.as_fd();
        let sealed = fcntl_get_seals(file).ok()?.contains(SealFlags::SHRINK);
        let bytes = u64::try_from(fstat(file).ok()?.st_size).ok()?;
        let holds = region.offset.checked_add(region.size)? <= bytes;
        (sealed && holds).then_some(file)
    }
}

/// A failure before there is a function.
fn broken(error: Error) -> TransportError {
    match error {
        Error::Disconnected { .. } | Error::Timeout { .. } => TransportError::Gone {
            why: error.to_string(),
        },
        error => TransportError::Broken(error.to_string()),
    }
}

fn no_descriptors(error: rustix::io::Errno) -> TransportError {
    TransportError::Broken(format!("there are no descriptors for interrupts: {error}"))
}

impl DmaSpace for UserFunction {
    fn sharing(&self) -> Sharing {
        Sharing::File
    }

    fn ranges(&self) -> Vec<RangeInclusive<u64>> {
        vec![ADDRESSES]
    }

    fn map(&self, memory: &Arc<HostMemory>, address: u64) -> Result<(), TransportError> {
        let range = DmaRange {
            flags: MapFlags::READ | MapFlags::WRITE,
            iova: address,
            length: memory.len() as u64,
            file: memory.file().map(|file| (file, 0)),
        };
        self.server()?.dma_map(&range).map_err(|error| match error {
            Error::Refused { errno, .. } => TransportError::Memory {
                bytes: memory.len(),
                why: format!("the server refuses it: {errno}"),
            },
            error => self.failed(error),
        })
    }

    fn unmap(&self, address: u64, bytes: u64) -> Result<(), TransportError> {
        let unmapped = self.server()?.dma_unmap(address, bytes);
        unmapped.map_err(|error| self.failed(error))
    }
}

impl Function for UserFunction {
    fn describe(&self) -> &str {
        &self.name
    }

    fn config_read(&self, offset: u16, data: &mut [u8]) -> Result<(), TransportError> {
        let region = VFIO_PCI_CONFIG_REGION_INDEX;
        let read = self.server()?.region_read(region, offset.into(), data);
        read.map_err(|error| self.failed(error))
    }

    fn config_write(&self, offset: u16, data: &[u8]) -> Result<(), TransportError> {
        let region = VFIO_PCI_CONFIG_REGION_INDEX;
        let written = self.server()?.region_write(region, offset.into(), data);
        written.map_err(|error| self.failed(error))
    }

    fn bar_bytes(&self, bar: u8) -> u64 {
        let region = self.bars.get(usize::from(bar));
        region.map_or(0, |region| region.size)
    }

    fn read32(&self, bar: u8, offset: u32) -> Result<u32, TransportError> {
        let mut data = [0; 4];
        let read = self
            .server()?
            .region_read(bar.into(), offset.into(), &mut data);
        read.map_err(|error| self.failed(error))?;
        Ok(u32::from_le_bytes(data))
    }

    fn write32(&self, bar: u8, offset: u32, value: u32) -> Result<(), TransportError> {
        // Posted, as on a bus: whoever wants to know reads.
        let data = value.to_le_bytes();
        let written = self
            .server()?
            .region_write_posted(bar.into(), offset.into(), &data);
        written.map_err(|error| self.failed(error))
    }

    fn card_memory(&self, bar: u8) -> Result<Option<Arc<dyn Backing>>, TransportError> {
        if let Some((_, mapping)) = self.memory.get().filter(|(mapped, _)| *mapped == bar) {
            return Ok(Some(Arc::clone(mapping) as _));
        }
        let region = self.bars.get(usize::from(bar));
        let Some((region, file)) = region.and_then(|region| Some((region, Self::file(region)?)))
        else {
            return Ok(None);
        };
        let bytes = usize::try_from(region.size).unwrap_or(usize::MAX);
        let mapping = Mapping::of_file(file, region.offset, bytes).map_err(|error| {
            TransportError::Broken(format!("the card's memory cannot be mapped: {error}"))
        })?;
        let (_, mapping) = self.memory.get_or_init(|| (bar, Arc::new(mapping)));
        Ok(Some(Arc::clone(mapping) as _))
    }

    fn vectors(&self) -> u32 {
        self.vectors
    }

    fn enable_vectors(&self, count: u32) -> Result<(), TransportError> {
        let signals: Vec<Signal> = (0..count)
            .map(|_| Signal::new().map_err(no_descriptors))
            .collect::<Result<_, _>>()?;
        let files: Vec<_> = signals.iter().map(AsFd::as_fd).collect();
        self.server()?
            .connect_irqs(VFIO_PCI_MSIX_IRQ_INDEX, 0, &files)
            .map_err(|error| self.failed(error))?;
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
        let mut files = vec![signal.as_fd()];
        files.extend(self.error.as_ref().map(AsFd::as_fd));
        loop {
            let expired = wait_any(&files, Some(self.client.as_fd()), end).map_err(|error| {
                TransportError::Broken(format!("this process cannot wait: {error}"))
            })?;
            // Raises the vector of this queue and all others if there is one.
            self.alarms();
            if signal.take() {
                return Ok(Wake::Interrupt);
            }
            self.server()?;
            if !self.client.is_connected() {
                return Err(TransportError::Gone {
                    why: "its server has closed the connection or is dead".into(),
                });
            }
            if expired {
                return Ok(Wake::Expired);
            }
        }
    }

    fn alarms(&self) -> u64 {
        let signals = self.signals.get().map(Vec::as_slice).unwrap_or_default();
        self.error.as_ref().map_or(0, |alarm| alarm.count(signals))
    }

    fn alarm(&self) -> String {
        "the server reports that the card wrote to memory that it was not given".into()
    }

    fn reset(&self) -> Result<(), TransportError> {
        self.server()?.reset().map_err(|error| self.failed(error))
    }
}
