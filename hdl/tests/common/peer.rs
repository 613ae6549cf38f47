//! The host's end of the serial link in plain Rust, and a bad line between it and the card.

use std::collections::VecDeque;

use isa::serial::{
    CRC_BYTES, ESCAPE, FLAG, FrameKind, HEADER_BYTES, MAX_PAYLOAD, STUFFING, VERSION, WINDOW,
};
use verilate::PortRef;

use super::{Bench, Rng};

/// A frame without flags and stuffing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub sequence: u8,
    pub ack: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn new(kind: FrameKind, sequence: u8, ack: u8, payload: &[u8]) -> Self {
        Self {
            kind: kind as u8,
            sequence,
            ack,
            payload: payload.to_vec(),
        }
    }

    /// Header, payload and check sequence.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.kind, self.sequence, self.ack];
        bytes.extend(&self.payload);
        let crc = crc32fast::hash(&bytes);
        bytes.extend(crc.to_le_bytes());
        bytes
    }

    /// On the line, between flags.
    pub fn line(&self) -> Vec<u8> {
        let stuffed = self.bytes().into_iter().flat_map(|byte| match byte {
            FLAG | ESCAPE => vec![ESCAPE, byte ^ STUFFING],
            other => vec![other],
        });
        let mut line = vec![FLAG];
        line.extend(stuffed);
        line.push(FLAG);
        line
    }

    /// What stands between two flags: nothing, or a frame, or one that is spoiled.
    pub fn of_line(stuffed: &[u8]) -> Option<Result<Self, ()>> {
        if stuffed.is_empty() {
            return None;
        }
        let mut bytes = vec![];
        let mut rest = stuffed.iter();
        while let Some(&byte) = rest.next() {
            match byte {
                ESCAPE => match rest.next() {
                    None | Some(&ESCAPE) => return Some(Err(())),
                    Some(next) => bytes.push(next ^ STUFFING),
                },
                other => bytes.push(other),
            }
        }
        let around = HEADER_BYTES + CRC_BYTES;
        if !(around..=around + MAX_PAYLOAD).contains(&bytes.len()) {
            return Some(Err(()));
        }
        let (head, crc) = bytes.split_at(bytes.len() - CRC_BYTES);
        if crc32fast::hash(head).to_le_bytes() != crc {
            return Some(Err(()));
        }
        Some(Ok(Self {
            kind: head[0],
            sequence: head[1],
            ack: head[2],
            payload: head[HEADER_BYTES..].to_vec(),
        }))
    }
}

/// How bad the line is.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    /// Bytes of 10,000, in either direction, that are lost, changed, doubled or joined by another.
    pub bytes: u64,
    /// Frames of the host of 1,000 that are lost, cut off, doubled or late.
    pub frames: u64,
}

/// What the card is to see in a cycle.
#[derive(Clone, Copy)]
enum Item {
    Byte(u8),
    Lost,
}

/// Cycles after which the host sends anew.
const RESEND: u64 = 6_000;

/// The host.
pub struct Peer {
    pub faults: Faults,
    /// Chances in percent that a byte comes, and that one is taken, in a cycle.
    pub rates: (u64, u64),
    /// Messages that have come.
    pub inbox: VecDeque<Vec<u8>>,
    /// Sessions that have begun, frames that came in order and those that did not, and NAKs sent.
    pub sessions: usize,
    pub taken: usize,
    pub dropped: usize,
    pub complaints: usize,
    /// Times that all had to be sent anew.
    pub resends: usize,
    rng: Rng,
    line_bytes: u8,
    ports: [PortRef; 6],
    line: VecDeque<Item>,
    late: u64,
    stuffed: Vec<u8>,
    /// Ends of frames from the card until which a byte that was spoiled may be felt.
    spoiled: u32,
    /// The number of the hello that waits for its welcome.
    greeting: Option<u32>,
    in_session: bool,
    /// Messages from that with sequence number `oldest` on, those that were sent first.
    queue: VecDeque<Vec<u8>>,
    oldest: u8,
    sent: usize,
    /// The most of them that were ever sent.
    reached: usize,
    timer: u64,
    expected: u8,
    told: u8,
    owes_ack: bool,
    owes_nak: bool,
    complained: bool,
}

