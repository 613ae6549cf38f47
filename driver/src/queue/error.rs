//! What can go wrong between a submission and its completion.

use isa::command::Command;
use isa::error::ErrorCode;

use crate::transport::TransportError;

/// A program that the card ended with an error. The card takes the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramError {
    /// Cause.
    pub cause: ErrorCode,
    /// Index of the command at fault.
    pub index: u16,
    /// The command at fault; `None` when the submission itself is.
    pub command: Option<Command>,
}

impl std::fmt::Display for ProgramError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            cause,
            index,
            command,
        } = self;
        write!(f, "the card ended the program: {cause}")?;
        match command {
            Some(Command {
                wait,
                signal,
                operation,
            }) => {
                write!(
                    f,
                    " (command {index}: {operation:?}, waits {wait:#06x}, signals {signal:#06x})"
                )
            }
            None => f.write_str(" (the submission itself)"),
        }
    }
}

impl std::error::Error for ProgramError {}

/// The queue pair cannot go on; only a reset helps.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The way to the card is broken.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// What answers is no card of ours.
    #[error("register ID reads {0:#010x}, which is no Systole card")]
    NotACard(u32),
    /// The card speaks another version of the contract.
    #[error("the card speaks version {0:#010x} of the contract, this library {expected:#010x}", expected = isa::regs::VERSION_VALUE)]
    Version(u32),
    /// The card describes itself with a shape that no card can have.
    #[error("the card describes itself with a shape that no card has: {0}")]
    Config(#[from] isa::config::ConfigError),
    /// The card has fewer queues.
    #[error("the card has {queues} queues, and none with the number {queue}")]
    NoQueue {
        /// Which was asked for, from 0 on.
        queue: u32,
        /// Queues of the card.
        queues: u32,
    },
    /// The card, or one of its queues, does not come out of its reset.
    #[error("the card does not end its reset: control {control:#x}, status {status:#x}")]
    Reset {
        /// Its register CONTROL or QUEUE_CONTROL.
        control: u32,
        /// Its register STATUS or QUEUE_STATUS.
        status: u32,
    },
    /// No completion came in time.
    #[error(
        "no completion came in time: QUEUE_STATUS {status:#x}, QUEUE_ERROR {error:#010x}, {outstanding} programs outstanding"
    )]
    Timeout {
        /// Register QUEUE_STATUS.
        status: u32,
        /// Register QUEUE_ERROR.
        error: u32,
        /// Programs that the card has not ended.
        outstanding: usize,
    },
    /// The card reports that it could not write a completion.
    #[error("the card could not write a completion of this queue: QUEUE_ERROR {0:#010x}")]
    Failed(u32),
    /// The card knows nothing of the queue any more.
    #[error("the card has forgotten this queue: somebody else has reset it")]
    Forgotten,
    /// The card reports that its memory port hangs.
    #[error("the card reports a fatal error: ERROR {0:#010x}")]
    Fatal(u32),
    /// A completion that contradicts what was submitted.
    #[error("the completion {words:08x?} is wrong: {what}")]
    BadCompletion {
        /// Which part, and why.
        what: &'static str,
        /// The entry.
        words: [u32; isa::queue::COMPLETION_WORDS],
    },
    /// The submission ring has no room.
    #[error("the submission ring is full")]
    Full,
    /// A program that no submission can hold.
    #[error("a program of {0} commands is not 1 to 65,535 long")]
    ProgramLength(usize),
}
