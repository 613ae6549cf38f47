//! What goes on between host and card: a hello, then requests, their answers, and the card's reads
//! and writes of the host's memory. No line and no clock of its own.
//!
//! ```text
//!   requests ---+                      +--> answers of requests
//!   (in order)  +--> Link --> <-- Link +--> events, writes to memory
//!   owed lines -+                      +--> owed lines: what the card reads
//! ```
//!
//! Requests and owed lines take turns, so that a program that runs does not wait for the weights of
//! the next one, nor a request for a card that reads without end.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use isa::error::FaultCause;
use isa::serial::{FLAG, FrameKind, MAX_DATA, VERSION};

use super::frame::{Decoder, Frame};
use super::link::{Dead, Link, Taken};
use super::memory::Memories;
use super::message::{self, FromCard};
use super::options::SerialOptions;
use super::shadow::Shadow;
use super::traffic::Traffic;
use crate::transport::TransportError;

/// Reads of the card that may be unanswered: far more than a card has room for.
const MOST_OWED: usize = 1 << 16;
/// Bytes of a line that cards have.
const LINES: [u8; 2] = [16, 32];

/// How it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The card has not answered the hello yet.
    Greeting,
    /// All is well.
    Up,
    /// The card does not do as it should; a new hello may help.
    Lost(String),
    /// Nothing helps any more.
    Closed(String),
}

/// Something to be asked of the card.
#[derive(Debug)]
pub(super) enum Request {
    /// Write a register.
    Write(u16, u32),
    /// Read a register.
    Read(u16),
    /// Reset the card.
    Reset,
    /// Write these words of its own memory as they are when their turn comes.
    Memory(Arc<Shadow>, Range<usize>),
}

/// A request that has been sent.
#[derive(Debug)]
struct Asked {
    ticket: u64,
    is_reset: bool,
    /// Its number among the messages of the link.
    number: u64,
    /// When its answer must be there; `None` while the card has not taken it.
    due: Option<Duration>,
}

/// Lines that the card wants.
#[derive(Debug)]
struct Owed {
    address: u64,
    lines: u16,
}

/// A hello that is under way.
#[derive(Debug)]
struct Greeting {
    until: Duration,
    next: Duration,
    pause: Duration,
    /// Bytes that came and made no sense.
    noise: u64,
}

/// The host's side.
#[derive(Debug)]
pub(super) struct Session {
    name: String,
    options: SerialOptions,
    phase: Phase,
    /// Number of hellos: what was asked before one is not answered after it.
    age: u64,
    nonce: u32,
    greeting: Greeting,
    decoder: Decoder,
    link: Link,
    /// Words of a line.
    line: usize,
    requests: VecDeque<(u64, Request)>,
    asked: VecDeque<Asked>,
    answers: HashMap<u64, u32>,
    next_ticket: u64,
    owed: VecDeque<Owed>,
    /// It is the turn of owed lines.
    owed_turn: bool,
    /// Resets that are not over.
    resets: u32,
    /// Interrupts that nobody has waited for.
    pending: u8,
    /// What the card may reach.
    pub(super) memories: Memories,
    /// Whether it may reach anything.
    pub(super) master: bool,
    alarms: u64,
    alarm: String,
    traffic: Traffic,
}

impl Session {
    /// Begins with a hello at `now`. `name` is that of the line.
    pub(super) fn new(name: &str, options: SerialOptions, nonce: u32, now: Duration) -> Self {
        let mut session = Self {
            name: name.into(),
            options,
            phase: Phase::Greeting,
            age: 0,
            nonce,
            greeting: Greeting {
                until: now,
                next: now,
                pause: now,
                noise: 0,
            },
            decoder: Decoder::default(),
            link: Link::new(&options, now),
            line: 0,
            requests: VecDeque::new(),
            asked: VecDeque::new(),
            answers: HashMap::new(),
            next_ticket: 0,
            owed: VecDeque::new(),
            owed_turn: false,
            resets: 0,
            pending: 0,
            memories: Memories::default(),
            master: false,
            alarms: 0,
            alarm: String::new(),
            traffic: Traffic::default(),
        };
        session.greet(nonce, now);
        session
    }