impl Peer {
    pub fn new(bench: &Bench, seed: u64, line_bytes: usize) -> Self {
        Self {
            faults: Faults::default(),
            rates: (100, 100),
            inbox: VecDeque::new(),
            sessions: 0,
            taken: 0,
            dropped: 0,
            complaints: 0,
            resends: 0,
            rng: Rng(seed),
            line_bytes: line_bytes as u8,
            ports: [
                "rx_valid", "rx_data", "rx_bad", "tx_valid", "tx_data", "tx_ready",
            ]
            .map(|name| bench.port(name)),
            line: VecDeque::new(),
            late: 0,
            stuffed: vec![],
            spoiled: 0,
            greeting: None,
            in_session: false,
            queue: VecDeque::new(),
            oldest: 0,
            sent: 0,
            reached: 0,
            timer: 0,
            expected: 0,
            told: 0,
            owes_ack: false,
            owes_nak: false,
            complained: false,
        }
    }

    /// Begins a session; all messages are forgotten.
    pub fn hello(&mut self) {
        self.in_session = false;
        self.queue.clear();
        self.inbox.clear();
        self.greet();
    }

    fn greet(&mut self) {
        let number = self.rng.next() as u32;
        self.greeting = Some(number);
        self.timer = 0;
        let payload = number.to_le_bytes();
        self.push(&Frame::new(FrameKind::Hello, 0, 0, &payload));
    }

    pub fn in_session(&self) -> bool {
        self.in_session
    }

