//! Calls of VFIO and iommufd: the one place where this program hands structures to the kernel.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use iommufd_bindings as iommufd;
use rustix::io::Errno;
use vfio_bindings::bindings::vfio;

/// Number of a call as `_IO(';', number)` of the kernel's headers makes it; VFIO and iommufd share
/// the letter, and neither puts the size of the argument into the number.
const fn request(number: u32) -> libc::Ioctl {
    ((b';' as u32) << 8 | number) as libc::Ioctl
}

/// Calls of `linux/vfio.h` count from here.
const VFIO: u32 = vfio::VFIO_BASE;

/// A structure that one call reads and fills.
///
/// # Safety
/// `NUMBER` must be the call that takes this structure, and every pointer in it must lead to what
/// the call expects there.
unsafe trait Argument {
    const NUMBER: u32;
}

// SAFETY: `VFIO_GROUP_GET_STATUS` takes it; it holds no pointer.
unsafe impl Argument for vfio::vfio_group_status {
    const NUMBER: u32 = VFIO + 3;
}
// SAFETY: `VFIO_DEVICE_GET_INFO` takes it; it holds no pointer.
unsafe impl Argument for vfio::vfio_device_info {
    const NUMBER: u32 = VFIO + 7;
}
// SAFETY: `VFIO_DEVICE_GET_IRQ_INFO` takes it; it holds no pointer.
unsafe impl Argument for vfio::vfio_irq_info {
    const NUMBER: u32 = VFIO + 9;
}
// SAFETY: `VFIO_IOMMU_MAP_DMA` takes it; the address in it is checked by the kernel against this
// process's mappings, and only the device reads and writes there.
unsafe impl Argument for vfio::vfio_iommu_type1_dma_map {
    const NUMBER: u32 = VFIO + 13;
}
// SAFETY: `VFIO_IOMMU_UNMAP_DMA` takes it; without flags nothing follows it.
unsafe impl Argument for vfio::vfio_iommu_type1_dma_unmap {
    const NUMBER: u32 = VFIO + 14;
}
// SAFETY: `VFIO_DEVICE_BIND_IOMMUFD` takes it; without flags the pointer in it is not used.
unsafe impl Argument for vfio::vfio_device_bind_iommufd {
    const NUMBER: u32 = VFIO + 18;
}
// SAFETY: `VFIO_DEVICE_ATTACH_IOMMUFD_PT` takes it; it holds no pointer.
unsafe impl Argument for vfio::vfio_device_attach_iommufd_pt {
    const NUMBER: u32 = VFIO + 19;
}
// SAFETY: `IOMMU_IOAS_ALLOC` takes it; it holds no pointer.
unsafe impl Argument for iommufd::iommu_ioas_alloc {
    const NUMBER: u32 = iommufd::IOMMUFD_CMD_IOAS_ALLOC;
}
// SAFETY: `IOMMU_IOAS_MAP` takes it; the address in it is checked as that of `VFIO_IOMMU_MAP_DMA`.
unsafe impl Argument for iommufd::iommu_ioas_map {
    const NUMBER: u32 = iommufd::IOMMUFD_CMD_IOAS_MAP;
}
// SAFETY: `IOMMU_IOAS_UNMAP` takes it; it holds no pointer.
unsafe impl Argument for iommufd::iommu_ioas_unmap {
    const NUMBER: u32 = iommufd::IOMMUFD_CMD_IOAS_UNMAP;
}

/// Does a call; returns what it returns, 0 or more.
///
/// # Safety
/// `argument` must be what the call takes.
unsafe fn raw(
    file: BorrowedFd<'_>,
    number: u32,
    argument: *mut libc::c_void,
) -> Result<i32, Errno> {
    loop {
        // SAFETY: the descriptor is open, and the caller vouches for the argument.
        let result = unsafe { libc::ioctl(file.as_raw_fd(), request(number), argument) };
        if result >= 0 {
            return Ok(result);
        }
        match std::io::Error::last_os_error().raw_os_error() {
            Some(libc::EINTR) => {}
            number => return Err(Errno::from_raw_os_error(number.unwrap_or(libc::EIO))),
        }
    }
}

fn with<A: Argument>(file: BorrowedFd<'_>, argument: &mut A) -> Result<i32, Errno> {
    // SAFETY: the trait vouches that the call takes this structure.
    unsafe { raw(file, A::NUMBER, std::ptr::from_mut(argument).cast()) }
}

/// Does a call whose argument is a number.
fn number(file: BorrowedFd<'_>, call: u32, value: usize) -> Result<i32, Errno> {
    // SAFETY: the calls below take a number here and follow no pointer.
    unsafe { raw(file, call, std::ptr::without_provenance_mut(value)) }
}

