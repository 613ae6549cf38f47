//! The host: what it asks, what must be answered, and its memory.

use std::collections::VecDeque;

use isa::serial::{CardMessage, HostMessage, MAX_DATA};

use super::card::is_broken;
use super::common::Rng;
use super::common::peer::Peer;

/// Bytes of the host's memory.
pub const HOST_BYTES: usize = 1 << 16;

/// What must come.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    /// Exactly this.
    Exact(Vec<u8>),
    /// Memory that failed: only the status and the length are told.
    Failed(usize),
}

pub struct Host {
    pub memory: Vec<u8>,
    /// What the card's registers and memory must hold when all is done.
    pub registers: Vec<u32>,
    pub card_memory: Vec<u8>,
    /// Reads that the card has begun, as its side has seen them.
    pub asked: VecDeque<(u64, usize)>,
    /// Lines that were given to the card, in order.
    pub given: Vec<(Result<Vec<u8>, u8>, bool)>,
    /// Interrupts that were raised, and that were told.
    pub raised: u8,
    pub told: u8,
    /// It does not answer reads.
    pub is_silent: bool,
    pub answers: usize,
    pub refusals: usize,
    pub reads: usize,
    pub writes: usize,
    pub failures: usize,
    pub aborts: usize,
    pub longest: usize,
    line_bytes: usize,
    memory_bytes: u64,
    expected: VecDeque<Answer>,
    resetting: bool,
}

impl Host {
    pub fn new(line_bytes: usize, memory_log2: Option<u32>) -> Self {
        Self {
            memory: vec![0; HOST_BYTES],
            registers: vec![0; 1024],
            card_memory: vec![],
            asked: VecDeque::new(),
            given: vec![],
            raised: 0,
            told: 0,
            is_silent: false,
            answers: 0,
            refusals: 0,
            reads: 0,
            writes: 0,
            failures: 0,
            aborts: 0,
            longest: 0,
            line_bytes,
            memory_bytes: memory_log2.map_or(0, |log2| 1 << log2),
            expected: VecDeque::new(),
            resetting: false,
        }
    }

    /// A session has ended.
    pub fn forget(&mut self) {
        self.expected.clear();
        self.asked.clear();
        self.given.clear();
        self.resetting = false;
    }

    pub fn is_idle(&self) -> bool {
        self.expected.is_empty() && self.asked.is_empty()
    }

    pub fn is_resetting(&self) -> bool {
        self.resetting
    }

    pub fn expect_refusal(&mut self, kind: u8) {
        let refused = vec![CardMessage::Refused as u8, kind];
        self.expected.push_back(Answer::Exact(refused));
        self.refusals += 1;
    }

    /// The oldest read was answered by others.
    pub fn owed_end(&mut self) {
        self.asked.pop_front();
    }

    /// Lines that a message about memory is about, if it is right.
    fn lines(&self, address: &[u8; 4], lines: usize) -> Option<std::ops::Range<usize>> {
        let start = u64::from(u32::from_le_bytes(*address));
        let end = start + (lines * self.line_bytes) as u64;
        let is_right = start.is_multiple_of(self.line_bytes as u64)
            && (1..=MAX_DATA / self.line_bytes).contains(&lines)
            && end <= self.memory_bytes;
        is_right.then_some(start as usize..end as usize)
    }

