//! How the card is used.

use std::time::Duration;

use super::piece::MOST_BYTES;
use crate::sched::{Rates, Timing};
use crate::transport::serial::SerialOptions;

/// Cycles without movement on a card at the end of a line: seconds at any clock, so that a part of
/// the line that was lost comes again before.
const LINE_WATCHDOG: u32 = 1 << 28;

/// Which products go to the card.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Policy {
    /// All.
    Device,
    /// Those that end earlier there.
    Auto(Rates),
}

/// How the host learns that a program has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waiting {
    /// It sleeps until the card's interrupt comes.
    #[default]
    Interrupt,
    /// It looks into memory all the time: sooner by a few microseconds, for the price of a core.
    Spinning,
}

/// Settings of a [`super::DeviceBackend`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Which products go to the card.
    pub policy: Policy,
    /// Times of the card, for the compiler and its predictions.
    pub timing: Timing,
    /// Entries of the queue pair, as a power of two, 1 to 12.
    pub queue_log2: u32,
    /// How the host waits.
    pub waiting: Waiting,
    /// Programs in flight at once, at least 1.
    pub in_flight: usize,
    /// Cycles without movement after which the card ends a program; 0: never.
    pub watchdog: u32,
    /// Time to wait for a program on a card with a clock of its own, at least: a program that is
    /// foreseen to take long gets four times what a simulated card of 50 kHz would need, for a
    /// server does not say whether its card is one.
    pub patience: Duration,
    /// Bytes of weights that stay packed.
    pub kept_bytes: usize,
}

impl Options {
    /// Settings for a card at the end of a serial line, over which the largest program takes
    /// minutes: four times as long as its bytes do alone.
    pub fn over_line(line: &SerialOptions) -> Self {
        let all = line.time_of(MOST_BYTES as u64);
        let other = Self::default();
        Self {
            watchdog: LINE_WATCHDOG,
            patience: other.patience + all.saturating_mul(4),
            ..other
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            policy: Policy::Device,
            timing: Timing::default(),
            queue_log2: 4,
            waiting: Waiting::default(),
            in_flight: 4,
            watchdog: isa::regs::WATCHDOG_RESET,
            patience: Duration::from_secs(30),
            kept_bytes: 256 << 20,
        }
    }
}