/// Does a call that fills as much of a buffer as there is, and says in its first word how much it
/// would need; returns all of it. `words` says what the buffer begins with, its size aside.
///
/// # Safety
/// The call must take a structure whose first 32-bit word is its size, and write no further.
unsafe fn sized(file: BorrowedFd<'_>, call: u32, words: &[u32]) -> Result<Vec<u8>, Errno> {
    /// Far beyond what any kernel says of a region.
    const MOST: usize = 1 << 20;
    let mut buffer: Vec<u64> = vec![0; (words.len() + 1).div_ceil(2)];
    loop {
        let bytes = buffer.len() * 8;
        let mut head = vec![bytes as u32];
        head.extend_from_slice(words);
        for (target, pair) in buffer.iter_mut().zip(head.chunks(2)) {
            let high = pair.get(1).copied().unwrap_or(0);
            *target = u64::from_ne_bytes(
                [pair[0].to_ne_bytes(), high.to_ne_bytes()]
                    .concat()
                    .try_into()
                    .unwrap_or_default(),
            );
        }
        // SAFETY: the caller vouches that the call heeds the size in the first word.
        unsafe { raw(file, call, buffer.as_mut_ptr().cast()) }?;
        let filled: Vec<u8> = buffer.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let wanted = u32::from_ne_bytes([filled[0], filled[1], filled[2], filled[3]]) as usize;
        if wanted <= bytes {
            return Ok(filled);
        }
        if wanted > MOST {
            return Err(Errno::TOOBIG);
        }
        buffer = vec![0; wanted.div_ceil(8)];
    }
}

/// Size of a structure as its first field says it.
pub(super) fn size_of<T>() -> u32 {
    std::mem::size_of::<T>() as u32
}

/// Version of the interface of a container; 0 is the one that there is.
pub(super) fn api_version(container: BorrowedFd<'_>) -> Result<i32, Errno> {
    number(container, VFIO, 0)
}

/// Whether a container can use this kind of IOMMU.
pub(super) fn has_iommu(container: BorrowedFd<'_>, kind: u32) -> Result<bool, Errno> {
    Ok(number(container, VFIO + 1, kind as usize)? == 1)
}

/// Chooses the kind of IOMMU of a container that holds a group.
pub(super) fn set_iommu(container: BorrowedFd<'_>, kind: u32) -> Result<(), Errno> {
    number(container, VFIO + 2, kind as usize).map(drop)
}

/// Whether every function of a group is free for a program.
pub(super) fn group_is_viable(group: BorrowedFd<'_>) -> Result<bool, Errno> {
    let mut status = vfio::vfio_group_status {
        argsz: size_of::<vfio::vfio_group_status>(),
        ..Default::default()
    };
    with(group, &mut status)?;
    Ok(status.flags & vfio::VFIO_GROUP_FLAGS_VIABLE != 0)
}

/// Puts a group into a container.
pub(super) fn set_container(group: BorrowedFd<'_>, container: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut descriptor = container.as_raw_fd();
    // SAFETY: the call reads one `int`.
    unsafe { raw(group, VFIO + 4, std::ptr::from_mut(&mut descriptor).cast()) }.map(drop)
}

