//! Signals event descriptors of others, and never waits.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use libc::{SYS_io_destroy, SYS_io_getevents, SYS_io_setup, SYS_io_submit, c_long, c_ulong};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use tracing::warn;

/// Operations that may be under way: more than there are threads that signal.
const DEPTH: usize = 64;
/// Operation: read (`IOCB_CMD_PREAD`).
const READ: u16 = 0;
/// Signal a descriptor at the end (`IOCB_FLAG_RESFD`).
const SIGNAL: u32 = 1;

/// An operation as the kernel wants it (`struct iocb` of `linux/aio_abi.h`).
#[repr(C)]
#[derive(Default)]
struct Operation {
    data: u64,
    key_and_flags: [u32; 2],
    opcode: u16,
    priority: i16,
    file: u32,
    buffer: u64,
    bytes: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    event: u32,
}

/// What became of one (`struct io_event`).
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Outcome {
    data: u64,
    operation: u64,
    result: [i64; 2],
}

const _: () = assert!(size_of::<Operation>() == 64 && size_of::<Outcome>() == 32);

/// Signals event descriptors.
///
/// A write waits while the counter of the descriptor is full, and between a look at it and the
/// write whoever else has the descriptor may fill it. To make the descriptor non-blocking would
/// not do: it would be so for the client, too, and the client could take it back. But the kernel
/// signals by itself, which never waits, when an asynchronous read has ended: here one of no bytes,
/// which ends before the call does.
#[derive(Debug)]
pub struct Signaller {
    /// The kernel's queue of operations and an empty file to read; without them a descriptor is
    /// looked at and written.
    reads: Option<(c_ulong, OwnedFd)>,
}

impl Signaller {
    pub fn new() -> Self {
        let reads = open();
        if let Err(error) = &reads {
            warn!(
                "no asynchronous reads ({error}): a client that fills its event descriptors can \
                 stop the card"
            );
        }
        Self { reads: reads.ok() }
    }

    /// Adds one to the counter of a descriptor, or leaves one alone that is full and so signalled
    /// anyway.
    ///
    /// # Errors
    /// When the descriptor is none of an event.
    pub fn signal(&self, event: BorrowedFd<'_>) -> io::Result<()> {
        let Some((queue, file)) = &self.reads else {
            let mut ready = [PollFd::new(&event, PollFlags::OUT)];
            let now = Timespec::default();
            if poll(&mut ready, Some(&now))? == 1 {
                rustix::io::write(event, &1u64.to_ne_bytes())?;
            }
            return Ok(());
        };
        let operation = Operation {
            opcode: READ,
            file: file.as_raw_fd() as u32,
            flags: SIGNAL,
            event: event.as_raw_fd() as u32,
            ..Operation::default()
        };
        let list = [&raw const operation];
        let mut ends = [Outcome::default(); DEPTH];
        // SAFETY: the queue is this value's own; the list has one operation, which the kernel
        // copies, and which reads no bytes into no buffer.
        check(unsafe { libc::syscall(SYS_io_submit, *queue, 1 as c_long, list.as_ptr()) })?;
        // Room for the next one; of what has ended nothing is of interest.
        // SAFETY: there is room for as many ends as are asked for, and no time is given, because
        // there is no waiting for at least 0.
        check(unsafe {
            libc::syscall(
                SYS_io_getevents,
                *queue,
                0 as c_long,
                DEPTH as c_long,
                ends.as_mut_ptr(),
                std::ptr::null::<libc::timespec>(),
            )
        })
    }
}

impl Drop for Signaller {
    fn drop(&mut self) {
        if let Some((queue, _)) = &self.reads {
            // SAFETY: the queue is this value's own, and nobody uses it any more.
            unsafe { libc::syscall(SYS_io_destroy, *queue) };
        }
    }
}

fn open() -> io::Result<(c_ulong, OwnedFd)> {
    let file = memfd_create("systole-signals", MemfdFlags::CLOEXEC)?;
    let mut queue: c_ulong = 0;
    // SAFETY: the kernel writes the queue's name to where it is told.
    check(unsafe { libc::syscall(SYS_io_setup, DEPTH as c_ulong, &raw mut queue) })?;
    Ok((queue, file))
}

fn check(result: c_long) -> io::Result<()> {
    match result {
        0.. => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rustix::event::{EventfdFlags, eventfd};

    use super::*;

    fn count(event: &OwnedFd) -> u64 {
        let mut bytes = [0; 8];
        assert_eq!(rustix::io::read(event, &mut bytes), Ok(8));
        u64::from_ne_bytes(bytes)
    }

    #[test]
    fn every_signal_counts_and_a_full_counter_holds_nobody_up() {
        let plain = Signaller { reads: None };
        let kernel = Signaller::new();
        for signaller in [&plain, &kernel] {
            let event = eventfd(0, EventfdFlags::CLOEXEC).expect("an event");
            for _ in 0..3 * DEPTH {
                signaller.signal(event.as_fd()).expect("it is told");
            }
            assert_eq!(count(&event), 3 * DEPTH as u64);
            let full = u64::MAX - 1;
            rustix::io::write(&event, &full.to_ne_bytes()).expect("room");
            for _ in 0..5 {
                signaller.signal(event.as_fd()).expect("it is signalled");
            }
            assert!(count(&event) >= full);
            signaller.signal(event.as_fd()).expect("it is told");
            assert_eq!(count(&event), 1);
        }
    }

    #[test]
    fn what_is_no_event_is_an_error() {
        let file = memfd_create("none", MemfdFlags::CLOEXEC).expect("a file");
        let signaller = Signaller::new();
        if signaller.reads.is_some() {
            assert!(signaller.signal(file.as_fd()).is_err());
        }
        let event = eventfd(0, EventfdFlags::CLOEXEC).expect("an event");
        signaller.signal(event.as_fd()).expect("it is told");
        assert_eq!(count(&event), 1);
    }
}
