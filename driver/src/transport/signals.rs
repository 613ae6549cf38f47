//! Interrupts that arrive through descriptors.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

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
    #[cfg(test)]
    pub(super) fn raise(&self) {
        rustix::io::write(&self.0, &1u64.to_ne_bytes()).expect("there is room for one more");
    }
}

impl AsFd for Signal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits until one of the signals can be taken, at most for `time`.
pub(super) fn wait_any(signals: &[&Signal], time: Duration) -> Result<(), Errno> {
    let end = Instant::now().checked_add(time);
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        // A time beyond what the kernel counts is no limit.
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut list: Vec<PollFd<'_>> = signals
            .iter()
            .map(|signal| PollFd::new(*signal, PollFlags::IN))
            .collect();
        match poll(&mut list, timeout.as_ref()) {
            Err(Errno::INTR) => {}
            result => return result.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_taken_once() {
        let (one, two) = (Signal::new().expect("one"), Signal::new().expect("two"));
        wait_any(&[&one, &two], Duration::from_millis(1)).expect("a wait");
        assert!(!one.take() && !two.take());
        two.raise();
        two.raise();
        // A wait without end, so that one which does not see the signal does not end.
        wait_any(&[&one, &two], Duration::MAX).expect("a wait");
        assert!(!one.take() && two.take());
        assert!(!two.take());
    }

    #[test]
    fn a_signal_wakes_another_thread() {
        let signal = Signal::new().expect("a signal");
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                wait_any(&[&signal], Duration::from_secs(60)).expect("a wait");
                signal.take()
            });
            signal.raise();
            assert!(waiter.join().expect("no panic"));
        });
    }
}
