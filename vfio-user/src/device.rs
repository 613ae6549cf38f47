//! What a server shows to its client: regions, interrupts, and the calls that it answers.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use bitflags::bitflags;

use crate::{Errno, Memory};

bitflags! {
    /// How a region may be accessed by messages.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct RegionFlags: u32 {
        /// It may be read.
        const READ = 1 << 0;
        /// It may be written.
        const WRITE = 1 << 1;
    }

    /// What an interrupt type can do.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct IrqFlags: u32 {
        /// It signals through event descriptors.
        const EVENTFD = 1 << 0;
        /// It can be masked and unmasked by messages.
        const MASKABLE = 1 << 1;
        /// It masks itself when it is signalled.
        const AUTOMASKED = 1 << 2;
        /// Its vectors are set up together; more need all to be disabled first.
        const NORESIZE = 1 << 3;
    }

    /// What the device may do with a mapped range.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct MapFlags: u32 {
        /// The device may read it.
        const READ = 1 << 0;
        /// The device may write it.
        const WRITE = 1 << 1;
    }
}

/// A range of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Where it begins in the region, in bytes, a multiple of the page size.
    pub offset: u64,
    /// Its size in bytes, a multiple of the page size.
    pub size: u64,
}

/// The file behind a region that the client may map.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// The file, which the client gets a copy of.
    pub file: Arc<OwnedFd>,
    /// Where the region begins in the file, in bytes.
    pub offset: u64,
    /// What of the region may be mapped; empty means all of it.
    pub areas: Vec<Area>,
}

/// A region: a BAR, the configuration space, or nothing (`Region::default()`).
#[derive(Clone, Debug, Default)]
pub struct Region {
    /// Its size in bytes; 0 means that it is not there.
    pub size: u64,
    /// How it may be accessed by messages.
    pub flags: RegionFlags,
    /// The file behind it, where it may be mapped.
    pub mapping: Option<Mapping>,
    /// Whether the pages with the MSI-X table may be mapped as well.
    pub msix_mappable: bool,
}

/// An interrupt type; `Irq::default()` is one that the device does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Irq {
    /// Vectors of it.
    pub count: u32,
    /// What it can do.
    pub flags: IrqFlags,
}

/// What a device consists of. The indices into both lists are those of the protocol; for PCI the
/// regions 0 to 5 are the BARs and 7 is the configuration space, the interrupts are INTx, MSI,
/// MSI-X, errors and requests in this order.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// Whether [`Device::reset`] works.
    pub resettable: bool,
    /// The regions.
    pub regions: Vec<Region>,
    /// The interrupt types.
    pub irqs: Vec<Irq>,
}

/// A range of the client's memory that the device may reach from now on.
#[derive(Debug)]
pub struct DmaMap {
    /// What the device may do with it.
    pub flags: MapFlags,
    /// Its first address as the device sees it.
    pub iova: u64,
    /// Its size in bytes, not 0; the last byte's address fits 64 bits.
    pub length: u64,
    /// Where it begins in `file`, in bytes; the end fits 64 bits. Whether the file is that long is
    /// not checked, and it may shrink at any time.
    pub offset: u64,
    /// The file that holds it. A client that maps many small ranges sends one file many times, each
    /// time by a new descriptor; without one the range is reached through the [`Memory`] of the
    /// connection.
    pub file: Option<OwnedFd>,
}

/// What to do with interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IrqAction {
    /// Mask them, or with descriptors: say when they are masked.
    Mask,
    /// Unmask them, or with descriptors: say when they are unmasked.
    Unmask,
    /// Signal them now, or with descriptors: signal them through these.
    Trigger,
}

/// Which interrupts of the range an action is for.
#[derive(Debug)]
pub enum IrqData {
    /// All of them. With a `count` of 0 the whole type is disabled.
    None,
    /// Those whose entry is true, one entry a vector.
    Bool(Vec<bool>),
    /// One event descriptor a vector, or none at all to take them away.
    EventFds(Vec<OwnedFd>),
}

/// A change of interrupts.
#[derive(Debug)]
pub struct IrqSet {
    /// The interrupt type, one of the device's.
    pub index: u32,
    /// What to do.
    pub action: IrqAction,
    /// The first vector of the range.
    pub start: u32,
    /// Vectors of the range; all are vectors of the type.
    pub count: u32,
    /// Which of them.
    pub data: IrqData,
}

/// A device behind a server.
///
/// All calls come from the one thread that serves the session, one at a time; the reply to the
/// client goes out when the call returns. An error number is what the client gets.
pub trait Device {
    /// What the device consists of; asked once a session, before [`Self::connected`].
    fn describe(&self) -> Description;

    /// A client is there. `memory` reaches the ranges that it maps without a file.
    fn connected(&mut self, memory: Arc<dyn Memory>) {
        let _ = memory;
    }

    /// Reads a region. The whole of `data` lies within it.
    ///
    /// # Errors
    /// Whatever the device thinks of the access.
    fn region_read(&mut self, index: u32, offset: u64, data: &mut [u8]) -> Result<(), Errno>;

    /// Writes a region. The whole of `data` lies within it.
    ///
    /// # Errors
    /// Whatever the device thinks of the access.
    fn region_write(&mut self, index: u32, offset: u64, data: &[u8]) -> Result<(), Errno>;

    /// Lets the device reach memory. The range overlaps none that is mapped.
    ///
    /// # Errors
    /// When the range cannot be used; it is then not mapped.
    fn dma_map(&mut self, map: DmaMap) -> Result<(), Errno>;

    /// Takes away a range, one that [`Self::dma_map`] accepted. On return no access to it is under
    /// way any more.
    ///
    /// # Errors
    /// When the range cannot be let go; it then stays mapped.
    fn dma_unmap(&mut self, iova: u64, length: u64) -> Result<(), Errno>;

    /// Changes interrupts.
    ///
    /// # Errors
    /// When the device does not do this.
    fn set_irqs(&mut self, set: IrqSet) -> Result<(), Errno>;

    /// Resets the function. Mappings and event descriptors stay.
    ///
    /// # Errors
    /// When the device cannot be reset.
    fn reset(&mut self) -> Result<(), Errno>;

    /// The client is gone, for whatever reason: every mapping and every event descriptor of it is
    /// to be dropped, the rest of the device stays as it is.
    fn disconnected(&mut self);
}
