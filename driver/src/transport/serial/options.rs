//! How a card on a serial line is used.

use std::time::Duration;

use isa::serial::{DEFAULT_BAUD, MAX_PAYLOAD, WINDOW};

/// Bits that a byte takes on the line: one to start, eight of data, one to stop.
const BITS: u64 = 10;
/// Bytes of a frame at most, every byte stuffed.
const FRAME_BYTES: u64 = 2 * (MAX_PAYLOAD as u64 + 8);
/// What schedulers and USB hold bytes back for.
const SLACK: Duration = Duration::from_millis(20);

/// Settings of a [`super::SerialFunction`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SerialOptions {
    /// Bits a second.
    pub baud: u32,
    /// How long the card may say nothing at all before it counts as gone, and how long a request
    /// that it has taken may stay without its answer.
    pub silence: Duration,
}

impl Default for SerialOptions {
    fn default() -> Self {
        Self {
            baud: DEFAULT_BAUD,
            silence: Duration::from_secs(2),
        }
    }
}

impl SerialOptions {
    /// Time that so many bytes take on the line, at least a microsecond.
    pub fn time_of(&self, bytes: u64) -> Duration {
        let bits = bytes.saturating_mul(BITS * 1_000_000);
        Duration::from_micros((bits / u64::from(self.baud.max(1))).max(1))
    }

    /// How long the first acknowledgement is waited for: beside what the system adds, a window of
    /// the longest frames may stand before it.
    pub(super) fn first_wait(&self) -> Duration {
        Duration::from_millis(250) + self.window_time()
    }

    /// How long an acknowledgement is waited for beyond the time that others took: what came before
    /// may have been short, and stood alone on the line.
    pub(super) fn slack(&self) -> Duration {
        SLACK + self.window_time()
    }

    fn window_time(&self) -> Duration {
        self.time_of(WINDOW as u64 * FRAME_BYTES)
    }
}
