//! A function as the device of a vfio-user server.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use isa::pci;
use pcie::config_space::CONFIG_BYTES;
use pcie::config_space::registers as at;
use tracing::{debug, error};
use vfio_user_protocol::{
    Description, Device, DmaMap, Errno, Irq, IrqAction, IrqData, IrqFlags, IrqSet, MapFlags,
    Mapping, Memory, Region, RegionFlags,
};

use super::faults::Watch;
use super::files::Files;
use super::irqs::Vectors;
use super::remote::Remote;
use super::signal::Signaller;
use super::{Options, host};
use crate::dma::{Backing, MapError, Permissions};
use crate::function::{Function, FunctionError};

/// Regions of a PCI device: six BARs, the expansion ROM, the configuration space and VGA.
const REGIONS: u32 = 9;
/// Region of the configuration space.
const CONFIG_REGION: u32 = 7;
/// Interrupts by messages.
const MSIX: usize = 2;
/// Errors of the device.
const ERRORS: usize = 3;
/// Interrupt types: INTx, MSI, MSI-X, errors, and the wish of the machine's owner to have the
/// device back, which never comes here but which clients connect.
const TYPES: usize = 5;
/// Registers of MSI-X in the configuration space, which are the server's.
const MSIX_REGISTERS: std::ops::Range<u64> = at::MSIX as u64..at::MSIX as u64 + 12;

/// A card that a server shows.
pub struct CardDevice<F> {
    card: F,
    irqs: Arc<[Vectors; TYPES]>,
    /// Whether the client uses MSI-X.
    msix: bool,
    files: Files,
    client: Option<Arc<Remote>>,
    memory_file: Option<Arc<OwnedFd>>,
    watch: Watch,
    /// Why the card is of no use until it is reset.
    broken: Option<FunctionError>,
}

impl<F: Function> CardDevice<F> {
    /// Takes a card.
    ///
    /// # Errors
    /// When its memory cannot be shared.
    pub fn new(mut card: F, options: &Options) -> io::Result<Self> {
        let memory = card.card_memory();
        let memory_file = memory
            .map(|memory| memory.file().try_clone_to_owned())
            .transpose()?;
        let vectors = host::vectors(&mut card);
        let errors = u32::from(options.error_interrupt);
        let signaller = Arc::new(Signaller::new());
        let counts = [0, 0, vectors, errors, 1];
        let irqs = Arc::new(counts.map(|count| Vectors::new(count, &signaller)));
        // At the moment of the loss: once the client sees a completion that the card writes later,
        // it is too late.
        let told = Arc::clone(&irqs);
        if !card.dma().on_lost_write(move || told[ERRORS].signal(0)) {
            return Err(io::Error::other(
                "another already watches the card's writes",
            ));
        }
        Ok(Self {
            irqs,
            msix: false,
            files: Files::default(),
            client: None,
            memory_file: memory_file.map(Arc::new),
            watch: Watch::default(),
            broken: None,
            card,
        })
    }

    /// Lets the card work; `false` when it has nothing to do.
    pub fn run(&mut self, cycles: u64) -> bool {
        if self.broken.is_some() {
            return false;
        }
        let busy = self.card.run(cycles);
        self.after();
        self.watched(busy).unwrap_or(false)
    }

    /// Passes on what the card has to say.
    fn after(&mut self) {
        let mut interrupts = self.card.take_interrupts();
        while interrupts != 0 {
            self.irqs[MSIX].signal(interrupts.trailing_zeros());
            interrupts &= interrupts - 1;
        }
        self.watch.look(self.card.dma());
    }

    /// Remembers that the card is broken, when it is.
    fn watched<T>(&mut self, result: Result<T, FunctionError>) -> Result<T, Errno> {
        result.map_err(|problem| match problem {
            FunctionError::Outside { .. } => Errno::INVAL,
            FunctionError::Timeout { .. } => {
                error!("{problem}");
                Errno::IO
            }
            FunctionError::Broken(_) => {
                error!("{problem}");
                self.broken = Some(problem);
                self.irqs[ERRORS].signal(0);
                Errno::IO
            }
        })
    }

