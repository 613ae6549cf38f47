//! The host's end of the link: messages exactly once and in order, whatever the line does.
//!
//! ```text
//!   send -->| window | -- frames --> poll -->  line  --> take --| expected |--> messages
//!           |  of 8  | <-- acknowledged --               NAK <--| next?    |
//! ```
//!
//! No I/O and no clock of its own: whoever has the line gives frames and the time, and asks for what
//! is to be sent. The time that an acknowledgement may take is learnt from those that came (RFC 6298:
//! mean and deviation, none of frames that were sent twice, doubled at each silence).

use std::collections::VecDeque;
use std::time::Duration;

use isa::serial::{FLAG, FrameKind, WINDOW};

use super::frame::{Frame, Spoiled};
use super::options::SerialOptions;

/// An acknowledgement is waited for this long at most, or as long as the rate of the line asks for,
/// so that a line that works again is used again.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// Parts of the longest silence after which each the other end is asked whether it is there.
const PINGS: u32 = 4;
/// Longest silences that a frame may stay unacknowledged while the other end is there.
const STUCK: u32 = 5;

/// Why the other end is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dead {
    /// Nothing that makes sense came for so long.
    Silent(Duration),
    /// It is there, but took no message for so long.
    Stuck(Duration),
}

/// What a frame brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Nothing for those above.
    Nothing,
    /// The next message.
    Message(Vec<u8>),
    /// A welcome, with its payload.
    Welcome(Vec<u8>),
}

/// One session of the link.
#[derive(Debug)]
pub(super) struct Link {
    /// Longest silence.
    silence: Duration,
    /// An acknowledgement is waited for this long at least beyond its mean time.
    slack: Duration,
    /// Frames that are not acknowledged, the oldest first.
    window: VecDeque<Sent>,
    /// Sequence number of the first of them, or of the next frame.
    base: u8,
    /// How many of them have been sent since the last turn back.
    cursor: usize,
    /// Sequence number that is expected.
    expected: u8,
    /// A NAK was sent and the expected frame has not come since.
    complained: bool,
    nak_due: bool,
    ack_due: bool,
    /// Mean time and deviation of acknowledgements; `None` before the first.
    round_trip: Option<(Duration, Duration)>,
    /// How long the oldest frame waits for its acknowledgement now.
    wait: Duration,
    last_heard: Duration,
    last_ping: Duration,
    /// When a frame was last acknowledged, or the window last filled from nothing.
    last_progress: Duration,
    /// Messages that were acknowledged.
    acknowledged: u64,
    /// Frames that were sent more than once, each time but the first.
    repeated: u64,
}

#[derive(Debug)]
struct Sent {
    payload: Vec<u8>,
    /// When it was sent last.
    at: Duration,
    times: u32,
}

impl Link {
    /// A session that begins at `now`.
    pub(super) fn new(options: &SerialOptions, now: Duration) -> Self {
        Self {
            silence: options.silence,
            slack: options.slack(),
            window: VecDeque::with_capacity(WINDOW),
            base: 0,
            cursor: 0,
            expected: 0,
            complained: false,
            nak_due: false,
            ack_due: false,
            round_trip: None,
            wait: options.first_wait(),
            last_heard: now,
            last_ping: now,
            last_progress: now,
            acknowledged: 0,
            repeated: 0,
        }
    }

    /// Whether there is room for another message.
    pub(super) fn has_room(&self) -> bool {
        self.window.len() < WINDOW
    }

    /// Takes a message to be sent. There must be room.
    pub(super) fn send(&mut self, payload: Vec<u8>, now: Duration) {
        debug_assert!(self.has_room());
        if self.window.is_empty() {
            self.last_progress = now;
        }
        self.window.push_back(Sent {
            payload,
            at: now,
            times: 0,
        });
    }

    /// Messages that were acknowledged so far.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Messages that were given to [`Self::send`] so far.
    pub(super) fn given(&self) -> u64 {
        self.acknowledged + self.window.len() as u64
    }

    /// Frames that were sent again so far.
    pub(super) fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Takes what came over the line.
    pub(super) fn take(&mut self, frame: Result<Frame, Spoiled>, now: Duration) -> Taken {
        let Ok(frame) = frame else {
            self.complain();
            return Taken::Nothing;
        };
        self.last_heard = now;
        match frame.kind {
            FrameKind::Ack => self.acknowledge(frame.acknowledges, now),
            FrameKind::Nak => {
                self.acknowledge(frame.acknowledges, now);
                self.cursor = 0;
            }
            FrameKind::Data => {
                self.acknowledge(frame.acknowledges, now);
                return self.receive(frame);
            }
            FrameKind::Welcome => return Taken::Welcome(frame.payload),
            FrameKind::Ping => {
                self.acknowledge(frame.acknowledges, now);
                self.ack_due = true;
            }
            // Nobody says hello to a host.
            FrameKind::Hello => {}
        }
        Taken::Nothing
    }