    /// Does to the models what a message must do to the card. Answers to reads must be right.
    pub fn ask(&mut self, message: &[u8]) {
        let place = |offset: &[u8; 2]| {
            let offset = usize::from(u16::from_le_bytes(*offset));
            (offset < 0x1000 && offset % 4 == 0).then_some(offset / 4)
        };
        let first = message.first().copied();
        let kind = |message: HostMessage| Some(message as u8) == first;
        let done = match message {
            [_, o0, o1, value @ ..] if kind(HostMessage::WriteRegister) => {
                match (place(&[*o0, *o1]), value.try_into()) {
                    (Some(place), Ok(value)) => {
                        self.registers[place] = u32::from_le_bytes(value);
                        true
                    }
                    _ => false,
                }
            }
            [_, o0, o1] if kind(HostMessage::ReadRegister) => match place(&[*o0, *o1]) {
                Some(place) => {
                    let mut answer = vec![CardMessage::Register as u8];
                    answer.extend(self.registers[place].to_le_bytes());
                    self.expected.push_back(Answer::Exact(answer));
                    true
                }
                None => false,
            },
            [_, a0, a1, a2, a3, data @ ..]
                if kind(HostMessage::WriteMemory) && data.len().is_multiple_of(self.line_bytes) =>
            {
                match self.lines(&[*a0, *a1, *a2, *a3], data.len() / self.line_bytes) {
                    Some(range) => {
                        self.card_memory[range].copy_from_slice(data);
                        true
                    }
                    None => false,
                }
            }
            [_, a0, a1, a2, a3, lines] if kind(HostMessage::ReadMemory) => {
                match self.lines(&[*a0, *a1, *a2, *a3], usize::from(*lines)) {
                    Some(range) => {
                        let first = range.start / self.line_bytes;
                        let answer = if (first..first + usize::from(*lines)).any(is_broken) {
                            self.aborts += 1;
                            Answer::Failed(range.len())
                        } else {
                            let mut answer = vec![CardMessage::Memory as u8, 0];
                            answer.extend(&self.card_memory[range]);
                            Answer::Exact(answer)
                        };
                        self.expected.push_back(answer);
                        true
                    }
                    None => false,
                }
            }
            [_] if kind(HostMessage::Reset) => {
                let answer = vec![CardMessage::ResetDone as u8];
                self.expected.push_back(Answer::Exact(answer));
                self.resetting = true;
                true
            }
            _ => false,
        };
        if !done {
            self.expect_refusal(first.unwrap_or(0));
        }
    }

    /// A message that is often right, but never a reset, nor an answer that is right.
    pub fn random_message(&self, rng: &mut Rng) -> Vec<u8> {
        let line = self.line_bytes as u64;
        let most = MAX_DATA as u64 / line;
        let lines = 1 + rng.below(most);
        let address = |rng: &mut Rng, lines: u64| {
            let end = self.memory_bytes.max(4096);
            let at = match rng.below(4) {
                0 => end - lines * line,
                _ => rng.below(end / line - lines + 1) * line,
            };
            let wrong = match rng.below(12) {
                0 => at + rng.below(line),
                1 => at + end,
                2 => end - lines * line + line,
                3 => (1 << 32) - line,
                _ => at,
            };
            (wrong as u32).to_le_bytes()
        };
        let offset = |rng: &mut Rng| {
            let right = rng.below(0x400) * 4;
            let wrong = match rng.below(10) {
                0 => right | rng.below(4),
                1 => right | 0x1000 << rng.below(4),
                _ => right,
            };
            (wrong as u16).to_le_bytes()
        };
        let mut message = match rng.below(12) {
            0..3 => {
                let mut message = vec![HostMessage::WriteRegister as u8];
                message.extend(offset(rng));
                message.extend((rng.next() as u32).to_le_bytes());
                message
            }
            3..5 => {
                let mut message = vec![HostMessage::ReadRegister as u8];
                message.extend(offset(rng));
                message
            }
            5..8 => {
                let mut message = vec![HostMessage::WriteMemory as u8];
                message.extend(address(rng, lines));
                message.extend((0..lines * line).map(|_| rng.next() as u8));
                message
            }
            8..10 => {
                let mut message = vec![HostMessage::ReadMemory as u8];
                message.extend(address(rng, lines));
                message.push(match rng.below(10) {
                    0 => [0, 9, 16, 255, most as u8 + 1][rng.below(5) as usize],
                    _ => lines as u8,
                });
                message
            }
            // Answers that are never right.
            10 => {
                let kind = HostMessage::HostData as u8;
                let mut message = vec![kind, rng.below(7) as u8];
                match rng.below(4) {
                    0 => message.truncate(1),
                    1 => message = vec![kind, 0],
                    2 => message = vec![kind, 7 + rng.below(249) as u8],
                    _ => message.resize(2 + 1 + rng.below(line - 1) as usize, 0),
                }
                return message;
            }
            _ => {
                let mut kind = rng.next() as u8;
                if (1..=6).contains(&kind) {
                    kind += 0x40;
                }
                let length = rng.below(20);
                let mut message: Vec<u8> = (0..length).map(|_| rng.next() as u8).collect();
                if let Some(first) = message.first_mut() {
                    *first = kind;
                }
                return message;
            }
        };
        match rng.below(16) {
            0 => {
                message.pop();
            }
            1 => message.push(rng.next() as u8),
            2 => message.truncate(1),
            _ => {}
        }
        // The longest that a frame holds.
        message.truncate(isa::serial::MAX_PAYLOAD);
        message
    }

