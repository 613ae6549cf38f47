//! Commands between the thread that receives them and the one that handles them.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::Ended;
use crate::socket::Message;

/// Payload and overhead in bytes, from which on the client has to wait.
const BYTES: usize = 8 << 20;
/// File descriptors from which on the client has to wait.
const FDS: usize = 64;
/// Bytes that a message weighs beside its payload.
const OVERHEAD: usize = 256;
/// How much more may wait while the device waits for the client.
const URGENT: usize = 4;

/// A queue of bounded weight.
///
/// A full queue is not read into, so that the client waits in its turn. While the device waits for
/// the client's answer that must not be, because the answer comes behind the commands: the queue
/// then takes several times as much, and a client that sends even more loses its connection.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    /// Something came, or nothing more will.
    filled: Condvar,
    /// Something was taken, or the device waits for the client.
    drained: Condvar,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Message>,
    bytes: usize,
    fds: usize,
    /// Accesses to the client's memory that wait for an answer.
    urgent: usize,
    /// Why no more comes.
    ended: Option<Ended>,
    /// Whether nobody takes anything any more.
    closed: bool,
}

impl State {
    fn weighs(&self, limit: usize) -> bool {
        self.bytes >= limit * BYTES || self.fds >= limit * FDS
    }
}

/// Why a message was not taken.
pub(super) enum Full {
    /// The client sent too much while it owed an answer.
    Flooded,
    /// Nobody takes messages any more.
    Closed,
}

impl Inbox {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can panic half way through a change.
        self.state.lock().unwrap_or_else(|held| held.into_inner())
    }

    /// Appends a message as soon as there is room.
    pub fn push(&self, message: Message) -> Result<(), Full> {
        let mut state = self.state();
        while state.weighs(1) && state.urgent == 0 && !state.closed {
            state = self
                .drained
                .wait(state)
                .unwrap_or_else(|held| held.into_inner());
        }
        if state.closed {
            return Err(Full::Closed);
        }
        if state.weighs(URGENT) {
            return Err(Full::Flooded);
        }
        state.bytes += weight(&message);
        state.fds += message.fds.len();
        state.messages.push_back(message);
        self.filled.notify_one();
        Ok(())
    }

    /// The next message, if one is there or comes within `patience`. What came before the end is
    /// still given.
    pub fn pop(&self, patience: Duration) -> Result<Option<Message>, Ended> {
        let deadline = Instant::now().checked_add(patience);
        let mut state = self.state();
        loop {
            if let Some(message) = state.messages.pop_front() {
                state.bytes -= weight(&message);
                state.fds -= message.fds.len();
                self.drained.notify_one();
                return Ok(Some(message));
            }
            if let Some(ended) = &state.ended {
                return Err(ended.clone());
            }
            let left = match deadline {
                None => Duration::MAX,
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
            };
            if left.is_zero() {
                return Ok(None);
            }
            (state, _) = self
                .filled
                .wait_timeout(state, left)
                .unwrap_or_else(|held| held.into_inner());
        }
    }

    /// Messages that are there.
    pub fn len(&self) -> usize {
        self.state().messages.len()
    }

    /// Nothing more comes; the first reason counts.
    pub fn end(&self, why: Ended) {
        self.state().ended.get_or_insert(why);
        self.filled.notify_all();
    }

    /// Nobody takes anything any more.
    pub fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.messages.clear();
        self.drained.notify_all();
    }

    /// Makes room as long as the result lives, because the device waits for the client.
    pub fn urgently(&self) -> Urgent<'_> {
        self.state().urgent += 1;
        self.drained.notify_all();
        Urgent(self)
    }
}

fn weight(message: &Message) -> usize {
    message.payload.len() + OVERHEAD
}

/// See [`Inbox::urgently`].
pub(super) struct Urgent<'a>(&'a Inbox);

impl Drop for Urgent<'_> {
    fn drop(&mut self) {
        self.0.state().urgent -= 1;
    }
}
