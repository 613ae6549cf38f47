//! The card's end of the link.

use std::collections::VecDeque;
use std::time::Duration;

use isa::serial::{FrameKind, WINDOW};

use super::frame::{Frame, Unframer, frame};

/// Time after which frames that are not acknowledged are sent anew.
const PATIENCE: Duration = Duration::from_millis(100);

/// Session, window and acknowledgements of a card.
#[derive(Clone, Debug, Default)]
pub struct CardLink {
    unframer: Unframer,
    /// The host has said hello, with this number.
    session: Option<[u8; 4]>,
    /// Messages that have come and that the card has not consumed.
    arrived: VecDeque<Vec<u8>>,
    /// Sequence number of the next frame to arrive.
    arrives: u8,
    /// A NAK was sent since the last frame that arrived.
    complained: bool,
    /// Messages that are to be sent; the first `sent` of them have been, and are not acknowledged.
    leaving: VecDeque<Vec<u8>>,
    /// Sequence number of the first of them.
    leaves: u8,
    sent: usize,
    /// When the last turn began.
    since: Duration,
    /// Control frames that are to be sent.
    due: Vec<FrameKind>,
}

impl CardLink {
    /// Takes bytes; says whether the host has said hello, after which everything is as at the
    /// beginning.
    pub fn take(&mut self, bytes: &[u8], now: Duration) -> bool {
        let mut hello = false;
        for &byte in bytes {
            match self.unframer.take(byte) {
                None => {}
                Some(Some(frame)) => hello |= self.arrive(frame, now),
                Some(None) => self.complain(),
            }
        }
        hello
    }

    fn arrive(&mut self, frame: Frame, now: Duration) -> bool {
        let kind = FrameKind::from_code(frame.kind);
        if kind == Some(FrameKind::Hello) {
            let Ok(number) = <[u8; 4]>::try_from(&frame.payload[..]) else {
                return false;
            };
            *self = Self {
                session: Some(number),
                since: now,
                ..Self::default()
            };
            return true;
        }
        if self.session.is_none() {
            return false;
        }
        self.acknowledged(frame.acknowledges, now);
        match kind {
            Some(FrameKind::Data) if frame.sequence == self.arrives => self.keep(frame.payload),
            Some(FrameKind::Data) => {
                match self.arrives.wrapping_sub(frame.sequence) as usize <= WINDOW {
                    true => self.due.push(FrameKind::Ack),
                    false => self.complain(),
                }
            }
            Some(FrameKind::Nak) => self.sent = 0,
            Some(FrameKind::Ping) => self.due.push(FrameKind::Ack),
            _ => {}
        }
        false
    }

    /// Keeps the message that comes next. A host that keeps to the window finds room.
    fn keep(&mut self, message: Vec<u8>) {
        if self.arrived.len() < WINDOW {
            self.arrives = self.arrives.wrapping_add(1);
            self.arrived.push_back(message);
            self.complained = false;
        }
    }

    fn acknowledged(&mut self, next: u8, now: Duration) {
        let count = next.wrapping_sub(self.leaves) as usize;
        if count <= self.leaving.len().min(WINDOW) && count > 0 {
            self.leaving.drain(..count);
            self.leaves = next;
            self.sent = self.sent.saturating_sub(count);
            self.since = now;
        }
    }

    fn complain(&mut self) {
        if self.session.is_some() && !self.complained {
            self.complained = true;
            self.due.push(FrameKind::Nak);
        }
    }

    /// Answers the hello: the card is ready, and has lines of so many bytes.
    pub fn welcome(&mut self, line: u8, out: &mut Vec<u8>) {
        if let Some(number) = self.session {
            let mut payload = number.to_vec();
            payload.extend([isa::serial::VERSION, line]);
            out.extend(frame(&Frame {
                kind: FrameKind::Welcome as u8,
                sequence: 0,
                acknowledges: 0,
                payload,
            }));
        }
    }

    /// The next message, not consumed yet.
    pub fn message(&self) -> Option<&[u8]> {
        self.arrived.front().map(Vec::as_slice)
    }

    /// The next message is consumed.
    pub fn consume(&mut self) {
        if self.arrived.pop_front().is_some() {
            self.due.push(FrameKind::Ack);
        }
    }

    /// Sends a message as soon as the window allows.
    pub fn send(&mut self, message: Vec<u8>) {
        self.leaving.push_back(message);
    }

    /// Messages that wait for room in the window.
    pub fn waiting(&self) -> usize {
        self.leaving.len().saturating_sub(WINDOW)
    }

    /// Takes back what waits for room in the window.
    pub fn forget_waiting(&mut self) {
        self.leaving.truncate(WINDOW);
    }

    /// Appends what is to be sent now; says when to be called again.
    pub fn send_due(&mut self, now: Duration, out: &mut Vec<u8>) -> Option<Duration> {
        if self.sent > 0 && now >= self.since + PATIENCE {
            self.sent = 0;
        }
        let acknowledges = self.arrives.wrapping_sub(self.arrived.len() as u8);
        let control = std::mem::take(&mut self.due);
        // One of each says all of it.
        for kind in [FrameKind::Nak, FrameKind::Ack] {
            if control.contains(&kind) {
                out.extend(frame(&Frame {
                    kind: kind as u8,
                    sequence: 0,
                    acknowledges,
                    payload: Vec::new(),
                }));
            }
        }
        if self.sent == 0 {
            self.since = now;
        }
        while self.sent < self.leaving.len().min(WINDOW) {
            out.extend(frame(&Frame {
                kind: FrameKind::Data as u8,
                sequence: self.leaves.wrapping_add(self.sent as u8),
                acknowledges,
                payload: self.leaving[self.sent].clone(),
            }));
            self.sent += 1;
        }
        (self.sent > 0).then(|| self.since + PATIENCE)
    }
}