    /// Brings the table of the card in line with what the client listens to.
    fn set_vectors(&mut self) -> Result<(), Errno> {
        for vector in 0..self.irqs[MSIX].count() {
            let masked = !self.irqs[MSIX].listens(vector);
            let done = host::set_vector(&mut self.card, vector, masked);
            self.watched(done)?;
        }
        host::switch_vectors(&mut self.card, self.msix);
        Ok(())
    }

    /// Lets `reset` reset the card, and gives it back the client's settings.
    fn reset_with(
        &mut self,
        reset: impl FnOnce(&mut dyn Function) -> Result<(), FunctionError>,
    ) -> Result<(), Errno> {
        self.broken = None;
        let done = host::reset_with(&mut self.card, reset);
        self.watched(done)?;
        if self.msix {
            self.set_vectors()?;
        }
        Ok(())
    }

    /// Writes a window, all but the table of MSI-X, which is the server's.
    fn bar_write(&mut self, bar: u8, offset: u64, data: &[u8]) -> Result<(), FunctionError> {
        if bar != pci::REGISTER_BAR {
            return self.card.bar_write(bar, offset, data);
        }
        let table = u64::from(pci::MSIX_TABLE);
        let end = table + 16 * u64::from(self.irqs[MSIX].count());
        let until = |place: u64| place.saturating_sub(offset).min(data.len() as u64) as usize;
        let (before, after) = (&data[..until(table)], &data[until(end)..]);
        if !before.is_empty() {
            self.card.bar_write(bar, offset, before)?;
        }
        if !after.is_empty() {
            self.card.bar_write(bar, offset.max(end), after)?;
        }
        Ok(())
    }

    /// Writes the configuration space, all but the registers of MSI-X, which are the server's.
    fn config_write(&mut self, offset: u64, data: &[u8]) -> Result<(), Errno> {
        // The protocol's region is as large as the configuration space.
        let start = u16::try_from(offset).map_err(|_| Errno::INVAL)?;
        let mut now = vec![0; data.len()];
        self.card.config_read(start, &mut now);
        let data: Vec<u8> = (offset..)
            .zip(data.iter().zip(now))
            .map(
                |(place, (&new, now))| match MSIX_REGISTERS.contains(&place) {
                    true => now,
                    false => new,
                },
            )
            .collect();
        if !host::asks_for_reset(offset, &data) {
            self.card.config_write(start, &data);
            return Ok(());
        }
        debug!("function-level reset");
        self.reset_with(|card| {
            card.config_write(start, &data);
            Ok(())
        })
    }
}

impl<F: Function> Device for CardDevice<F> {
    fn describe(&self) -> Description {
        let mut regions = vec![Region::default(); REGIONS as usize];
        for bar in 0..6 {
            let size = self.card.bar_size(bar);
            if size == 0 {
                continue;
            }
            let file = self.memory_file.as_ref().filter(|_| bar == pci::MEMORY_BAR);
            regions[usize::from(bar)] = Region {
                size,
                flags: RegionFlags::READ | RegionFlags::WRITE,
                mapping: file.map(|file| Mapping {
                    file: Arc::clone(file),
                    offset: 0,
                    areas: Vec::new(),
                }),
                msix_mappable: false,
            };
        }
        regions[CONFIG_REGION as usize] = Region {
            size: CONFIG_BYTES as u64,
            flags: RegionFlags::READ | RegionFlags::WRITE,
            ..Region::default()
        };
        let mut irqs: Vec<_> = self.irqs.iter().map(|it| it.count()).map(irq).collect();
        irqs[MSIX].flags |= IrqFlags::NORESIZE | IrqFlags::MASKABLE;
        Description {
            resettable: true,
            regions,
            irqs,
        }
    }

    fn connected(&mut self, memory: Arc<dyn Memory>) {
        self.client = Some(Arc::new(Remote::new(memory)));
        host::enable(&mut self.card);
    }

