//! Lets a device talk to whoever is at the other end of a descriptor.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio, read, write};

use super::SerialDevice;

/// How long to wait before `stop` is looked at again.
const PATIENCE: Duration = Duration::from_millis(50);
/// Bytes on their way beyond which the device does not run.
const FULL: usize = 1 << 14;

/// Carries bytes between `line` and `device` until `stop` is true or the line has come to its end.
///
/// # Errors
/// The line does not work, or the device is broken ([`SerialDevice::broken`]).
pub fn serve(
    line: &impl AsFd,
    device: &mut impl SerialDevice,
    stop: &AtomicBool,
) -> io::Result<()> {
    ioctl_fionbio(line, true)?;
    let began = Instant::now();
    let mut piece = [0; 4096];
    let mut out = Vec::new();
    let mut next = None;
    while !stop.load(Ordering::Relaxed) {
        let now = began.elapsed();
        let left = next.map_or(PATIENCE, |next: Duration| next.saturating_sub(now));
        let events = match out.len() {
            0 => PollFlags::IN,
            1..FULL => PollFlags::IN | PollFlags::OUT,
            _ => PollFlags::OUT,
        };
        let mut files = [PollFd::new(line, events)];
        let timeout = Timespec::try_from(left.min(PATIENCE)).ok();
        match poll(&mut files, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if out.len() < FULL {
            let count = match read(line, &mut piece) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(Errno::AGAIN | Errno::INTR) => 0,
                // Whoever was there has gone.
                Err(Errno::IO | Errno::CONNRESET) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let is_time = next.is_some_and(|next| began.elapsed() >= next);
            if count > 0 || is_time {
                next = device.run(began.elapsed(), &piece[..count], &mut out);
                if let Some(why) = device.broken() {
                    return Err(io::Error::other(why));
                }
            }
        }
        if !out.is_empty() {
            match write(line, &out) {
                Ok(count) => drop(out.drain(..count)),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::IO | Errno::PIPE | Errno::CONNRESET) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}
