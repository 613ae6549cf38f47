//! Interrupts that arrive through descriptors.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

/// A descriptor that somebody signals and this process waits for.
#[derive(Debug)]
pub(super) struct Signal(OwnedFd);

impl Signal {
    pub(super) fn new() -> Result<Self, Errno> {
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map(Self)
    }

    /// Takes what was signalled since the last time; says whether there was something.
    pub(super) fn take(&self) -> bool {
        rustix::io::read(&self.0, &mut [0u8; 8]).is_ok()
    }

    /// Signals it, as a device would.
    pub(super) fn raise(&self) {
        // One that cannot count any further is signalled all the same.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}

impl AsFd for Signal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A report that concerns all who use a card. Each of them is to see it once.
#[derive(Debug)]
pub(super) struct Alarm {
    signal: Signal,
    /// Times that it came.
    count: Mutex<u64>,
}

impl Alarm {
    pub(super) fn new() -> Result<Self, Errno> {
        Ok(Self {
            signal: Signal::new()?,
            count: Mutex::new(0),
        })
    }

    /// Times that it came so far. Who finds that it came again raises `others`: of several that
    /// sleep on one descriptor those who look too late find it taken, and sleep on.
    pub(super) fn count(&self, others: &[Signal]) -> u64 {
        // Under the lock, so that whoever finds the signal taken finds it counted too.
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        if self.signal.take() {
            *count += 1;
            others.iter().for_each(Signal::raise);
        }
        *count
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.signal.as_fd()
    }
}

/// Waits until one of the descriptors can be read, the peer of a socket is gone, or the time is
/// over; says whether it is.
pub(super) fn wait_any(
    files: &[BorrowedFd<'_>],
    peer: Option<BorrowedFd<'_>>,
    end: Option<Instant>,
) -> Result<bool, Errno> {
    let files = files.iter().map(|file| (*file, PollFlags::IN));
    // What comes over the socket is for others.
    let peer = peer.map(|socket| (socket, PollFlags::RDHUP));
    let mut list: Vec<PollFd<'_>> = files
        .chain(peer)
        .map(|(file, events)| PollFd::from_borrowed_fd(file, events))
        .collect();
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        // A time beyond what the kernel counts is no limit.
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut list, timeout.as_ref()) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
            Ok(ready) => return Ok(ready == 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_taken_once() {
        let (one, two) = (Signal::new().expect("one"), Signal::new().expect("two"));
        let files = [one.as_fd(), two.as_fd()];
        assert_eq!(wait_any(&files, None, Some(Instant::now())), Ok(true));
        assert!(!one.take() && !two.take());
        two.raise();
        two.raise();
        // A wait without end, so that one which does not see the signal does not end.
        assert_eq!(wait_any(&files, None, None), Ok(false));
        assert!(!one.take() && two.take());
        assert!(!two.take());
    }

    #[test]
    fn a_signal_wakes_another_thread() {
        let signal = Signal::new().expect("a signal");
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                wait_any(&[signal.as_fd()], None, None).expect("a wait");
                signal.take()
            });
            signal.raise();
            assert!(waiter.join().expect("no panic"));
        });
    }

    #[test]
    fn an_alarm_is_counted_once_for_all() {
        let alarm = Alarm::new().expect("an alarm");
        assert_eq!(alarm.count(&[]), 0);
        alarm.signal.raise();
        assert_eq!((alarm.count(&[]), alarm.count(&[])), (1, 1));
        alarm.signal.raise();
        assert_eq!(alarm.count(&[]), 2);
    }

    #[test]
    fn an_alarm_that_one_took_wakes_the_others() {
        let alarm = Alarm::new().expect("an alarm");
        let queues = [0, 1].map(|_| Signal::new().expect("a signal"));
        alarm.signal.raise();
        assert_eq!(alarm.count(&queues), 1);
        for queue in &queues {
            let files = [queue.as_fd(), alarm.as_fd()];
            assert_eq!(wait_any(&files, None, Some(Instant::now())), Ok(false));
            assert!(queue.take());
        }
        assert_eq!(alarm.count(&queues), 1);
        assert!(queues.iter().all(|queue| !queue.take()));
    }
}