    /// Takes a message of the card; answers its reads.
    pub fn message(&mut self, message: &[u8], peer: &mut Peer, rng: &mut Rng) {
        let (kind, rest) = message.split_first().expect("messages have a kind");
        let is = |message: CardMessage| message as u8 == *kind;
        if is(CardMessage::ReadHost) {
            let (address, lines) = rest.split_first_chunk::<8>().expect("an address");
            let lines = u16::from_le_bytes(lines.try_into().expect("a number of lines"));
            if self.resetting {
                return;
            }
            let read = (u64::from_le_bytes(*address), usize::from(lines));
            if self.is_silent {
                return;
            }
            assert_eq!(Some(read), self.asked.pop_front());
            self.reads += 1;
            self.answer(read.1, peer, rng);
        } else if is(CardMessage::WriteHost) {
            let (address, data) = rest.split_first_chunk::<8>().expect("an address");
            let at = u64::from_le_bytes(*address) as usize;
            assert_eq!(at % self.line_bytes, 0);
            assert!(data.len().is_multiple_of(4) && (1..=MAX_DATA).contains(&data.len()));
            self.memory[at..at + data.len()].copy_from_slice(data);
            self.longest = self.longest.max(data.len());
            self.writes += 1;
        } else if is(CardMessage::Events) {
            assert_eq!(rest.len(), 1);
            assert!(rest[0] != 0 && rest[0] & !self.raised == 0);
            self.told |= rest[0];
        } else {
            self.answers += 1;
            match self.expected.pop_front() {
                Some(Answer::Exact(expected)) => assert_eq!(message, expected),
                Some(Answer::Failed(bytes)) => {
                    assert_eq!((message[0], message[1]), (CardMessage::Memory as u8, 1));
                    assert_eq!(message.len(), 2 + bytes);
                }
                None => panic!("nobody asked for {message:?}"),
            }
            if is(CardMessage::ResetDone) {
                self.resetting = false;
                self.asked.clear();
            }
        }
    }

    fn answer(&mut self, mut left: usize, peer: &mut Peer, rng: &mut Rng) {
        while left > 0 {
            let mut message = vec![HostMessage::HostData as u8];
            if rng.below(12) == 0 {
                let cause = rng.below(6) as u8;
                message.push(cause + 1);
                peer.send(message);
                for line in 0..left {
                    self.given.push((Err(cause), line + 1 == left));
                }
                self.failures += 1;
                return;
            }
            let most = (MAX_DATA / self.line_bytes).min(left) as u64;
            let lines = match rng.below(3) {
                0 => 1 + rng.below(most),
                _ => most,
            };
            message.push(0);
            for _ in 0..lines {
                let line: Vec<u8> = (0..self.line_bytes).map(|_| rng.next() as u8).collect();
                message.extend(&line);
                left -= 1;
                self.given.push((Ok(line), left == 0));
            }
            peer.send(message);
        }
    }
}
