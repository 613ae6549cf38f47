//! The way to a card: registers, shared memory, and waiting for its interrupt.

pub mod function;
pub mod kernel;
#[cfg(feature = "sim")]
mod local;
mod model;
mod port;
pub mod serial;
mod signals;
#[cfg(feature = "sim")]
mod sim;
mod user;

use std::any::Any;
use std::time::Duration;

use isa::regs;

use crate::dma::DmaMemory;
use serial::Traffic;

pub use function::{Claim, Function, FunctionTransport, Turn};
pub use kernel::KernelFunction;
#[cfg(feature = "sim")]
pub use local::LocalFunction;
pub use model::ModelTransport;
pub use serial::SerialFunction;
#[cfg(feature = "sim")]
pub use sim::SimTransport;
pub use user::UserFunction;

/// How long to wait, in what the transport can count without a hang.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Cycles, where the host makes the card's clock tick.
    pub cycles: u64,
    /// Time, everywhere else.
    pub time: Duration,
}

impl Patience {
    /// Time that a cycle takes on the slowest card that is waited for: one that a server
    /// simulates, at 50 kHz.
    const SLOWEST_CYCLE: Duration = Duration::from_micros(20);

    /// Enough for so many cycles, however slow the card is.
    pub(crate) const fn of_cycles(cycles: u32) -> Self {
        Self {
            cycles: cycles as u64,
            time: Self::SLOWEST_CYCLE.saturating_mul(cycles),
        }
    }
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The card raised its interrupt.
    Interrupt,
    /// Patience ran out, or a card without a clock has nothing left to do.
    Expired,
}

/// Why the card could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// It was pulled out, or who stood for it has ended.
    #[error("the device is gone: {why}")]
    Gone {
        /// How that was noticed.
        why: String,
    },
    /// The card was reset by another who shares it. Nothing of before is left on it.
    #[error("the card was reset because another of its queues failed")]
    ResetElsewhere,
    /// The machine reports that accesses of the card went wrong, so what is in memory cannot be
    /// believed.
    #[error("{0}")]
    Alarm(String),
    /// No memory that the device can reach.
    #[error("cannot get {bytes} bytes of memory that the device can reach: {why}")]
    Memory {
        /// Bytes that were asked for.
        bytes: usize,
        /// What stood in the way.
        why: String,
    },
    /// The card behind the transport failed.
    #[error("the way to the device is broken: {0}")]
    Broken(String),
}

/// A way to one queue of a card, and to what all of its queues share.
pub trait Transport: Send {
    /// What this is, for people, such as `functional card in this process`.
    fn describe(&self) -> &str;

    /// Reads a register once.
    ///
    /// # Errors
    /// When the access itself fails.
    fn read_raw(&mut self, offset: u32) -> Result<u32, TransportError>;

    /// Writes a register. All memory that the host wrote before is visible to the card first.
    ///
    /// # Errors
    /// When the access itself fails.
    fn write(&mut self, offset: u32, value: u32) -> Result<(), TransportError>;

    /// Memory of zeros that the card can reach, page-aligned.
    ///
    /// # Errors
    /// When there is none.
    fn allocate(&mut self, bytes: usize) -> Result<DmaMemory, TransportError>;

    /// Memory of the card itself, page-aligned; what it holds is unspecified. `None` where there is
    /// none, or none left.
    fn allocate_on_card(&mut self, _bytes: usize) -> Option<DmaMemory> {
        None
    }

    /// Keeps what a card that cannot be stopped may still write to, until it can do so no more: at
    /// the latest for ever.
    fn keep(&mut self, memory: Box<dyn Any + Send>) {
        std::mem::forget(memory);
    }

    /// Waits for the interrupt of the queue. A card in this process runs here.
    ///
    /// # Errors
    /// When the card cannot be reached.
    fn wait(&mut self, patience: Patience) -> Result<Wake, TransportError>;