    /// Appends to `out`, which is empty, what is to be sent now.
    pub(super) fn poll(&mut self, now: Duration, out: &mut Vec<u8>) {
        if self.cursor > 0 && self.is_overdue(now) {
            self.cursor = 0;
            self.wait = (self.wait * 2).min(self.longest_wait());
        }
        if std::mem::take(&mut self.nak_due) {
            self.ack_due = false;
            self.control(FrameKind::Nak, out);
        }
        while let Some(sent) = self.window.get_mut(self.cursor) {
            sent.at = now;
            sent.times += 1;
            self.repeated += u64::from(sent.times > 1);
            let frame = Frame {
                kind: FrameKind::Data,
                sequence: self.base.wrapping_add(self.cursor as u8),
                acknowledges: self.expected,
                payload: std::mem::take(&mut sent.payload),
            };
            begin(out);
            frame.encode(out);
            sent.payload = frame.payload;
            self.cursor += 1;
            self.ack_due = false;
        }
        if std::mem::take(&mut self.ack_due) {
            self.control(FrameKind::Ack, out);
        }
        if now >= self.next_ping() {
            self.last_ping = now;
            self.control(FrameKind::Ping, out);
        }
    }

    /// When to call [`Self::poll`] and [`Self::dead`] again, if nothing comes before.
    pub(super) fn deadline(&self) -> Duration {
        let mut next = self.next_ping().min(self.last_heard + self.silence);
        if let Some(oldest) = self.window.front() {
            next = next.min(self.last_progress + self.silence * STUCK);
            if self.cursor > 0 {
                next = next.min(oldest.at + self.wait);
            }
        }
        next
    }

    /// Whether the other end is to be given up.
    pub(super) fn dead(&self, now: Duration) -> Option<Dead> {
        let silent = now.saturating_sub(self.last_heard);
        let stuck = now.saturating_sub(self.last_progress);
        if silent >= self.silence {
            Some(Dead::Silent(silent))
        } else if !self.window.is_empty() && stuck >= self.silence * STUCK {
            Some(Dead::Stuck(stuck))
        } else {
            None
        }
    }

    fn is_overdue(&self, now: Duration) -> bool {
        let oldest = self.window.front();
        oldest.is_some_and(|oldest| now >= oldest.at + self.wait)
    }

    fn longest_wait(&self) -> Duration {
        LONGEST_WAIT.max(self.slack * 2)
    }

    fn next_ping(&self) -> Duration {
        self.last_heard.max(self.last_ping) + self.silence / PINGS
    }

    fn control(&self, kind: FrameKind, out: &mut Vec<u8>) {
        begin(out);
        let frame = Frame {
            kind,
            sequence: 0,
            acknowledges: self.expected,
            payload: Vec::new(),
        };
        frame.encode(out);
    }

    /// The other end expects the frame `next`.
    fn acknowledge(&mut self, next: u8, now: Duration) {
        let count = usize::from(next.wrapping_sub(self.base));
        let sent = self.window.iter().take_while(|sent| sent.times > 0).count();
        // An old one, or one of frames that were never sent.
        if count == 0 || count > sent {
            return;
        }
        let last = self.window.drain(..count).next_back();
        if let Some(last) = last
            && last.times == 1
        {
            self.learn(now.saturating_sub(last.at));
        }
        self.base = next;
        self.cursor = self.cursor.saturating_sub(count);
        self.acknowledged += count as u64;
        self.last_progress = now;
        if let Some((mean, deviation)) = self.round_trip {
            self.wait = (mean + (deviation * 4).max(self.slack)).min(self.longest_wait());
        }
    }

    fn learn(&mut self, time: Duration) {
        self.round_trip = Some(match self.round_trip {
            None => (time, time / 2),
            Some((mean, deviation)) => (
                (mean * 7 + time) / 8,
                (deviation * 3 + mean.abs_diff(time)) / 4,
            ),
        });
    }

    fn receive(&mut self, frame: Frame) -> Taken {
        if frame.sequence == self.expected {
            self.expected = self.expected.wrapping_add(1);
            self.complained = false;
            self.nak_due = false;
            self.ack_due = true;
            return Taken::Message(frame.payload);
        }
        let behind = self.expected.wrapping_sub(frame.sequence);
        match usize::from(behind) <= WINDOW {
            true => self.ack_due = true,
            false => self.complain(),
        }
        Taken::Nothing
    }

    /// Asks for the expected frame, once until it comes.
    fn complain(&mut self) {
        if !self.complained {
            self.complained = true;
            self.nak_due = true;
        }
    }
}

/// The flag that begins the first of some frames: the line may have been noisy while it was idle.
fn begin(out: &mut Vec<u8>) {
    if out.is_empty() {
        out.push(FLAG);
    }
}

#[cfg(all(test, feature = "sim"))]
mod tests;
