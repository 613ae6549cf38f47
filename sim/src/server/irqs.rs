//! Event descriptors of a client, by interrupt type and vector.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::warn;
use vfio_user_protocol::{Errno, IrqData};

use super::signal::Signaller;

/// The vectors of one type. They are signalled from wherever the card is at work.
#[derive(Debug)]
pub struct Vectors {
    count: u32,
    signaller: Arc<Signaller>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    events: Vec<Option<OwnedFd>>,
    /// Vectors that the client has masked, in types that it can mask.
    masked: Vec<bool>,
}

impl State {
    fn new(count: u32) -> Self {
        Self {
            events: (0..count).map(|_| None).collect(),
            masked: vec![false; count as usize],
        }
    }
}

impl Vectors {
    /// Vectors that nobody listens to.
    pub fn new(count: u32, signaller: &Arc<Signaller>) -> Self {
        Self {
            count,
            signaller: Arc::clone(signaller),
            state: Mutex::new(State::new(count)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Vectors there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether a vector has a descriptor and is not masked.
    pub fn listens(&self, vector: u32) -> bool {
        let vector = vector as usize;
        let state = self.state();
        state.events.get(vector).is_some_and(Option::is_some) && !state.masked[vector]
    }

    /// Drops all descriptors and masks.
    pub fn clear(&self) {
        *self.state() = State::new(self.count);
    }

    /// Gives the vectors from `start` on these descriptors, or none to `count` of them.
    ///
    /// # Errors
    /// [`Errno::INVAL`] for a descriptor that is none of an event, or a vector that is not there;
    /// nothing changes then.
    pub fn connect(&self, start: u32, count: u32, files: Vec<OwnedFd>) -> Result<(), Errno> {
        let range = self.range(start, count)?;
        if files.is_empty() {
            self.state().events[range].fill_with(|| None);
            return Ok(());
        }
        if files.len() != range.len() || !files.iter().all(is_event) {
            return Err(Errno::INVAL);
        }
        for (event, file) in self.state().events[range].iter_mut().zip(files) {
            *event = Some(file);
        }
        Ok(())
    }

    /// Masks or unmasks.
    ///
    /// # Errors
    /// [`Errno::INVAL`] for a vector that is not there, [`Errno::NOTTY`] for descriptors, which
    /// only vectors could take that mask themselves.
    pub fn mask(&self, start: u32, count: u32, data: &IrqData, on: bool) -> Result<(), Errno> {
        for vector in self.chosen(start, count, data)? {
            self.state().masked[vector] = on;
        }
        Ok(())
    }

    /// Signals vectors because the client wants to see that.
    ///
    /// # Errors
    /// [`Errno::INVAL`] for a vector that is not there, [`Errno::NOTTY`] for descriptors.
    pub fn trigger(&self, start: u32, count: u32, data: &IrqData) -> Result<(), Errno> {
        for vector in self.chosen(start, count, data)? {
            self.signal(vector as u32);
        }
        Ok(())
    }

    /// Signals a vector; nobody hears it when it has no descriptor.
    pub fn signal(&self, vector: u32) {
        let state = self.state();
        let Some(Some(event)) = state.events.get(vector as usize) else {
            return;
        };
        // Who reads it must not be able to hold up the card.
        if let Err(error) = self.signaller.signal(event.as_fd()) {
            warn!(vector, "an interrupt could not be signalled: {error}");
        }
    }

    /// The vectors that a request is about.
    fn chosen(&self, start: u32, count: u32, data: &IrqData) -> Result<Vec<usize>, Errno> {
        let range = self.range(start, count)?;
        match data {
            IrqData::None => Ok(range.collect()),
            IrqData::Bool(which) if which.len() == range.len() => Ok(range
                .zip(which)
                .filter_map(|(vector, &it)| it.then_some(vector))
                .collect()),
            IrqData::Bool(_) => Err(Errno::INVAL),
            IrqData::EventFds(_) => Err(Errno::NOTTY),
        }
    }

    fn range(&self, start: u32, count: u32) -> Result<std::ops::Range<usize>, Errno> {
        let end = start.checked_add(count).filter(|&end| end <= self.count());
        Ok(start as usize..end.ok_or(Errno::INVAL)? as usize)
    }
}

/// Whether a descriptor is that of an event. To write to anything else could take for ever.
fn is_event(file: &OwnedFd) -> bool {
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    std::fs::read_link(link).is_ok_and(|target| target.as_os_str() == "anon_inode:[eventfd]")
}
