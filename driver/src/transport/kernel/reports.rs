//! What the kernel reports of a device besides its interrupts.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use super::super::signals::{Signal, wait_any};

/// Listens to the kernel's reports in a thread of its own, so that to ask whether one came is to
/// look into memory. The kernel tells of an error of the link some time after it, so nothing is
/// lost by the moment that the thread takes to wake.
#[derive(Debug)]
pub struct Reports {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    error: Signal,
    request: Signal,
    stop: Signal,
    /// Errors of the link so far.
    errors: AtomicU64,
    /// The kernel wants the device back.
    leaving: AtomicBool,
    /// The vectors of those who wait, who are woken by every report.
    vectors: Arc<OnceLock<Vec<Signal>>>,
}

impl Reports {
    /// Begins to listen; `vectors` may be filled in later.
    ///
    /// # Errors
    /// There are no descriptors or threads left.
    pub fn listen(vectors: Arc<OnceLock<Vec<Signal>>>) -> io::Result<Self> {
        let state = Arc::new(State {
            error: Signal::new()?,
            request: Signal::new()?,
            stop: Signal::new()?,
            errors: AtomicU64::new(0),
            leaving: AtomicBool::new(false),
            vectors,
        });
        let seen = Arc::clone(&state);
        let thread = thread::Builder::new()
            .name("vfio reports".into())
            .spawn(move || seen.watch())?;
        Ok(Self {
            state,
            thread: Some(thread),
        })
    }

    /// The descriptor for errors of the link.
    pub fn error(&self) -> BorrowedFd<'_> {
        self.state.error.as_fd()
    }

    /// The descriptor for the kernel's wish to have the device back.
    pub fn request(&self) -> BorrowedFd<'_> {
        self.state.request.as_fd()
    }

    /// Errors of the link so far.
    pub fn errors(&self) -> u64 {
        self.state.errors.load(Ordering::Acquire)
    }

    /// Whether the kernel wants the device back.
    pub fn leaving(&self) -> bool {
        self.state.leaving.load(Ordering::Acquire)
    }
}

impl State {
    fn watch(&self) {
        let files = [&self.error, &self.request, &self.stop].map(AsFd::as_fd);
        loop {
            // Who cannot listen any more must not look as if nothing had come.
            let deaf = wait_any(&files, None, None).is_err();
            if self.stop.take() {
                return;
            }
            if self.error.take() || deaf {
                self.errors.fetch_add(1, Ordering::Release);
            }
            if self.request.take() {
                self.leaving.store(true, Ordering::Release);
            }
            let vectors = self.vectors.get().map(Vec::as_slice).unwrap_or_default();
            vectors.iter().for_each(Signal::raise);
            if deaf {
                return;
            }
        }
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        self.state.stop.raise();
        if let Some(thread) = self.thread.take() {
            // It cannot panic, and there is nobody to tell.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reports() -> (Reports, Arc<OnceLock<Vec<Signal>>>) {
        let vectors = Arc::<OnceLock<_>>::default();
        let reports = Reports::listen(Arc::clone(&vectors)).expect("a thread");
        let two = vec![Signal::new().expect("one"), Signal::new().expect("two")];
        vectors.set(two).expect("once");
        (reports, vectors)
    }

    /// Waits until both vectors were raised; one that is not does not end.
    fn woken(vectors: &OnceLock<Vec<Signal>>) {
        for vector in vectors.get().expect("they are there") {
            wait_any(&[vector.as_fd()], None, None).expect("a wait");
            assert!(vector.take());
        }
    }

    #[test]
    fn an_error_is_counted_and_wakes_all() {
        let (reports, vectors) = reports();
        assert_eq!((reports.errors(), reports.leaving()), (0, false));
        for count in 1..3 {
            reports.state.error.raise();
            woken(&vectors);
            assert_eq!((reports.errors(), reports.leaving()), (count, false));
        }
    }

    #[test]
    fn a_request_stays_and_wakes_all() {
        let (reports, vectors) = reports();
        reports.state.request.raise();
        woken(&vectors);
        assert_eq!((reports.errors(), reports.leaving()), (0, true));
    }
}
