//! The queue pair: programs go out, validated completions come back.

mod error;
mod start;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use isa::command::Command;
use isa::error::ErrorCode;
use isa::queue::{COMPLETION_FIELDS, COMPLETION_WORDS, Completion, SUBMISSION_WORDS, Submission};
use isa::record::reserved_bits;
use isa::regs;

use crate::dma::{DmaMemory, Retired};
use crate::transport::{Patience, Transport, Wake};

pub use error::{ProgramError, QueueError};
pub use start::{despite_reset, identify, reset, reset_queue};

/// Bits of a completion that are always zero.
const RESERVED: [u32; COMPLETION_WORDS] = reserved_bits(COMPLETION_FIELDS);
/// Tag of the completion of a submission that the card could not read; no program has it.
const UNREAD_TAG: u64 = 0;
/// Why the card could not read.
const READ_FAILURES: [ErrorCode; 6] = [
    ErrorCode::ReadFault,
    ErrorCode::CompletionTimeout,
    ErrorCode::PoisonedCompletion,
    ErrorCode::UnsupportedRequest,
    ErrorCode::CompleterAbort,
    ErrorCode::BusMasterOff,
];
/// Looks for a completion between two looks at the time.
const LOOKS: u32 = 64;
/// Pause after which who waits looks at the queue's registers: one that somebody else has reset
/// completes nothing any more, and to find that out must not take all of the patience. Long enough
/// that the looks cost nothing beside the wait.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// Interrupts without a completion that are put up with in one wait.
const SPURIOUS_INTERRUPTS: u32 = 64;

/// A program that the card has not ended.
struct Pending {
    tag: u64,
    commands: Arc<[Command]>,
}

/// A program that the card has ended.
#[derive(Debug)]
pub struct Finished {
    /// What [`QueuePair::submit`] returned.
    pub tag: u64,
    /// Success, or what the card says went wrong.
    pub result: Result<(), Box<ProgramError>>,
    /// Cycles from the moment that the card took the submission; 0 on a card without a clock.
    pub cycles: u64,
    /// Proof that the card has let go of the program's memory.
    pub retired: Retired,
}

/// A pair of rings in memory that the card reads and writes. Programs end in the order in which
/// they were submitted.
pub struct QueuePair {
    /// Number of the queue on the card.
    queue: u32,
    submissions: DmaMemory,
    completions: DmaMemory,
    entries: u32,
    tail: u32,
    head: u32,
    phase: u8,
    /// Completions that were taken and not given back to the card.
    kept: u32,
    next_tag: u64,
    outstanding: VecDeque<Pending>,
}

impl QueuePair {
    /// Programs that fit in flight at once.
    pub fn capacity(&self) -> usize {
        self.entries as usize - 1
    }

    /// Programs in flight.
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// Where a register of this queue stands.
    fn register(&self, register: u32) -> u32 {
        regs::of_queue(self.queue, register)
    }

    /// Submits the program that lies at `address` and rings the doorbell; returns its tag.
    ///
    /// # Errors
    /// [`QueueError::Full`], [`QueueError::ProgramLength`], or a broken transport. In the last
    /// case the program counts as outstanding.
    pub fn submit(
        &mut self,
        transport: &mut dyn Transport,
        address: u64,
        commands: Arc<[Command]>,
    ) -> Result<u64, QueueError> {
        let length = commands.len();
        let count = match u16::try_from(length) {
            Ok(count) if count > 0 => count,
            _ => return Err(QueueError::ProgramLength(length)),
        };
        if self.outstanding.len() >= self.capacity() {
            return Err(QueueError::Full);
        }
        let tag = self.next_tag;
        self.next_tag += 1;
        let entry = Submission {
            program: address,
            commands: count,
            tag,
        };
        let first = self.tail as usize * SUBMISSION_WORDS;
        self.submissions.store_all(first, &entry.encode());
        self.tail = (self.tail + 1) & (self.entries - 1);
        self.outstanding.push_back(Pending { tag, commands });
        transport.write(self.register(regs::SQ_TAIL), self.tail)?;
        Ok(tag)
    }

