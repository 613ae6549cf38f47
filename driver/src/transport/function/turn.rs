//! Who may reset a card that several share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

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
#[derive(Debug)]
pub struct Turn(Option<Arc<Resets>>);

impl Turn {
    /// The turn of the only one who uses a card.
    pub fn alone() -> Self {
        Self(None)
    }

    /// The card was reset: those who share it need not do so again.
    pub fn succeeded(self) {
        if let Some(resets) = &self.0 {
            resets.lock().ended = resets.begun.load(Ordering::Relaxed);
        }
    }
}

/// The resets of one card.
#[derive(Debug, Default)]
pub(super) struct Resets {
    /// Number of the last that was begun.
    begun: AtomicU64,
    state: Mutex<State>,
    free: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Somebody has the turn.
    taken: bool,
    /// Number of the last that succeeded.
    ended: u64,
}

impl Resets {
    /// Whether none was begun since the one with the number `seen`.
    pub(super) fn are_at(&self, seen: u64) -> bool {
        self.begun.load(Ordering::Acquire) == seen
    }

    /// Asks for a reset on behalf of one who has seen the resets up to number `seen`.
    pub(super) fn claim(self: &Arc<Self>, seen: &mut u64) -> Claim {
        let mut state = self.lock();
        while state.taken {
            let woken = self.free.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        let begun = self.begun.load(Ordering::Relaxed);
        // One that did not succeed is no news of a clean card.
        if begun != *seen && state.ended == begun {
            *seen = begun;
            return Claim::Done;
        }
        *seen = begun + 1;
        self.begun.store(*seen, Ordering::Release);
        state.taken = true;
        Claim::Granted(Turn(Some(Arc::clone(self))))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(resets) = &self.0 {
            resets.lock().taken = false;
            // All, because one that finds a clean card takes no turn that it could pass on.
            resets.free.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(claim: Claim) -> Turn {
        match claim {
            Claim::Granted(turn) => turn,
            Claim::Done => panic!("nobody has reset it"),
        }
    }

    #[test]
    fn one_resets_for_all() {
        let resets = Arc::new(Resets::default());
        let (mut one, mut two) = (0, 0);
        granted(resets.claim(&mut one)).succeeded();
        assert!(resets.are_at(one) && !resets.are_at(two));
        assert!(matches!(resets.claim(&mut two), Claim::Done));
        assert!(resets.are_at(two));
        granted(resets.claim(&mut two)).succeeded();
        assert!(!resets.are_at(one));
        assert!(matches!(resets.claim(&mut one), Claim::Done));
    }

    #[test]
    fn a_reset_that_failed_is_done_again() {
        let resets = Arc::new(Resets::default());
        let (mut one, mut two) = (0, 0);
        drop(granted(resets.claim(&mut one)));
        drop(granted(resets.claim(&mut two)));
        granted(resets.claim(&mut one)).succeeded();
        assert!(matches!(resets.claim(&mut two), Claim::Done));
    }

    #[test]
    fn those_who_ask_meanwhile_wait() {
        let resets = Arc::new(Resets::default());
        let turn = granted(resets.claim(&mut 0));
        std::thread::scope(|scope| {
            let waiters: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| matches!(resets.claim(&mut 0), Claim::Done)))
                .collect();
            turn.succeeded();
            for waiter in waiters {
                assert!(waiter.join().expect("no panic"));
            }
        });
    }
}
