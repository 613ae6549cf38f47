//! Queues of the engines and the tokens that order them.

use alloc::collections::VecDeque;

use crate::command::{Command, ENGINE_QUEUE, Opcode, TOKEN_MAX, TOKENS};

/// A command and its index in the program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Issued {
    pub(super) index: u16,
    pub(super) command: Command,
}

/// What waits, and for what.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    queues: [VecDeque<Issued>; Opcode::ALL.len()],
    tokens: [u8; TOKENS],
}

impl Schedule {
    /// Puts a command into the queue of its engine; gives it back when the queue is full.
    pub(super) fn hand_out(&mut self, issued: Issued) -> Result<(), Issued> {
        // Every operation has its own engine, in the order of the codes.
        let queue = &mut self.queues[issued.command.opcode() as usize - Opcode::Load as usize];
        if queue.len() == ENGINE_QUEUE {
            return Err(issued);
        }
        queue.push_back(issued);
        Ok(())
    }

    /// Takes the head of an engine's queue, and its tokens, if all of them are there.
    pub(super) fn start(&mut self, engine: usize) -> Option<Issued> {
        let queue = self.queues.get_mut(engine)?;
        let wait = queue.front()?.command.wait;
        let mut wanted = tokens_of(wait);
        if wanted.any(|token| self.tokens[token] == 0) {
            return None;
        }
        for token in tokens_of(wait) {
            self.tokens[token] -= 1;
        }
        queue.pop_front()
    }

    /// Gives the tokens of a command that has ended; `false` when one of them cannot count
    /// further.
    pub(super) fn signal(&mut self, signal: u16) -> bool {
        let mut fits = true;
        for token in tokens_of(signal) {
            if self.tokens[token] == TOKEN_MAX {
                fits = false;
            } else {
                self.tokens[token] += 1;
            }
        }
        fits
    }

    /// The lowest index among the heads of the queues; `None` when all are empty.
    pub(super) fn first_waiting(&self) -> Option<u16> {
        self.queues
            .iter()
            .filter_map(|queue| queue.front())
            .map(|issued| issued.index)
            .min()
    }
}

fn tokens_of(mask: u16) -> impl Iterator<Item = usize> {
    (0..TOKENS).filter(move |token| mask >> token & 1 == 1)
}