    /// Begins anew, unless nothing helps any more.
    pub(super) fn greet(&mut self, nonce: u32, now: Duration) {
        if let Phase::Closed(_) = self.phase {
            return;
        }
        self.phase = Phase::Greeting;
        self.age += 1;
        self.nonce = nonce;
        self.greeting = Greeting {
            until: now + self.options.silence,
            next: now,
            pause: self.options.first_wait(),
            noise: 0,
        };
        self.decoder = Decoder::default();
        self.requests.clear();
        self.asked.clear();
        self.answers.clear();
        self.owed.clear();
        self.resets = 0;
        self.pending = 0;
    }

    /// How it stands.
    pub(super) fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Number of the hello of which everything is now.
    pub(super) fn age(&self) -> u64 {
        self.age
    }

    /// Fails unless requests that were made at `age` may still be answered.
    pub(super) fn check(&self, age: u64) -> Result<(), TransportError> {
        let why = match &self.phase {
            Phase::Lost(why) | Phase::Closed(why) => why.clone(),
            Phase::Greeting | Phase::Up if age != self.age => {
                "the session with it was begun anew".into()
            }
            Phase::Greeting | Phase::Up => return Ok(()),
        };
        Err(TransportError::Gone { why })
    }

    /// Nothing helps any more.
    pub(super) fn close(&mut self, why: String) {
        if !matches!(self.phase, Phase::Closed(_)) {
            self.phase = Phase::Closed(why);
        }
    }