    /// Takes the next completion if there is one.
    ///
    /// # Errors
    /// [`QueueError::BadCompletion`] when it does not belong to what was submitted, or a broken
    /// transport. Nothing may be believed after that, until a reset.
    pub fn poll(&mut self, transport: &mut dyn Transport) -> Result<Option<Finished>, QueueError> {
        let first = self.head as usize * COMPLETION_WORDS;
        // The phase stands in the last word, which the card writes last.
        let last = self.completions.load(first + COMPLETION_WORDS - 1);
        if last & 1 != u32::from(self.phase) {
            return Ok(None);
        }
        let mut words = [0; COMPLETION_WORDS];
        self.completions.load_all(first, &mut words);
        let finished = self.validate(&words)?;
        self.outstanding.pop_front();
        self.head = (self.head + 1) & (self.entries - 1);
        if self.head == 0 {
            self.phase ^= 1;
        }
        // The card needs the entries back only before its ring is full: one write for many.
        self.kept += 1;
        if self.kept >= self.entries / 2 {
            self.kept = 0;
            transport.write(self.register(regs::CQ_HEAD), self.head)?;
        }
        Ok(Some(finished))
    }

    /// Waits for the next completion.
    ///
    /// # Errors
    /// Those of [`Self::poll`], [`QueueError::Timeout`], [`QueueError::Failed`],
    /// [`QueueError::Forgotten`] and [`QueueError::Fatal`].
    pub fn wait(
        &mut self,
        transport: &mut dyn Transport,
        patience: Patience,
    ) -> Result<Finished, QueueError> {
        let end = Instant::now().checked_add(patience.time);
        let mut spurious = 0;
        loop {
            if let Some(finished) = self.poll(transport)? {
                return Ok(finished);
            }
            let start = Instant::now();
            let left = end.map_or(patience.time, |end| end.saturating_duration_since(start));
            let wake = transport.wait(Patience {
                time: left.min(LOOK_PAUSE),
                ..patience
            })?;
            // Before the next look, so that a completion that this look misses ends the next wait.
            transport.acknowledge(self.queue)?;
            // The interrupt may also be lost, and the completion there all the same.
            if let Some(finished) = self.poll(transport)? {
                return Ok(finished);
            }
            self.check(transport)?;
            let is_over = match wake {
                Wake::Interrupt => {
                    spurious += 1;
                    spurious == SPURIOUS_INTERRUPTS
                }
                // A card in this process ends the wait when its cycles are over or it has nothing
                // left to do, whatever the time.
                Wake::Expired => {
                    let is_early = start.elapsed() < LOOK_PAUSE / 2;
                    left <= LOOK_PAUSE || is_early || transport.clock().is_some()
                }
            };
            if is_over {
                return Err(self.timeout(transport)?);
            }
        }
    }

    /// Looks for the next completion until it is there, without sleeping: for those who have a core
    /// to spend.
    ///
    /// Through the kernel this makes no system call while it looks but for the time of day, which
    /// Linux gives without one, also not where it looks at the registers of the queue, once in some
    /// milliseconds, and neither does [`Transport::check`] for what it finds. Behind a
    /// server's socket both read the descriptor by which the server tells of lost writes: `check`
    /// once for each completion, this function once in 64 looks. The server promises that it tells
    /// before the completion is seen; nothing that costs less keeps to that order.
    ///
    /// # Errors
    /// Those of [`Self::wait`].
    pub fn spin(
        &mut self,
        transport: &mut dyn Transport,
        patience: Patience,
    ) -> Result<Finished, QueueError> {
        let mut began = None;
        let mut looked = Duration::ZERO;
        loop {
            for _ in 0..LOOKS {
                if let Some(finished) = self.poll(transport)? {
                    return Ok(finished);
                }
                std::hint::spin_loop();
            }
            // Nobody asks for the time while completions come quickly.
            let before = transport.clock();
            let (start, first) = *began.get_or_insert_with(|| (Instant::now(), before));
            transport.progress()?;
            let spent = start.elapsed();
            let clocks = before.zip(transport.clock()).zip(first);
            let expired = match clocks {
                // A card whose clock stands still has nothing left to do.
                Some(((before, now), first)) => now == before || now - first > patience.cycles,
                None => spent > patience.time,
            };
            if expired {
                if let Some(finished) = self.poll(transport)? {
                    return Ok(finished);
                }
                self.check(transport)?;
                return Err(self.timeout(transport)?);
            }
            if clocks.is_none() && spent - looked >= LOOK_PAUSE {
                looked = spent;
                self.check(transport)?;
            }
        }
    }

