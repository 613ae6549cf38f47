//! The queue pair: submissions from the host, completions from the card.
//!
//! Both are rings in host memory of a power-of-two number of entries. The host writes submissions
//! and then the tail doorbell; the card reads them in order, runs one program at a time, and
//! writes a completion whose phase bit tells the host that it is new: 1 on the first round of the
//! ring, 0 on the second, and so on (as in NVM Express, section 3.3.3.2.1 of its base
//! specification). The host gives completion entries back with the head doorbell; a card that
//! finds the ring full waits. Indices count modulo the ring, which holds one entry less than its
//! size; completions come in the order of the submissions, each written at once.
//!
//! A card has several queue pairs that share its engines: one program runs at a time, the queues
//! take turns. What one queue does wrong harms no other.

use crate::command::{ADDRESS_BITS, COMMAND_BYTES};
use crate::error::ErrorCode;
use crate::record;
use crate::record::reserved_bits_are_zero;

/// 32-bit words of a submission entry.
pub const SUBMISSION_WORDS: usize = 16;
/// Bytes of a submission entry; the ring starts at a multiple of it.
pub const SUBMISSION_BYTES: usize = SUBMISSION_WORDS * 4;
/// 32-bit words of a completion entry.
pub const COMPLETION_WORDS: usize = 8;
/// Bytes of a completion entry; the ring starts at a multiple of it.
pub const COMPLETION_BYTES: usize = COMPLETION_WORDS * 4;
/// Most queue pairs of a card.
pub const MAX_QUEUES: u32 = 8;
/// Largest size of a ring, as a power of two.
pub const MAX_QUEUE_LOG2: u32 = 12;

record! {
    /// A request to run a program.
    pub struct Submission, SUBMISSION_FIELDS {
        program: u64 = (0, 0, 64), "Address of the first command; a multiple of 64.";
        commands: u16 = (2, 0, 16), "Number of commands, at least 1.";
        tag: u64 = (4, 0, 64), "Number of the host's choice, handed back in the completion.";
    }
}

record! {
    /// The end of a program.
    pub struct Completion, COMPLETION_FIELDS {
        tag: u64 = (0, 0, 64), "Tag of the submission.";
        status: u16 = (2, 0, 16), "0: done; otherwise the cause, see the error codes.";
        head: u16 = (2, 16, 16), "Index of the submission after this one: entries before it are free.";
        command: u16 = (3, 0, 16), "Index of the command that failed; 0 on success.";
        cycles: u64 = (4, 0, 48), "Cycles from the moment that the card took the submission.";
        phase: u8 = (7, 0, 1), "Phase bit.";
    }
}

impl Submission {
    /// The entry as it stands in memory, each word little-endian.
    pub fn encode(&self) -> [u32; SUBMISSION_WORDS] {
        let mut words = [0; SUBMISSION_WORDS];
        self.put_words(&mut words);
        words
    }

    /// Reads and checks an entry.
    ///
    /// # Errors
    /// [`ErrorCode::BadSubmission`].
    pub fn decode(words: &[u32; SUBMISSION_WORDS]) -> Result<Self, ErrorCode> {
        let entry = Self::from_words(words);
        let good = reserved_bits_are_zero(words, &[SUBMISSION_FIELDS])
            && entry.commands != 0
            && entry.program.is_multiple_of(COMMAND_BYTES as u64)
            && entry.program >> ADDRESS_BITS == 0;
        if good {
            Ok(entry)
        } else {
            Err(ErrorCode::BadSubmission)
        }
    }
}

impl Completion {
    /// The entry as it stands in memory, each word little-endian.
    pub fn encode(&self) -> [u32; COMPLETION_WORDS] {
        let mut words = [0; COMPLETION_WORDS];
        self.put_words(&mut words);
        words
    }
}