/// Opens a function of a group.
pub(super) fn device_of_group(
    group: BorrowedFd<'_>,
    name: &std::ffi::CStr,
) -> Result<OwnedFd, Errno> {
    // SAFETY: the call reads a string that ends with a zero.
    let descriptor = unsafe { raw(group, VFIO + 6, name.as_ptr().cast_mut().cast()) }?;
    // SAFETY: on success the call returns a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Flags of a device, and its numbers of regions and of kinds of interrupts.
pub(super) fn device_info(device: BorrowedFd<'_>) -> Result<(u32, u32, u32), Errno> {
    let mut info = vfio::vfio_device_info {
        argsz: size_of::<vfio::vfio_device_info>(),
        ..Default::default()
    };
    with(device, &mut info)?;
    Ok((info.flags, info.num_regions, info.num_irqs))
}

/// What the kernel says of a region: `vfio_region_info` and its capabilities.
pub(super) fn region_info(device: BorrowedFd<'_>, index: u32) -> Result<Vec<u8>, Errno> {
    let mut words = [0; std::mem::size_of::<vfio::vfio_region_info>() / 4 - 1];
    words[1] = index;
    // SAFETY: `VFIO_DEVICE_GET_REGION_INFO` heeds the size in its first word.
    unsafe { sized(device, VFIO + 8, &words) }
}

/// What the kernel says of a container's IOMMU: `vfio_iommu_type1_info` and its capabilities.
pub(super) fn iommu_info(container: BorrowedFd<'_>) -> Result<Vec<u8>, Errno> {
    let words = [0; std::mem::size_of::<vfio::vfio_iommu_type1_info>() / 4 - 1];
    // SAFETY: `VFIO_IOMMU_GET_INFO` heeds the size in its first word.
    unsafe { sized(container, VFIO + 12, &words) }
}

/// Vectors of a kind of interrupt.
pub(super) fn vectors(device: BorrowedFd<'_>, index: u32) -> Result<u32, Errno> {
    let mut info = vfio::vfio_irq_info {
        argsz: size_of::<vfio::vfio_irq_info>(),
        index,
        ..Default::default()
    };
    with(device, &mut info)?;
    Ok(info.count)
}

/// Lets vectors 0 and up of a kind of interrupt signal these; the others go off.
pub(super) fn set_vectors(
    device: BorrowedFd<'_>,
    index: u32,
    signals: &[BorrowedFd<'_>],
) -> Result<(), Errno> {
    let mut set = irq_set(index, signals);
    // SAFETY: `VFIO_DEVICE_SET_IRQS` reads `argsz` bytes, all of them here.
    unsafe { raw(device, VFIO + 10, set.as_mut_ptr().cast()) }.map(drop)
}

/// `vfio_irq_set` with a descriptor for each vector.
fn irq_set(index: u32, signals: &[BorrowedFd<'_>]) -> Vec<u32> {
    let head = std::mem::size_of::<vfio::vfio_irq_set>();
    let data = match signals.is_empty() {
        true => vfio::VFIO_IRQ_SET_DATA_NONE,
        false => vfio::VFIO_IRQ_SET_DATA_EVENTFD,
    };
    let mut set = vec![
        (head + signals.len() * 4) as u32,
        vfio::VFIO_IRQ_SET_ACTION_TRIGGER | data,
        index,
        0,
        signals.len() as u32,
    ];
    set.extend(signals.iter().map(|signal| signal.as_raw_fd() as u32));
    set
}

/// Resets a device.
pub(super) fn reset(device: BorrowedFd<'_>) -> Result<(), Errno> {
    number(device, VFIO + 11, 0).map(drop)
}

/// Maps `bytes` of this process at `address` for the devices of a container.
pub(super) fn map_type1(
    container: BorrowedFd<'_>,
    memory: u64,
    bytes: u64,
    address: u64,
) -> Result<(), Errno> {
    let mut map = vfio::vfio_iommu_type1_dma_map {
        argsz: size_of::<vfio::vfio_iommu_type1_dma_map>(),
        flags: vfio::VFIO_DMA_MAP_FLAG_READ | vfio::VFIO_DMA_MAP_FLAG_WRITE,
        vaddr: memory,
        iova: address,
        size: bytes,
    };
    with(container, &mut map).map(drop)
}

/// Takes a mapping back; returns how many bytes there were.
pub(super) fn unmap_type1(
    container: BorrowedFd<'_>,
    address: u64,
    bytes: u64,
) -> Result<u64, Errno> {
    let mut unmap = vfio::vfio_iommu_type1_dma_unmap {
        argsz: size_of::<vfio::vfio_iommu_type1_dma_unmap>(),
        iova: address,
        size: bytes,
        ..Default::default()
    };
    with(container, &mut unmap)?;
    Ok(unmap.size)
}

/// Binds a device to an iommufd.
pub(super) fn bind_iommufd(device: BorrowedFd<'_>, iommu: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut bind = vfio::vfio_device_bind_iommufd {
        argsz: size_of::<vfio::vfio_device_bind_iommufd>(),
        iommufd: iommu.as_raw_fd(),
        ..Default::default()
    };
    with(device, &mut bind).map(drop)
}

/// Makes an address space of an iommufd; returns its number.
pub(super) fn new_space(iommu: BorrowedFd<'_>) -> Result<u32, Errno> {
    let mut space = iommufd::iommu_ioas_alloc {
        size: size_of::<iommufd::iommu_ioas_alloc>(),
        ..Default::default()
    };
    with(iommu, &mut space)?;
    Ok(space.out_ioas_id)
}

/// Attaches a device to an address space.
pub(super) fn attach(device: BorrowedFd<'_>, space: u32) -> Result<(), Errno> {
    let mut attach = vfio::vfio_device_attach_iommufd_pt {
        argsz: size_of::<vfio::vfio_device_attach_iommufd_pt>(),
        pt_id: space,
        ..Default::default()
    };
    with(device, &mut attach).map(drop)
}

/// First and last address of each range that an address space can map.
pub(super) fn space_ranges(iommu: BorrowedFd<'_>, space: u32) -> Result<Vec<(u64, u64)>, Errno> {
    let mut ranges = vec![iommufd::iommu_iova_range::default(); 16];
    loop {
        let mut query = iommufd::iommu_ioas_iova_ranges {
            size: size_of::<iommufd::iommu_ioas_iova_ranges>(),
            ioas_id: space,
            num_iovas: ranges.len() as u32,
            allowed_iovas: ranges.as_mut_ptr() as u64,
            ..Default::default()
        };
        // SAFETY: the call fills as many ranges as the array has, whose number it is told.
        let done = unsafe {
            raw(
                iommu,
                iommufd::IOMMUFD_CMD_IOAS_IOVA_RANGES,
                std::ptr::from_mut(&mut query).cast(),
            )
        };
        let found = query.num_iovas as usize;
        match done {
            Err(Errno::MSGSIZE) if found > ranges.len() => ranges.resize(found, ranges[0]),
            Err(error) => return Err(error),
            Ok(_) => {
                ranges.truncate(found);
                return Ok(ranges
                    .iter()
                    .map(|range| (range.start, range.last))
                    .collect());
            }
        }
    }
}

/// Maps `bytes` of this process at `address` in an address space.
pub(super) fn map_space(
    iommu: BorrowedFd<'_>,
    space: u32,
    memory: u64,
    bytes: u64,
    address: u64,
) -> Result<(), Errno> {
    let mut map = iommufd::iommu_ioas_map {
        size: size_of::<iommufd::iommu_ioas_map>(),
        flags: iommufd::iommufd_ioas_map_flags_IOMMU_IOAS_MAP_FIXED_IOVA
            | iommufd::iommufd_ioas_map_flags_IOMMU_IOAS_MAP_READABLE
            | iommufd::iommufd_ioas_map_flags_IOMMU_IOAS_MAP_WRITEABLE,
        ioas_id: space,
        user_va: memory,
        length: bytes,
        iova: address,
        ..Default::default()
    };
    with(iommu, &mut map).map(drop)
}

/// Takes a mapping of an address space back; returns how many bytes there were.
pub(super) fn unmap_space(
    iommu: BorrowedFd<'_>,
    space: u32,
    address: u64,
    bytes: u64,
) -> Result<u64, Errno> {
    let mut unmap = iommufd::iommu_ioas_unmap {
        size: size_of::<iommufd::iommu_ioas_unmap>(),
        ioas_id: space,
        iova: address,
        length: bytes,
    };
    with(iommu, &mut unmap)?;
    Ok(unmap.length)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    /// Numbers as `linux/vfio.h` and `linux/iommufd.h` of Linux 6.12 expand to.
    #[test]
    fn calls_have_the_numbers_of_the_kernel() {
        assert_eq!(request(VFIO), 0x3b64);
        assert_eq!(request(vfio::vfio_iommu_type1_dma_map::NUMBER), 0x3b71);
        assert_eq!(request(vfio::vfio_iommu_type1_dma_unmap::NUMBER), 0x3b72);
        assert_eq!(request(vfio::vfio_device_bind_iommufd::NUMBER), 0x3b76);
        assert_eq!(request(iommufd::iommu_ioas_alloc::NUMBER), 0x3b81);
        assert_eq!(request(iommufd::iommu_ioas_map::NUMBER), 0x3b85);
        assert_eq!(request(iommufd::iommu_ioas_unmap::NUMBER), 0x3b86);
    }

    #[test]
    fn what_is_no_device_is_refused() {
        let file = tempfile::tempfile().expect("a file");
        let refused = region_info(file.as_fd(), 0).expect_err("a file is no device");
        assert!(
            refused == Errno::NOTTY || refused == Errno::INVAL,
            "{refused}"
        );
        for refused in [
            device_info(file.as_fd()).map(drop),
            iommu_info(file.as_fd()).map(drop),
            space_ranges(file.as_fd(), 0).map(drop),
            set_vectors(file.as_fd(), 2, &[file.as_fd()]),
            map_type1(file.as_fd(), 0, 4096, 0),
        ] {
            assert!(refused.is_err());
        }
    }

    #[test]
    fn sets_of_vectors_name_a_descriptor_each() {
        let file = tempfile::tempfile().expect("a file");
        let descriptor = file.as_raw_fd() as u32;
        let set = irq_set(2, &[file.as_fd(), file.as_fd()]);
        assert_eq!(set, [28, 1 << 5 | 1 << 2, 2, 0, 2, descriptor, descriptor]);
        assert_eq!(irq_set(3, &[]), [20, 1 << 5 | 1, 3, 0, 0]);
    }
}
