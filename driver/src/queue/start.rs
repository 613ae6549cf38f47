//! Reset of a card and start of its queue pair.

use std::collections::VecDeque;
use std::thread::sleep;
use std::time::{Duration, Instant};

use isa::config::Config;
use isa::queue::{COMPLETION_BYTES, MAX_QUEUE_LOG2, SUBMISSION_BYTES};
use isa::regs;

use super::{QueueError, QueuePair};
use crate::dma::Retired;
use crate::transport::{Claim, Patience, Transport, TransportError};

/// Pause between two looks at a card in reset.
const RESET_PAUSE: Patience = Patience::of_cycles(250);

/// Time that a function may take to answer after a reset (PCI Express Base Specification 3.1,
/// section 6.6.1).
const READY_TIME: Duration = Duration::from_secs(1);
/// Pause between two tries of one that does not answer.
const READY_PAUSE: Duration = Duration::from_millis(5);

/// Starts a card with `start`, anew while somebody else may just be resetting it: meanwhile its
/// registers read as zeros or ones, and what is written to them is lost.
///
/// # Errors
/// Those of `start`, of its last try where the card does not answer in time.
pub fn despite_reset<T>(
    transport: &mut dyn Transport,
    mut start: impl FnMut(&mut dyn Transport) -> Result<T, QueueError>,
) -> Result<T, QueueError> {
    let began = Instant::now();
    let mut is_last = false;
    loop {
        let started = start(transport);
        let is_silent = matches!(
            started,
            Err(QueueError::NotACard(_) | QueueError::Transport(TransportError::Gone { .. }))
        );
        if !is_silent || is_last || began.elapsed() > READY_TIME {
            return started;
        }
        match transport.read_raw(regs::ID) {
            // One that answers by now is not being reset any more.
            Ok(regs::ID_VALUE) => is_last = true,
            Ok(_) => sleep(READY_PAUSE),
            // One that cannot even be asked is gone for good.
            Err(_) => return started,
        }
    }
}

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

/// Resets the card with all of its queues, by its register or else the whole function; where
/// another who shares it has done so since, that was enough. Afterwards the card touches no memory
/// that it was given before, and no program of then runs.
///
/// # Errors
/// [`QueueError::Reset`] when it does not come out of reset, or a broken transport.
pub fn reset(transport: &mut dyn Transport) -> Result<Retired, QueueError> {
    let Claim::Granted(turn) = transport.claim_reset() else {
        return Ok(Retired::witnessed());
    };
    let retired =
        reset_by_register(transport).or_else(|error| match transport.function_reset() {
            Ok(()) => reset_by_register(transport),
            Err(_) => Err(error),
        })?;
    turn.succeeded();
    Ok(retired)
}

fn reset_by_register(transport: &mut dyn Transport) -> Result<Retired, QueueError> {
    let looks = looks(transport)?;
    transport.write(regs::CONTROL, regs::CONTROL_RESET)?;
    let (control, status) = (regs::CONTROL, regs::STATUS);
    settle(transport, control, regs::CONTROL_RESET, status, looks)
}

/// Resets the queue that `transport` is the way to. Afterwards no program of it runs, and the card
/// touches none of its memory; the other queues go on.
///
/// # Errors
/// [`QueueError::Reset`] when it does not come out of reset: the whole card needs one then. Or a
/// broken transport.
pub fn reset_queue(transport: &mut dyn Transport) -> Result<Retired, QueueError> {
    let register = |register| regs::of_queue(transport.queue(), register);
    let (control, status) = (register(regs::QUEUE_CONTROL), register(regs::QUEUE_STATUS));
    if transport.read(regs::STATUS)? & regs::STATUS_FATAL != 0 {
        return Err(QueueError::Fatal(transport.read(regs::ERROR)?));
    }
    let looks = looks(transport)?;
    transport.write(control, regs::QUEUE_RESET)?;
    settle(transport, control, regs::QUEUE_RESET, status, looks)
}

/// Looks at the card before its reset is given up: half as long again as a read of the card may
/// stay unanswered, which a reset waits for.
fn looks(transport: &mut dyn Transport) -> Result<u64, QueueError> {
    // Where that is for ever, or longer than a program may stand still, nobody waits for it.
    let timeout = match transport.read(regs::LINK_TIMEOUT)? {
        0 => regs::WATCHDOG_RESET,
        cycles => cycles.clamp(regs::LINK_TIMEOUT_RESET, regs::WATCHDOG_RESET),
    };
    Ok((u64::from(timeout) * 3 / 2).div_ceil(RESET_PAUSE.cycles))
}

/// Waits until the bit `reset` of `control`, and all of `status`, are zero, for so many looks.
fn settle(
    transport: &mut dyn Transport,
    control: u32,
    reset: u32,
    status: u32,
    looks: u64,
) -> Result<Retired, QueueError> {
    for look in 0.. {
        let now = (transport.read(control)?, transport.read(status)?);
        if now.0 & reset == 0 && now.1 == 0 {
            break;
        }
        if look == looks {
            return Err(QueueError::Reset {
                control: now.0,
                status: now.1,
            });
        }
        match transport.wait(RESET_PAUSE) {
            // What went wrong before the reset is no matter any more.
            Ok(_) | Err(TransportError::Alarm(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Retired::witnessed())
}

impl QueuePair {
    /// Starts a queue that was just [`reset`], by itself or with the card, with rings of `2^log2`
    /// entries (`log2` is brought into 1 to 12), and sets the card's watchdog to `watchdog` cycles
    /// (0: never). `queue` must be less than what the card has, see [`Config::queues`].
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
            kept: 0,
            next_tag: 1,
            outstanding: VecDeque::with_capacity(entries as usize),
        })
    }
}
