//! Reset of a card and start of its queue pair.

use std::collections::VecDeque;
use std::time::Duration;

use isa::config::Config;
use isa::queue::{COMPLETION_BYTES, MAX_QUEUE_LOG2, SUBMISSION_BYTES};
use isa::regs;

use super::{QueueError, QueuePair};
use crate::dma::Retired;
use crate::transport::{Patience, Transport};

/// Looks at a card in reset before it is given up.
const RESET_LOOKS: u32 = 100;
/// Pause between two looks.
const RESET_PAUSE: Patience = Patience {
    cycles: 1_000,
    time: Duration::from_millis(1),
};

/// Checks that a Systole card answers, and reads its shape.
///
/// # Errors
/// Another identity, another version, a shape that no card has, or a broken transport.
pub fn identify(transport: &mut dyn Transport) -> Result<Config, QueueError> {
    let id = transport.read(regs::ID)?;
    if id != regs::ID_VALUE {
        return Err(QueueError::NotACard(id));
    }
    let version = transport.read(regs::VERSION)?;
    if version != regs::VERSION_VALUE {
        return Err(QueueError::Version(version));
    }
    let config = regs::read_config(|offset| transport.read(offset))?;
    config.check()?;
    Ok(config)
}

/// Resets the card. Afterwards it touches no memory and no program runs.
///
/// # Errors
/// [`QueueError::Reset`] when it does not come out of reset, or a broken transport.
pub fn reset(transport: &mut dyn Transport) -> Result<Retired, QueueError> {
    transport.write(regs::CONTROL, regs::CONTROL_RESET)?;
    for _ in 0..RESET_LOOKS {
        let control = transport.read(regs::CONTROL)?;
        let status = transport.read(regs::STATUS)?;
        if control & regs::CONTROL_RESET == 0 && status == 0 {
            return Ok(Retired::witnessed());
        }
        transport.wait(RESET_PAUSE)?;
    }
    let (control, status) = (
        transport.read(regs::CONTROL)?,
        transport.read(regs::STATUS)?,
    );
    Err(QueueError::Reset { control, status })
}

impl QueuePair {
    /// Starts a queue of a card that was just [`reset`], with rings of `2^log2` entries (`log2` is
    /// brought into 1 to 12), and sets the card's watchdog to `watchdog` cycles (0: never). `queue`
    /// must be less than what the card has, see [`Config::queues`].
    ///
    /// # Errors
    /// A broken transport, or no memory.
    pub fn start(
        transport: &mut dyn Transport,
        queue: u32,
        log2: u32,
        watchdog: u32,
    ) -> Result<Self, QueueError> {
        let log2 = log2.clamp(1, MAX_QUEUE_LOG2);
        let entries = 1 << log2;
        let submissions = transport.allocate(entries as usize * SUBMISSION_BYTES)?;
        let completions = transport.allocate(entries as usize * COMPLETION_BYTES)?;
        let halves = |address: u64| (address as u32, (address >> 32) as u32);
        let (sq_low, sq_high) = halves(submissions.address());
        let (cq_low, cq_high) = halves(completions.address());
        transport.write(regs::WATCHDOG, watchdog)?;
        for (register, value) in [
            (regs::SQ_BASE_LO, sq_low),
            (regs::SQ_BASE_HI, sq_high),
            (regs::CQ_BASE_LO, cq_low),
            (regs::CQ_BASE_HI, cq_high),
            (regs::QUEUE_LOG2, log2),
            (
                regs::QUEUE_CONTROL,
                regs::QUEUE_ENABLE | regs::QUEUE_IRQ_ENABLE,
            ),
        ] {
            transport.write(regs::of_queue(queue, register), value)?;
        }
        Ok(Self {
            queue,
            submissions,
            completions,
            entries,
            tail: 0,
            head: 0,
            phase: 1,
            next_tag: 1,
            outstanding: VecDeque::new(),
        })
    }
}