    fn region_read(&mut self, index: u32, offset: u64, data: &mut [u8]) -> Result<(), Errno> {
        if index == CONFIG_REGION {
            let offset = u16::try_from(offset).map_err(|_| Errno::INVAL)?;
            self.card.config_read(offset, data);
            return Ok(());
        }
        let done = self.card.bar_read(bar(index)?, offset, data);
        self.after();
        self.watched(done)
    }

    fn region_write(&mut self, index: u32, offset: u64, data: &[u8]) -> Result<(), Errno> {
        if index == CONFIG_REGION {
            let done = self.config_write(offset, data);
            self.after();
            return done;
        }
        let done = self.bar_write(bar(index)?, offset, data);
        self.after();
        self.watched(done)
    }

    fn dma_map(&mut self, map: DmaMap) -> Result<(), Errno> {
        let backing = match map.file {
            Some(file) => {
                let file = self.files.share(file).map_err(io::Error::from)?;
                Backing::File(file, map.offset)
            }
            None => {
                let client = self.client.as_ref().ok_or(Errno::NODEV)?;
                Backing::Bytes(Arc::clone(client) as _, map.iova)
            }
        };
        let permissions = Permissions {
            read: map.flags.contains(MapFlags::READ),
            write: map.flags.contains(MapFlags::WRITE),
        };
        let dma = self.card.dma();
        let mapped = dma.map(map.iova, map.length, permissions, backing);
        mapped.map_err(number)
    }

    fn dma_unmap(&mut self, iova: u64, length: u64) -> Result<(), Errno> {
        self.card
            .dma()
            .unmap(iova, length)
            .map(drop)
            .map_err(number)
    }

    fn set_irqs(&mut self, set: IrqSet) -> Result<(), Errno> {
        let IrqSet {
            index,
            action,
            start,
            count,
            data,
        } = set;
        let index = index as usize;
        let vectors = self.irqs.get(index).ok_or(Errno::INVAL)?;
        match (action, data) {
            (IrqAction::Trigger, IrqData::None) if count == 0 => {
                vectors.clear();
                if index == MSIX {
                    self.msix = false;
                }
            }
            (IrqAction::Trigger, IrqData::EventFds(files)) => {
                vectors.connect(start, count, files)?;
                if index == MSIX {
                    self.msix = true;
                }
            }
            (IrqAction::Trigger, data) => return vectors.trigger(start, count, &data),
            (IrqAction::Mask | IrqAction::Unmask, _) if index != MSIX => return Err(Errno::NOTTY),
            (IrqAction::Mask, data) => vectors.mask(start, count, &data, true)?,
            (IrqAction::Unmask, data) => vectors.mask(start, count, &data, false)?,
        }
        if index == MSIX {
            self.set_vectors()?;
            self.after();
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Errno> {
        debug!("reset");
        let done = self.reset_with(|card| card.reset());
        self.after();
        done
    }

    fn disconnected(&mut self) {
        // The card does not run meanwhile: nothing of it is under way to the client's memory.
        self.broken = None;
        // What one client has done to the card is not the next one's: a card that breaks in its
        // reset is a new one after another.
        let done = self.card.reset().or_else(|problem| {
            error!("{problem}");
            self.card.reset()
        });
        // Whoever comes next finds out.
        let _ = self.watched(done);
        self.card.take_interrupts();
        self.card.dma().unmap_all();
        self.irqs.iter().for_each(Vectors::clear);
        self.msix = false;
        self.files.clear();
        self.client = None;
    }
}

/// The window of a region.
fn bar(index: u32) -> Result<u8, Errno> {
    u8::try_from(index).map_err(|_| Errno::INVAL)
}

fn irq(count: u32) -> Irq {
    let flags = match count {
        0 => IrqFlags::empty(),
        _ => IrqFlags::EVENTFD,
    };
    Irq { count, flags }
}

fn number(problem: MapError) -> Errno {
    debug!("{problem}");
    match problem {
        MapError::Overlap => Errno::EXIST,
        MapError::NotMapped => Errno::NOENT,
        MapError::FileMode => Errno::ACCES,
        MapError::Range
        | MapError::Permissions
        | MapError::Partial
        | MapError::Offset
        | MapError::File => Errno::INVAL,
    }
}
