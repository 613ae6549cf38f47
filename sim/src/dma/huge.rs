//! Files in huge pages, which the kernel lets nobody write by system calls.

use std::io;
use std::os::fd::OwnedFd;

use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::fstatfs;
use rustix::io::Errno;

/// What `statfs` says of the file system of huge pages (`linux/magic.h`).
const HUGETLBFS_MAGIC: u64 = 0x9584_58f6;

/// A mapped part of a file that is only touched through the kernel.
///
/// The owner of the file may shorten it at any time. To touch such a page is the end of a process;
/// the kernel, asked to copy from the process to itself, says that there is no page instead.
#[derive(Debug)]
pub struct HugeMap {
    map: MmapRaw,
    /// Where the part starts in the map, which starts with a page.
    skip: usize,
}

/// The direction of a copy.
type Copy = unsafe extern "C" fn(
    libc::pid_t,
    *const libc::iovec,
    libc::c_ulong,
    *const libc::iovec,
    libc::c_ulong,
    libc::c_ulong,
) -> libc::ssize_t;

impl HugeMap {
    /// The page size of the file system when it is one of huge pages.
    pub fn page_of(file: &OwnedFd) -> Option<u64> {
        let found = fstatfs(file).ok()?;
        let huge = found.f_type as u64 & 0xffff_ffff == HUGETLBFS_MAGIC;
        huge.then_some(found.f_bsize as u64)
    }

    /// Maps `bytes` bytes from `offset` on, to be written too if `write`.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(
        file: &OwnedFd,
        offset: u64,
        bytes: u64,
        page: u64,
        write: bool,
    ) -> io::Result<Self> {
        let skip = offset % page;
        // Huge pages can only be unmapped as a whole.
        let len = (bytes + skip).checked_next_multiple_of(page);
        let len = len.and_then(|len| usize::try_from(len).ok());
        let mut options = MmapOptions::new();
        options.offset(offset - skip).len(len.ok_or(Errno::NOMEM)?);
        let map = match write {
            true => options.map_raw(file)?,
            false => options.map_raw_read_only(file)?,
        };
        Ok(Self {
            map,
            skip: skip as usize,
        })
    }

    /// Reads from byte `at` of the part.
    pub fn read(&self, at: u64, out: &mut [u8]) -> bool {
        self.copy(libc::process_vm_readv, at, out.as_mut_ptr(), out.len())
    }

    /// Writes from byte `at` of the part on.
    pub fn write(&self, at: u64, data: &[u8]) -> bool {
        let data_start = data.as_ptr().cast_mut();
        self.copy(libc::process_vm_writev, at, data_start, data.len())
    }

    fn copy(&self, copy: Copy, at: u64, own: *mut u8, len: usize) -> bool {
        let Ok(at) = usize::try_from(at) else {
            return false;
        };
        let start = at.checked_add(self.skip);
        let end = start.and_then(|start| start.checked_add(len));
        let (Some(start), Some(_)) = (start, end.filter(|&end| end <= self.map.len())) else {
            return false;
        };
        let own = libc::iovec {
            iov_base: own.cast(),
            iov_len: len,
        };
        let there = libc::iovec {
            iov_base: self.map.as_mut_ptr().wrapping_add(start).cast(),
            iov_len: len,
        };
        // SAFETY: `own` is a slice of the caller's, which is written only by `process_vm_readv`,
        // for which `read` had it as mutable; `there` lies within the map, to which nobody has
        // references; the kernel checks all of the addresses itself.
        let done = unsafe { copy(libc::getpid(), &own, 1, &there, 1, 0) };
        usize::try_from(done) == Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

    use super::*;

    /// The machine may have no huge pages; any file is mapped the same.
    fn file(bytes: u64) -> OwnedFd {
        let file = memfd_create("test", MemfdFlags::CLOEXEC).expect("a file");
        ftruncate(&file, bytes).expect("a length");
        file
    }

    #[test]
    fn bytes_go_in_and_out_at_the_right_place() {
        let file = file(3 * 4096);
        let map = HugeMap::new(&file, 4096 + 16, 4096, 4096, true).expect("a map");
        assert!(map.write(4090, &[1, 2, 3]));
        let mut seen = [0; 3];
        rustix::io::pread(&file, &mut seen, 4096 + 16 + 4090).expect("a read");
        assert_eq!(seen, [1, 2, 3]);
        rustix::io::pwrite(&file, &[7, 8], 4096 + 16).expect("a write");
        let mut seen = [0; 2];
        assert!(map.read(0, &mut seen));
        assert_eq!(seen, [7, 8]);
        assert!(!map.read(2 * 4096 - 17, &mut seen), "beyond the map");
        assert!(!map.read(u64::MAX, &mut seen));
    }

    #[test]
    fn a_file_that_was_shortened_fails_the_access_and_nothing_else() {
        let file = file(2 * 4096);
        let map = HugeMap::new(&file, 0, 2 * 4096, 4096, true).expect("a map");
        ftruncate(&file, 4096).expect("a shorter file");
        let mut seen = [0; 8];
        assert!(map.read(4096 - 8, &mut seen));
        assert!(!map.read(4096, &mut seen));
        assert!(!map.write(4096 - 4, &[1; 8]));
    }

    #[test]
    fn what_was_mapped_to_be_read_cannot_be_written() {
        let map = HugeMap::new(&file(4096), 0, 4096, 4096, false).expect("a map");
        assert!(map.read(0, &mut [0; 8]));
        assert!(!map.write(0, &[1; 8]));
    }

    #[test]
    fn a_plain_file_is_not_huge() {
        assert_eq!(HugeMap::page_of(&file(4096)), None);
    }
}