    /// Messages that the card has not acknowledged.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub fn send(&mut self, message: Vec<u8>) {
        assert!(self.in_session, "there is a session");
        self.queue.push_back(message);
    }

    /// Puts any bytes onto the line.
    pub fn noise(&mut self, bytes: &[u8]) {
        self.line.extend(bytes.iter().map(|&byte| Item::Byte(byte)));
    }

    fn push(&mut self, frame: &Frame) {
        let mut line = frame.line();
        if self.rng.below(1000) < self.faults.frames {
            match self.rng.below(4) {
                0 => line.clear(),
                1 => line.truncate(self.rng.below(line.len() as u64) as usize),
                2 => line.extend(line.clone()),
                _ => self.late = self.rng.below(3 * RESEND),
            }
        }
        for byte in line {
            let mut item = Item::Byte(byte);
            if self.rng.below(10_000) < self.faults.bytes {
                match self.rng.below(5) {
                    0 => continue,
                    1 => item = Item::Byte(byte ^ 1 << self.rng.below(8)),
                    2 => self.line.push_back(item),
                    3 => self.line.push_back(Item::Byte(self.rng.next() as u8)),
                    _ => item = Item::Lost,
                }
            }
            self.line.push_back(item);
        }
    }

    /// Chooses the next frame when the line is free.
    fn speak(&mut self) {
        if !self.line.is_empty() {
            return;
        }
        self.timer += 1;
        if self.greeting.is_some() {
            if self.timer > RESEND {
                // Never the same number: an old welcome must not answer a new hello.
                self.greet();
            }
            return;
        }
        if !self.in_session {
            return;
        }
        if self.timer > RESEND && self.sent > 0 {
            self.sent = 0;
            self.timer = 0;
            self.resends += 1;
        }
        let ack = self.expected;
        let frame = if self.owes_nak {
            self.complaints += 1;
            Frame::new(FrameKind::Nak, 0, ack, &[])
        } else if self.sent < self.queue.len().min(WINDOW) {
            let sequence = self.oldest.wrapping_add(self.sent as u8);
            let frame = Frame::new(FrameKind::Data, sequence, ack, &self.queue[self.sent]);
            self.sent += 1;
            self.reached = self.reached.max(self.sent);
            self.timer = 0;
            frame
        } else if self.owes_ack {
            Frame::new(FrameKind::Ack, 0, ack, &[])
        } else if self.rng.below(20_000) == 0 {
            Frame::new(FrameKind::Ping, 0, ack, &[])
        } else {
            return;
        };
        self.owes_ack = false;
        self.owes_nak = false;
        self.told = ack;
        self.push(&frame);
    }

    /// Sets the inputs of a cycle.
    pub fn drive(&mut self, bench: &mut Bench) {
        self.speak();
        let [valid, data, bad, .., ready] = self.ports;
        self.late = self.late.saturating_sub(1);
        let goes = self.late == 0 && self.rng.chance(self.rates.0);
        let item = if goes { self.line.pop_front() } else { None };
        bench
            .model
            .set(valid, u64::from(matches!(item, Some(Item::Byte(_)))));
        bench
            .model
            .set(bad, u64::from(matches!(item, Some(Item::Lost))));
        let byte = match item {
            Some(Item::Byte(byte)) => byte,
            _ => self.rng.next() as u8,
        };
        bench.model.set(data, byte.into());
        bench.model.set(ready, self.rng.chance(self.rates.1).into());
    }

    /// Sees what the card sends, after the outputs have settled.
    pub fn settle(&mut self, bench: &Bench) {
        let [.., valid, data, ready] = self.ports;
        if bench.model.get(valid) == 0 || bench.model.get(ready) == 0 {
            return;
        }
        let byte = bench.model.get(data) as u8;
        if self.rng.below(10_000) < self.faults.bytes {
            self.spoiled = 2;
            match self.rng.below(4) {
                0 => {}
                1 => {
                    let bit = self.rng.below(8);
                    self.hear(byte ^ 1 << bit);
                }
                2 => {
                    self.hear(byte);
                    self.hear(byte);
                }
                _ => {
                    let other = self.rng.next() as u8;
                    self.hear(other);
                    self.hear(byte);
                }
            }
        } else {
            self.hear(byte);
        }
    }

    fn hear(&mut self, byte: u8) {
        if byte != FLAG {
            self.stuffed.push(byte);
            return;
        }
        let stuffed = std::mem::take(&mut self.stuffed);
        match Frame::of_line(&stuffed) {
            None => return,
            Some(Ok(frame)) => self.frame(&frame),
            Some(Err(())) => {
                assert!(
                    self.spoiled > 0 || !self.in_session,
                    "frames of the card are right"
                );
                self.complain();
            }
        }
        self.spoiled = self.spoiled.saturating_sub(1);
    }

    fn complain(&mut self) {
        self.dropped += 1;
        if !self.complained {
            self.complained = true;
            self.owes_nak = true;
        }
    }

    fn frame(&mut self, frame: &Frame) {
        let kind = FrameKind::from_code(frame.kind).expect("a kind of frame");
        if let Some(number) = self.greeting {
            let mut welcome = number.to_le_bytes().to_vec();
            welcome.extend([VERSION, self.line_bytes]);
            if kind == FrameKind::Welcome && frame.payload[..4] == welcome[..4] {
                assert_eq!(*frame, Frame::new(FrameKind::Welcome, 0, 0, &welcome));
                self.greeting = None;
                self.in_session = true;
                self.sessions += 1;
                (self.oldest, self.sent, self.reached) = (0, 0, 0);
                (self.expected, self.told) = (0, 0);
                self.owes_ack = false;
                self.owes_nak = false;
                self.complained = false;
            }
            return;
        }
        assert!(self.in_session, "nobody speaks before a hello: {frame:?}");
        // What was consumed, and never more than was sent.
        let gain = usize::from(frame.ack.wrapping_sub(self.oldest));
        assert!(
            gain <= self.reached,
            "{frame:?} acknowledges what was not sent"
        );
        self.queue.drain(..gain);
        self.oldest = frame.ack;
        self.reached -= gain;
        self.sent = self.sent.saturating_sub(gain);
        if gain > 0 {
            self.timer = 0;
        }
        match kind {
            FrameKind::Ack | FrameKind::Nak => {
                assert_eq!((frame.sequence, frame.payload.len()), (0, 0));
                if kind == FrameKind::Nak {
                    self.sent = 0;
                }
            }
            FrameKind::Data => {
                // The card knows no more than what was told it last.
                let ahead = frame.sequence.wrapping_sub(self.told);
                assert!(
                    ahead < WINDOW as u8 || ahead >= 128,
                    "{frame:?} is beyond the window"
                );
                let ahead = frame.sequence.wrapping_sub(self.expected);
                if ahead == 0 {
                    self.expected = self.expected.wrapping_add(1);
                    self.inbox.push_back(frame.payload.clone());
                    self.complained = false;
                    self.owes_ack = true;
                    self.taken += 1;
                } else if ahead >= 128 {
                    self.owes_ack = true;
                    self.dropped += 1;
                } else {
                    self.complain();
                }
            }
            other => panic!("{other:?} is no frame of a card in a session"),
        }
    }
}
