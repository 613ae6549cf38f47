//! The functional model of a card: the golden meaning of every command and register.
//!
//! It has no clock. [`Card`] runs one program, [`QueueModel`] is the card behind its register
//! window: it takes submissions from the ring in memory and writes completions. Everything that
//! the host can see, apart from cycles and counters, is the same as on the RTL.
//!
//! # Corners
//! - **Power-up.** Buffers and accumulators are zero here and unspecified on the RTL. They keep
//!   what they hold from one program to the next, after an error and across a reset too; after an
//!   error, whatever the program's commands could have written is unspecified.
//! - **Checks.** The front end reads one command after another. It checks a command as soon as the
//!   one before was handed out, also when the queue of its engine is full, and hands it out when
//!   there is room. At the first failing check it hands out nothing more; the program ends with
//!   that cause and index. What was handed out may have ended or not, so memory that these
//!   commands write is unspecified.
//! - **Reading commands.** A command of which any byte cannot be read fails with
//!   [`ReadFault`](crate::error::ErrorCode::ReadFault) and its own index, at the moment at which
//!   it would have been checked. Nothing beyond the last command is read.
//! - **Engines.** LOAD, GEMM and STORE each have a queue of
//!   [`ENGINE_QUEUE`](crate::command::ENGINE_QUEUE) commands and run them in order, each command
//!   as if it were alone on its engine: a GEMM that adds to rows that the GEMM before it wrote
//!   sees them written, and so does every tile of K within a GEMM, however small `m` is.
//! - **Tokens.** A command takes all tokens of its wait mask at once, when it starts, and gives
//!   all of its signal mask at once, when it has ended. Tokens left over at the end of a program
//!   are no error; the next program starts with zero.
//! - **Races.** Commands of different engines that touch the same buffer rows, accumulators or
//!   memory, and that no token orders, may run in either order; so may two engines that wait for
//!   the same token, and so may a token reach
//!   [`TOKEN_MAX`](crate::command::TOKEN_MAX) or not. The model shows one of the possible outcomes.
//! - **Deadlock.** When no engine runs, no head of a queue has its tokens, and the front end has
//!   nothing left or waits for room in a full queue, the program ends with
//!   [`TokenNeverGiven`](crate::error::ErrorCode::TokenNeverGiven) and the lowest index among the
//!   heads of the queues.
//! - **Bus errors.** A LOAD, or a STORE, of which any line is answered with an error ends with
//!   [`ReadFault`](crate::error::ErrorCode::ReadFault), or
//!   [`WriteFault`](crate::error::ErrorCode::WriteFault), and its own index; it gives no tokens.
//!   Where memory says more than that, here and everywhere, the error is that of the
//!   [cause](crate::error::FaultCause); of a LOAD, that of the line that fails first.
//! - **Several errors.** A program that holds more than one error ends with the one that the card
//!   meets first, which can depend on timing when one of them is a bus error. The model hands out
//!   as early as it can, so it reports a failing check before the bus error of an earlier command.
//! - **Early release.** A STORE with `release` gives its tokens when it has read the accumulators
//!   and the scales; its writes may reach memory at any time until the program ends, so nothing
//!   that waits for its tokens may read them. A program always ends after all of its writes are
//!   confirmed, and a write that fails ends it with the index of its STORE all the same.
//! - **STORE.** The bytes of the result are contiguous; of the last line only those that exist are
//!   written.

mod buffers;
mod card;
mod memory;
mod queue;
mod registers;
mod schedule;
mod tiles;

pub use card::{Card, Outcome};
pub use memory::{Memory, SliceMemory};
pub use queue::QueueModel;