    /// Makes the interrupt of `queue` ready for the next completion, after it has ended a wait: a
    /// line stays up until it is acknowledged, and would end the next wait too.
    ///
    /// # Errors
    /// When the access itself fails.
    fn acknowledge(&mut self, queue: u32) -> Result<(), TransportError> {
        let status = regs::of_queue(queue, regs::IRQ_STATUS);
        self.write(status, regs::IRQ_COMPLETION)
    }

    /// Asks whether what the card has done since the last time may be believed: completions do not
    /// tell when a write was lost on its way; and whether the card is still this program's to use.
    ///
    /// # Errors
    /// [`TransportError::Alarm`], once for each way to the card; [`TransportError::ResetElsewhere`];
    /// [`TransportError::Gone`], also when its owner wants it back.
    fn check(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    /// Lets a card in this process run for a moment, for those who look into memory instead of
    /// waiting; other cards run by themselves.
    ///
    /// # Errors
    /// When the card cannot be reached.
    fn progress(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    /// The queue that this is the way to.
    fn queue(&self) -> u32 {
        0
    }

    /// Asks to reset the card, which takes everything from all of its queues.
    fn claim_reset(&mut self) -> Claim {
        Claim::Granted(Turn::alone())
    }

    /// Resets the whole function from outside, for a card whose registers do not answer any more
    /// (function-level reset of PCIe, the reset pin of a simulated card).
    ///
    /// # Errors
    /// When that is not possible.
    fn function_reset(&mut self) -> Result<(), TransportError>;

    /// Cycles that the card has run, where the host makes its clock tick.
    fn clock(&self) -> Option<u64> {
        None
    }

    /// Simulated cycles a second of wall time so far, where the card is simulated.
    fn speed(&self) -> Option<f64> {
        None
    }

    /// What went over the line so far, where the card is on one.
    fn traffic(&self) -> Option<Traffic> {
        None
    }

    /// Reads a register and tells a card that is gone from one that holds all ones.
    ///
    /// # Errors
    /// [`TransportError::Gone`], and those of [`Self::read_raw`].
    fn read(&mut self, offset: u32) -> Result<u32, TransportError> {
        let value = self.read_raw(offset)?;
        // No register of the contract holds all ones for ever, but a lower half of a counter may
        // for a moment; the identity never does.
        if value == u32::MAX && self.read_raw(regs::ID)? == u32::MAX {
            return Err(TransportError::Gone {
                why: format!("register {offset:#05x} and its identity read all ones"),
            });
        }
        Ok(value)
    }
}

impl Transport for Box<dyn Transport> {
    fn describe(&self) -> &str {
        (**self).describe()
    }

    fn read_raw(&mut self, offset: u32) -> Result<u32, TransportError> {
        (**self).read_raw(offset)
    }

    fn write(&mut self, offset: u32, value: u32) -> Result<(), TransportError> {
        (**self).write(offset, value)
    }

    fn allocate(&mut self, bytes: usize) -> Result<DmaMemory, TransportError> {
        (**self).allocate(bytes)
    }

    fn allocate_on_card(&mut self, bytes: usize) -> Option<DmaMemory> {
        (**self).allocate_on_card(bytes)
    }

    fn keep(&mut self, memory: Box<dyn Any + Send>) {
        (**self).keep(memory);
    }

    fn wait(&mut self, patience: Patience) -> Result<Wake, TransportError> {
        (**self).wait(patience)
    }

    fn acknowledge(&mut self, queue: u32) -> Result<(), TransportError> {
        (**self).acknowledge(queue)
    }

    fn check(&mut self) -> Result<(), TransportError> {
        (**self).check()
    }

    fn progress(&mut self) -> Result<(), TransportError> {
        (**self).progress()
    }

    fn queue(&self) -> u32 {
        (**self).queue()
    }

    fn claim_reset(&mut self) -> Claim {
        (**self).claim_reset()
    }

    fn function_reset(&mut self) -> Result<(), TransportError> {
        (**self).function_reset()
    }

    fn clock(&self) -> Option<u64> {
        (**self).clock()
    }

    fn speed(&self) -> Option<f64> {
        (**self).speed()
    }

    fn traffic(&self) -> Option<Traffic> {
        (**self).traffic()
    }
}
