//! The thread that has the line, and those who wait for it.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::line::Line;
use super::options::SerialOptions;
use super::session::{Phase, Request, Session};
use crate::transport::signals::Signal;
use crate::transport::{Patience, TransportError, Wake};

/// Bytes that are read at once.
const PIECE: usize = 4096;

/// A session with a card, and the thread that keeps it going until this is dropped.
pub(super) struct Service {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    line: Line,
    began: Instant,
    state: Mutex<State>,
    /// Something came, or the session stands otherwise than before.
    changed: Condvar,
    /// The thread is to look again.
    wake: Signal,
}

struct State {
    session: Session,
    is_over: bool,
}

impl Service {
    /// Says hello and waits for the answer.
    ///
    /// # Errors
    /// No card answers, or not as it should.
    pub(super) fn start(line: Line, options: SerialOptions) -> Result<Self, TransportError> {
        let broken = |error: &dyn std::fmt::Display| {
            TransportError::Broken(format!("this process cannot serve a line: {error}"))
        };
        let session = Session::new(line.name(), options, nonce(), Duration::ZERO);
        let shared = Arc::new(Shared {
            wake: Signal::new().map_err(|error| broken(&error))?,
            line,
            began: Instant::now(),
            state: Mutex::new(State {
                session,
                is_over: false,
            }),
            changed: Condvar::new(),
        });
        let server = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("serial line".into())
            .spawn(move || Guard(&server).serve())
            .map_err(|error| broken(&error))?;
        let service = Self {
            shared,
            thread: Some(thread),
        };
        service.until_up(service.lock())?;
        Ok(service)
    }

    /// Looks at the session, or changes what needs nobody's attention.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Session) -> T) -> T {
        act(&mut self.lock().session)
    }

    /// Sends requests, one after the other; waits until the last is on its way, if `patiently`.
    ///
    /// # Errors
    /// The card is gone.
    pub(super) fn send(
        &self,
        requests: impl IntoIterator<Item = Request>,
        patiently: bool,
    ) -> Result<(), TransportError> {
        let mut state = self.lock();
        let age = state.session.age();
        state.session.check(age)?;
        let mut last = None;
        for request in requests {
            last = Some(state.session.request(request));
        }
        self.shared.wake.raise();
        while patiently && last.is_some_and(|last| !state.session.is_sent(last)) {
            state = self.wait_changed(state);
            state.session.check(age)?;
        }
        Ok(())
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// The card is gone.
    pub(super) fn ask(&self, request: Request) -> Result<u32, TransportError> {
        let mut state = self.lock();
        let age = state.session.age();
        state.session.check(age)?;
        let ticket = state.session.request(request);
        self.shared.wake.raise();
        loop {
            // One that came before the card went counts.
            if let Some(answer) = state.session.answer(ticket) {
                return Ok(answer);
            }
            state.session.check(age)?;
            state = self.wait_changed(state);
        }
    }

    /// Begins a new session, with a card that is reset by that.
    ///
    /// # Errors
    /// No card answers any more.
    pub(super) fn restart(&self) -> Result<(), TransportError> {
        let mut state = self.lock();
        // Another may just be doing so.
        if *state.session.phase() != Phase::Greeting {
            state.session.greet(nonce(), self.shared.began.elapsed());
            self.shared.wake.raise();
        }
        self.until_up(state)
    }

    /// Waits for an interrupt.
    ///
    /// # Errors
    /// The card is gone.
    pub(super) fn wait(&self, vector: u32, patience: Patience) -> Result<Wake, TransportError> {
        let end = Instant::now().checked_add(patience.time);
        let mut state = self.lock();
        loop {
            if state.session.take_event(vector) {
                return Ok(Wake::Interrupt);
            }
            let age = state.session.age();
            state.session.check(age)?;
            state = match end.map(|end| end.saturating_duration_since(Instant::now())) {
                None => self.wait_changed(state),
                Some(Duration::ZERO) => return Ok(Wake::Expired),
                Some(left) => {
                    let woken = self.shared.changed.wait_timeout(state, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn until_up(&self, mut state: MutexGuard<'_, State>) -> Result<(), TransportError> {
        let age = state.session.age();
        while *state.session.phase() != Phase::Up {
            state.session.check(age)?;
            state = self.wait_changed(state);
        }
        Ok(())
    }

    fn wait_changed<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let woken = self.shared.changed.wait(state);
        woken.unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.lock().is_over = true;
        self.shared.wake.raise();
        if let Some(thread) = self.thread.take() {
            // One that panicked has told those who waited.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Keeps the session going; gives why it cannot be any more.
    fn serve(&self) -> String {
        let mut piece = [0; PIECE];
        let mut out = Vec::new();
        let mut written = 0;
        let mut age = 0;
        loop {
            let deadline = {
                let mut state = self.lock();
                if state.is_over {
                    return "it was closed".into();
                }
                let session = &mut state.session;
                let before = session.phase().clone();
                session.tick(self.now());
                // What is left of a session before is of no use.
                let is_stale = std::mem::replace(&mut age, session.age()) != session.age();
                if is_stale || written == out.len() {
                    out.clear();
                    written = 0;
                    session.fill(self.now(), &mut out);
                }
                if *session.phase() != before || !out.is_empty() {
                    self.changed.notify_all();
                }
                session.deadline()
            };
            let gone = |error: &dyn std::fmt::Display| {
                format!("its port is gone: unplugged, or the program behind it has ended ({error})")
            };
            match self.sleep(deadline, written < out.len()) {
                Ok(()) => {}
                Err(error) => return format!("this process cannot wait for the line: {error}"),
            }
            self.wake.take();
            // A session that is lost takes nothing, and says nothing.
            if deadline.is_none() {
                continue;
            }
            match self.line.read(&mut piece) {
                Ok(0) => return gone(&"end of the line"),
                Ok(count) => {
                    self.lock().session.take(&piece[..count], self.now());
                    self.changed.notify_all();
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return gone(&error),
            }
            if written < out.len() {
                match self.line.write(&out[written..]) {
                    Ok(count) => written += count,
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    Err(error) => return gone(&error),
                }
            }
        }
    }

    /// Waits until the line has something, or room for something, or it is time.
    fn sleep(&self, deadline: Option<Duration>, writes: bool) -> Result<(), Errno> {
        let mut files = vec![PollFd::new(&self.wake, PollFlags::IN)];
        if deadline.is_some() {
            let room = match writes {
                true => PollFlags::OUT,
                false => PollFlags::empty(),
            };
            files.push(PollFd::from_borrowed_fd(
                self.line.as_fd(),
                PollFlags::IN | room,
            ));
        }
        let left = deadline.map(|deadline| deadline.saturating_sub(self.now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut files, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Tells those who wait, however the thread ends.
struct Guard<'a>(&'a Shared);

impl Guard<'_> {
    fn serve(&self) {
        let why = self.0.serve();
        self.0.lock().session.close(why);
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let why = "the thread that has its line failed".into();
        self.0.lock().session.close(why);
        self.0.changed.notify_all();
    }
}

/// A number that no session of before has: a hello's answer is to be told from that of another.
fn nonce() -> u32 {
    RandomState::new().build_hasher().finish() as u32
}
