//! Mappings into this process, taken back when they are dropped.

use std::ffi::c_void;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering, fence};

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap};

use super::Backing;

/// A range of this process's addresses that others may read and write at any moment: memory that a
/// card reaches, or a window of the card itself.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<c_void>,
    bytes: usize,
}

// SAFETY: the range belongs to this value alone, and its words are only reached as atomics.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    const PROT: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

    /// Maps `bytes`, a multiple of 4 above zero, of `file` from `offset` on, shared with whoever
    /// else maps it. `bytes` must lie within the file: pages beyond its end cannot be read.
    pub(crate) fn of_file(file: BorrowedFd<'_>, offset: u64, bytes: usize) -> Result<Self, Errno> {
        // SAFETY: the kernel chooses the place, so no mapping that exists is touched.
        let start = unsafe {
            mmap(
                ptr::null_mut(),
                bytes,
                Self::PROT,
                MapFlags::SHARED,
                file,
                offset,
            )
        }?;
        Self::take(start, bytes)
    }

    /// Zeros of this process alone, in pages of the hugetlb pool of 2 MiB each.
    pub(crate) fn of_huge_pages(bytes: usize) -> Result<Self, Errno> {
        let flags = MapFlags::PRIVATE | MapFlags::HUGETLB | MapFlags::HUGE_2MB;
        // SAFETY: the kernel chooses the place.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), bytes, Self::PROT, flags) }?;
        Self::take(start, bytes)?.kept_from_children()
    }

    /// Zeros of this process alone that start at a multiple of `align`, which is one of the page.
    /// The kernel is asked to take large pages where it can.
    pub(crate) fn of_zeros(bytes: usize, align: usize) -> Result<Self, Errno> {
        let all = bytes.checked_add(align).ok_or(Errno::NOMEM)?;
        // SAFETY: the kernel chooses the place.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), all, Self::PROT, MapFlags::PRIVATE) }?;
        let before = (start as usize).next_multiple_of(align) - start as usize;
        let begin = start.wrapping_byte_add(before);
        for (from, len) in [
            (start, before),
            (begin.wrapping_byte_add(bytes), align - before),
        ] {
            if len > 0 {
                // SAFETY: this part of the mapping just made is given back before anyone saw it.
                unsafe { munmap(from, len) }?;
            }
        }
        let mapping = Self::take(begin, bytes)?;
        // SAFETY: advice about our own mapping, which changes nothing that can be seen. A kernel
        // without large pages refuses it, and small ones do as well.
        let _ = unsafe { madvise(begin, bytes, Advice::LinuxHugepage) };
        mapping.kept_from_children()
    }

    fn take(start: *mut c_void, bytes: usize) -> Result<Self, Errno> {
        let start = NonNull::new(start).ok_or(Errno::NOMEM)?;
        Ok(Self { start, bytes })
    }

    /// A child that writes a page of a private mapping would leave the card with the other copy.
    fn kept_from_children(self) -> Result<Self, Errno> {
        // SAFETY: advice about our own mapping; children do without it.
        unsafe { madvise(self.start.as_ptr(), self.bytes, Advice::LinuxDontFork) }?;
        Ok(self)
    }

    /// Bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// Reads a word of a device once; `None` beyond the end or between two words.
    pub(crate) fn read_device(&self, offset: usize) -> Option<u32> {
        let word = self.device_word(offset)?;
        // SAFETY: the word lies within the mapping, which is readable.
        let value = unsafe { word.read_volatile() };
        fence(Ordering::Acquire);
        Some(u32::from_le(value))
    }

    /// Writes a word of a device once, after everything that was written before; `None` beyond the
    /// end or between two words.
    pub(crate) fn write_device(&self, offset: usize, value: u32) -> Option<()> {
        let word = self.device_word(offset)?;
        fence(Ordering::Release);
        // SAFETY: the word lies within the mapping, which is writable; a device's register is no
        // memory of Rust.
        unsafe { word.write_volatile(value.to_le()) };
        Some(())
    }

    fn device_word(&self, offset: usize) -> Option<*mut u32> {
        let fits = offset.is_multiple_of(4) && offset.checked_add(4)? <= self.bytes;
        // SAFETY: the offset lies within the mapping.
        fits.then(|| unsafe { self.start.byte_add(offset).as_ptr().cast() })
    }

    /// Address of the first byte in this process.
    pub(crate) fn address(&self) -> u64 {
        self.start.as_ptr() as u64
    }
}

impl Backing for Mapping {
    fn words(&self) -> &[AtomicU32] {
        // SAFETY: the range is mapped, readable and writable while `self` lives, starts at a page,
        // and is only ever seen as atomics.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.bytes / 4) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is ours, and every reference to it borrows `self`.
        let _ = unsafe { munmap(self.start.as_ptr(), self.bytes) };
    }
}
