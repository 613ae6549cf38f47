//! Memory of the host in the form in which a card can be given it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicU32;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::Errno;

use super::Backing;
use super::mapping::Mapping;

/// Bytes of a large page. Memory comes in multiples of it, so that an IOMMU needs few entries.
pub const HUGE_BYTES: usize = 2 << 20;

/// Who must be able to reach the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// This process and the kernel.
    Process,
    /// Another process too, which is given a file descriptor.
    File,
}

/// Zeros, in huge pages where the machine has some to give. Memory of one process starts at a
/// multiple of [`HUGE_BYTES`], so that the kernel can make its pages large later.
#[derive(Debug)]
pub struct HostMemory {
    mapping: Mapping,
    file: Option<OwnedFd>,
    huge: bool,
}

impl HostMemory {
    /// New memory of `bytes`, a multiple of [`HUGE_BYTES`] above zero.
    ///
    /// # Errors
    /// The machine has none to give.
    pub fn new(bytes: usize, sharing: Sharing) -> Result<Self, Errno> {
        let make = |huge| match sharing {
            Sharing::Process => Self::of_process(bytes, huge),
            Sharing::File => Self::of_file(bytes, huge),
        };
        make(true).or_else(|_| make(false))
    }

    fn of_process(bytes: usize, huge: bool) -> Result<Self, Errno> {
        let mapping = match huge {
            true => Mapping::of_huge_pages(bytes),
            false => Mapping::of_zeros(bytes, HUGE_BYTES),
        }?;
        Ok(Self {
            mapping,
            file: None,
            huge,
        })
    }

    fn of_file(bytes: usize, huge: bool) -> Result<Self, Errno> {
        let mut flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        if huge {
            flags |= MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB;
        }
        let file = memfd_create("systole-dma", flags)?;
        ftruncate(&file, bytes as u64)?;
        // The other side may rely on it: the file neither shrinks nor grows any more.
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let mapping = Mapping::of_file(file.as_fd(), 0, bytes)?;
        Ok(Self {
            mapping,
            file: Some(file),
            huge,
        })
    }

    /// Address of the first byte in this process.
    pub fn address(&self) -> u64 {
        self.mapping.address()
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.mapping.words().len() * 4
    }

    /// Whether there are none; never so.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The file behind memory of [`Sharing::File`].
    pub fn file(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }

    /// Whether it lies in pages of the machine's hugetlb pool.
    pub fn huge(&self) -> bool {
        self.huge
    }
}

impl Backing for HostMemory {
    fn words(&self) -> &[AtomicU32] {
        self.mapping.words()
    }
}