    /// Takes a request; its ticket gets the answer.
    pub(super) fn request(&mut self, request: Request) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.requests.push_back((ticket, request));
        ticket
    }

    /// The answer of a request, once: what a register holds, or 0.
    pub(super) fn answer(&mut self, ticket: u64) -> Option<u32> {
        self.answers.remove(&ticket)
    }

    /// Whether a request was handed to the link.
    pub(super) fn is_sent(&self, ticket: u64) -> bool {
        let first = self.requests.front();
        first.is_none_or(|(first, _)| *first > ticket)
    }

    /// Takes an interrupt that came.
    pub(super) fn take_event(&mut self, vector: u32) -> bool {
        let bit = 1u8.checked_shl(vector).unwrap_or(0);
        let came = self.pending & bit != 0;
        self.pending &= !bit;
        came
    }

    /// Times that a write of the card was lost, and what the last was about.
    pub(super) fn alarms(&self) -> (u64, &str) {
        (self.alarms, &self.alarm)
    }

    /// What went over the line.
    pub(super) fn traffic(&self) -> Traffic {
        Traffic {
            frames_repeated: self.traffic.frames_repeated + self.link.repeated(),
            ..self.traffic
        }
    }

    /// Takes what came over the line.
    pub(super) fn take(&mut self, bytes: &[u8], now: Duration) {
        self.traffic.bytes_received += bytes.len() as u64;
        for &byte in bytes {
            let Some(frame) = self.decoder.push(byte) else {
                continue;
            };
            self.traffic.frames_spoiled += u64::from(frame.is_err());
            match self.phase {
                Phase::Greeting => match frame {
                    Ok(frame) if frame.kind == FrameKind::Welcome => {
                        self.welcome(&frame.payload, now);
                    }
                    // Of a session before.
                    Ok(_) => {}
                    Err(_) => self.greeting.noise += 1,
                },
                Phase::Up => match self.link.take(frame, now) {
                    Taken::Nothing => {}
                    Taken::Message(message) => self.obey(&message),
                    // One that was on its way when its hello was repeated is welcome.
                    Taken::Welcome(payload) if payload.starts_with(&self.nonce.to_le_bytes()) => {}
                    Taken::Welcome(_) => {
                        self.lose("somebody else has begun a session with it".into());
                    }
                },
                Phase::Lost(_) | Phase::Closed(_) => return,
            }
        }
    }

    /// Looks at the time.
    pub(super) fn tick(&mut self, now: Duration) {
        match self.phase {
            Phase::Greeting if now >= self.greeting.until => self.close(self.no_answer()),
            Phase::Up => {
                match self.link.dead(now) {
                    Some(Dead::Silent(time)) => self.lose(format!(
                        "it has said nothing for {:.1} s: the line is cut, or the card was \
                         restarted",
                        time.as_secs_f64()
                    )),
                    Some(Dead::Stuck(time)) => self.lose(format!(
                        "it has taken no message for {:.1} s",
                        time.as_secs_f64()
                    )),
                    None => {}
                }
                let (taken, silence) = (self.link.acknowledged(), self.options.silence);
                if let Some(asked) = self.asked.front_mut()
                    && taken > asked.number
                    && now >= *asked.due.get_or_insert(now + silence)
                {
                    self.lose(format!(
                        "it took a request and did not answer it within {:.1} s",
                        silence.as_secs_f64()
                    ));
                }
            }
            _ => {}
        }
    }

    /// When to call [`Self::tick`] and [`Self::fill`] again, if nothing comes before; `None` while
    /// there is nothing to wait for.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self.phase {
            Phase::Greeting => Some(self.greeting.next.min(self.greeting.until)),
            Phase::Up => {
                let due = self.asked.front().and_then(|asked| asked.due);
                let link = self.link.deadline();
                Some(due.map_or(link, |due| due.min(link)))
            }
            Phase::Lost(_) | Phase::Closed(_) => None,
        }
    }

    /// Appends to `out`, which is empty, what is to be sent now.
    pub(super) fn fill(&mut self, now: Duration, out: &mut Vec<u8>) {
        match self.phase {
            Phase::Greeting if now >= self.greeting.next => {
                self.greeting.next = now + self.greeting.pause;
                self.greeting.pause *= 2;
                out.push(FLAG);
                let hello = Frame {
                    kind: FrameKind::Hello,
                    sequence: 0,
                    acknowledges: 0,
                    payload: self.nonce.to_le_bytes().to_vec(),
                };
                hello.encode(out);
            }
            Phase::Up => {
                while self.link.has_room()
                    && let Some(message) = self.next_message()
                {
                    self.traffic.messages_sent += 1;
                    self.link.send(message, now);
                }
                self.link.poll(now, out);
            }
            _ => {}
        }
        self.traffic.bytes_sent += out.len() as u64;
    }

    fn lose(&mut self, why: String) {
        if self.phase == Phase::Up {
            self.phase = Phase::Lost(why);
        }
    }

    fn no_answer(&self) -> String {
        let heard = match self.greeting.noise {
            0 => "nothing came back",
            _ => "what came back makes no sense, as with a wrong rate",
        };
        format!(
            "no card answers on {} at {} bits a second ({heard}): the rate is that of another \
             bitstream (serial:PATH@BAUD sets it), the board holds no bitstream with a card, or it \
             is off",
            self.name, self.options.baud
        )
    }

    fn welcome(&mut self, payload: &[u8], now: Duration) {
        let Some((nonce, rest)) = payload.split_first_chunk() else {
            return;
        };
        // One of another hello comes too late.
        if u32::from_le_bytes(*nonce) != self.nonce {
            return;
        }
        match *rest {
            [VERSION, line] if LINES.contains(&line) => {
                self.line = usize::from(line / 4);
                self.traffic.frames_repeated += self.link.repeated();
                self.link = Link::new(&self.options, now);
                self.phase = Phase::Up;
            }
            [VERSION, line] => self.close(format!("the card claims lines of {line} bytes")),
            [version, ..] => self.close(format!(
                "the card speaks version {version} of the protocol, this program {VERSION}: build \
                 both from the same source"
            )),
            [] => {}
        }
    }

    /// The next message to the card.
    fn next_message(&mut self) -> Option<Vec<u8>> {
        let owed_first = self.owed_turn;
        self.owed_turn = !owed_first;
        match owed_first {
            true => self.next_lines().or_else(|| self.next_request()),
            false => self.next_request().or_else(|| self.next_lines()),
        }
    }

    /// The next lines that the card wants.
    fn next_lines(&mut self) -> Option<Vec<u8>> {
        let owed = self.owed.front_mut()?;
        let lines = owed.lines.min((MAX_DATA / 4 / self.line) as u16);
        let mut words = [0; MAX_DATA / 4];
        let words = &mut words[..usize::from(lines) * self.line];
        let cause = if !self.master {
            Some(FaultCause::BusMasterOff)
        } else if !self.memories.read(owed.address, words) {
            Some(FaultCause::Unsupported)
        } else {
            None
        };
        owed.lines -= lines;
        owed.address += words.len() as u64 * 4;
        if owed.lines == 0 || cause.is_some() {
            self.owed.pop_front();
        }
        Some(match cause {
            Some(cause) => message::no_host_data(cause),
            None => {
                self.traffic.host_bytes_read += words.len() as u64 * 4;
                message::host_data(words)
            }
        })
    }

    /// The next request that goes out.
    fn next_request(&mut self) -> Option<Vec<u8>> {
        let (ticket, request) = self.requests.front_mut()?;
        let ticket = *ticket;
        let (message, answered) = match request {
            Request::Write(offset, value) => (message::write_register(*offset, *value), None),
            Request::Read(offset) => (message::read_register(*offset), Some(false)),
            Request::Reset => (message::reset(), Some(true)),
            Request::Memory(shadow, words) => {
                // Whole lines: a region begins and ends at pages, so no others share them.
                let first = words.start / self.line * self.line;
                let end = words.end.next_multiple_of(self.line);
                let next = end.min(first + MAX_DATA / 4);
                let message = message::write_memory(first as u32 * 4, shadow.load(first..next));
                self.traffic.card_memory_bytes += (next - first) as u64 * 4;
                if next < end {
                    words.start = next;
                    return Some(message);
                }
                (message, None)
            }
        };
        self.requests.pop_front();
        if let Some(is_reset) = answered {
            if is_reset {
                // The card forgets what it asked for.
                self.owed.clear();
                self.resets += 1;
            }
            self.asked.push_back(Asked {
                ticket,
                is_reset,
                number: self.link.given(),
                due: None,
            });
        }
        Some(message)
    }

    /// Does what a message of the card asks for.
    fn obey(&mut self, message: &[u8]) {
        if self.phase != Phase::Up {
            return;
        }
        self.traffic.messages_received += 1;
        match FromCard::decode(message, self.line * 4) {
            Ok(FromCard::Register(value)) => self.answered(false, value),
            Ok(FromCard::ResetDone) => self.answered(true, 0),
            // A reset that is under way takes the request with it.
            Ok(FromCard::ReadHost { .. }) if self.resets > 0 => {}
            Ok(FromCard::ReadHost { .. }) if self.owed.len() == MOST_OWED => {
                self.breach("more reads of memory than any card has room for");
            }
            Ok(FromCard::ReadHost { address, lines }) => {
                self.owed.push_back(Owed { address, lines });
            }
            Ok(FromCard::WriteHost { address, words }) => {
                if self.master && self.memories.write(address, &words) {
                    self.traffic.host_bytes_written += words.len() as u64 * 4;
                    return;
                }
                self.alarms += 1;
                self.alarm = format!(
                    "the card wrote {} bytes to {address:#x}, where it was given no memory",
                    words.len() * 4
                );
                self.pending = u8::MAX;
            }
            Ok(FromCard::Events(events)) => self.pending |= events,
            Err(what) => self.breach(&what),
        }
    }

    fn answered(&mut self, is_reset: bool, value: u32) {
        match self.asked.pop_front() {
            Some(asked) if asked.is_reset == is_reset => {
                self.resets -= u32::from(is_reset);
                self.answers.insert(asked.ticket, value);
            }
            _ => self.breach("an answer to what nobody asked"),
        }
    }

    fn breach(&mut self, what: &str) {
        self.lose(format!("it does not keep to the protocol, it sent {what}"));
    }
}