    /// Lets completions raise the interrupt, as they do at the start, or not.
    ///
    /// # Errors
    /// A broken transport.
    pub fn set_interrupts(
        &mut self,
        transport: &mut dyn Transport,
        on: bool,
    ) -> Result<(), QueueError> {
        let interrupts = if on { regs::QUEUE_IRQ_ENABLE } else { 0 };
        let control = self.register(regs::QUEUE_CONTROL);
        Ok(transport.write(control, regs::QUEUE_ENABLE | interrupts)?)
    }

    /// Asks the card whether it can still complete anything.
    fn check(&self, transport: &mut dyn Transport) -> Result<(), QueueError> {
        if transport.read(regs::STATUS)? & regs::STATUS_FATAL != 0 {
            return Err(QueueError::Fatal(transport.read(regs::ERROR)?));
        }
        let status = transport.read(self.register(regs::QUEUE_STATUS))?;
        if status & regs::QUEUE_FAILED != 0 {
            let error = transport.read(self.register(regs::QUEUE_ERROR))?;
            return Err(QueueError::Failed(error));
        }
        if status & regs::QUEUE_ENABLED == 0 {
            return Err(QueueError::Forgotten);
        }
        Ok(())
    }

    /// What to say of a card that did not complete in time.
    fn timeout(&self, transport: &mut dyn Transport) -> Result<QueueError, QueueError> {
        Ok(QueueError::Timeout {
            status: transport.read(self.register(regs::QUEUE_STATUS))?,
            error: transport.read(self.register(regs::QUEUE_ERROR))?,
            outstanding: self.outstanding.len(),
        })
    }

    /// Compares a completion with the oldest submission: programs end in order.
    fn validate(&self, words: &[u32; COMPLETION_WORDS]) -> Result<Finished, QueueError> {
        let bad = |what| QueueError::BadCompletion {
            what,
            words: *words,
        };
        if words
            .iter()
            .zip(RESERVED)
            .any(|(word, mask)| word & mask != 0)
        {
            return Err(bad("a reserved bit is set"));
        }
        let entry = Completion::from_words(words);
        let Some(pending) = self.outstanding.front() else {
            return Err(bad("no program is outstanding"));
        };
        let cause = ErrorCode::from_code(entry.status).ok_or(bad("the status is unknown"))?;
        let unread = entry.tag == UNREAD_TAG && READ_FAILURES.contains(&cause);
        if entry.tag != pending.tag && !unread {
            let known = self.outstanding.iter().any(|other| other.tag == entry.tag);
            return Err(bad(match known {
                true => "the tag is that of a later program",
                false if entry.tag < pending.tag => "the program of this tag has ended before",
                false => "the tag was never given",
            }));
        }
        let behind = self.outstanding.len() as u32 - 1;
        if u32::from(entry.head) != self.tail.wrapping_sub(behind) & (self.entries - 1) {
            return Err(bad("the head does not follow the submission"));
        }
        let index = entry.command;
        let command = pending.commands.get(usize::from(index)).copied();
        let failed = |command| {
            Err(Box::new(ProgramError {
                cause,
                index,
                command,
            }))
        };
        let result = match (cause, command) {
            (ErrorCode::Success, _) if index != 0 => return Err(bad("a success names a command")),
            (ErrorCode::Success, _) => Ok(()),
            _ if unread || cause == ErrorCode::BadSubmission => match index {
                0 => failed(None),
                _ => return Err(bad("a submission that failed names a command")),
            },
            (_, None) => return Err(bad("the failed command is beyond the program")),
            (_, command) => failed(command),
        };
        Ok(Finished {
            tag: pending.tag,
            result,
            cycles: entry.cycles,
            retired: Retired::witnessed(),
        })
    }
}

#[cfg(test)]
mod tests;
