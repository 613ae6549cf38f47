//! Who may reset a card that several share.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Answer to the wish to reset a card.
#[derive(Debug)]
pub enum Claim {
    /// The card is to be reset, by nobody else until the turn is dropped. Whoever shares it finds
    /// out at the next access.
    Granted(Turn),
    /// Another has reset the card since this one last did, or began to use it: nothing of before
    /// is left on it, and its own queue is to be started anew.
    Done,
}

/// The right to reset a card, given back when dropped.
#[derive(Debug, Default)]
pub struct Turn(Option<Arc<Lock>>);

impl Turn {
    /// The turn of the only one who uses a card.
    pub fn alone() -> Self {
        Self(None)
    }
}

/// A lock that can be held without borrowing it.
#[derive(Debug, Default)]
pub(super) struct Lock {
    taken: Mutex<bool>,
    free: Condvar,
}

impl Lock {
    /// Waits until nobody else has the turn.
    pub(super) fn take(self: &Arc<Self>) -> Turn {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken {
            let woken = self.free.wait(taken);
            taken = woken.unwrap_or_else(PoisonError::into_inner);
        }
        *taken = true;
        Turn(Some(Arc::clone(self)))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(lock) = &self.0 {
            let mut taken = lock.taken.lock().unwrap_or_else(PoisonError::into_inner);
            *taken = false;
            lock.free.notify_one();
        }
    }
}
