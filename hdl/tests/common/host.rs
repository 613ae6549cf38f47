//! The host as it sees the windows of the card: arrays of bytes and requests that wait.

use std::collections::VecDeque;

use pcie::tlp::{Completion, Id, Kind, Request, Status, Tlp};

use super::link::{CARD_ID, Effect, effect};
use super::window::{MEMORY_BYTES, REGISTER_BYTES};

/// A request that has not been answered in full.
pub struct Pending {
    request: Request,
    bar: u8,
    locked: bool,
    traffic_class: u8,
    attributes: u8,
    /// What it reads, whole doublewords; nothing if it is to be refused.
    data: Option<Vec<u8>>,
    /// Lines of memory that it reads and that cannot be read: offsets in `data`.
    broken: Vec<usize>,
    /// Bytes of `data` that were answered.
    done: usize,
}

impl Pending {
    /// Offset of the first byte that counts, and behind the last one.
    fn span(&self) -> (usize, usize) {
        let request = &self.request;
        let mut counted = vec![0xf; usize::from(request.dwords)];
        *counted.last_mut().expect("a doubleword") = request.last_be;
        counted[0] = request.first_be;
        let enabled = |at: &usize| counted[at / 4] >> (at % 4) & 1 == 1;
        let mut all = (0..counted.len() * 4).filter(enabled);
        match all.next() {
            Some(first) => (first, all.next_back().unwrap_or(first) + 1),
            // A read of no bytes is answered as one byte.
            None => (0, 1),
        }
    }
}

/// What the windows must hold, and what the card must answer.
pub struct Host {
    /// Registers and the last bytes of memory.
    pub golden: [Vec<u8>; 2],
    /// Bits of the register window that a write changes.
    pub writable: Vec<u8>,
    /// Requests that wait, the oldest first.
    pub pending: VecDeque<Pending>,
    /// Lines of memory that the card may touch.
    pub named: Vec<bool>,
    /// Lines of memory that cannot be read.
    pub broken: Vec<u64>,
    line_bytes: usize,
    memory_log2: u32,
    has_memory: bool,
    /// Max_Payload_Size in bytes.
    pub payload: usize,
    /// Requests that were refused, given up, and answered.
    pub refused: usize,
    pub aborted: usize,
    pub answered: usize,
}

impl Host {
    /// The host of a card with this window to memory, whose bytes are as told.
    pub fn new(line_bytes: usize, memory_log2: Option<u32>, golden: [Vec<u8>; 2]) -> Self {
        Self {
            golden,
            writable: vec![0xff; REGISTER_BYTES],
            pending: VecDeque::new(),
            named: vec![false; MEMORY_BYTES / line_bytes],
            broken: vec![],
            line_bytes,
            memory_log2: memory_log2.unwrap_or(16),
            has_memory: memory_log2.is_some(),
            payload: 128,
            refused: 0,
            aborted: 0,
            answered: 0,
        }
    }

    /// Where an address lies: window and offset in its array.
    fn place(&self, address: u64, bar: u8) -> Option<(usize, usize)> {
        if bar & 1 != 0 {
            Some((0, address as usize % REGISTER_BYTES))
        } else if bar & 4 != 0 && self.has_memory {
            let offset = address & ((1 << self.memory_log2) - 1);
            let base = (1u64 << self.memory_log2) - MEMORY_BYTES as u64;
            let at = offset
                .checked_sub(base)
                .expect("tests reach the last bytes");
            Some((1, at as usize))
        } else {
            None
        }
    }

    /// Whether a read that waits names one of these bytes.
    fn awaited(&self, address: u64, bar: u8, count: usize) -> bool {
        let Some((window, at)) = self.place(address, bar) else {
            return false;
        };
        self.pending.iter().any(|pending| {
            let other = if pending.data.is_none() {
                None
            } else {
                self.place(pending.request.address, pending.bar)
            };
            other.is_some_and(|(other_window, start)| {
                let length = usize::from(pending.request.dwords) * 4;
                other_window == window && start < at + count && at < start + length
            })
        })
    }

    /// Keeps what a packet that is sent to the card must do. A write may overtake a read, so one
    /// that names bytes of a read that waits must not be sent: then this is false.
    pub fn push(&mut self, words: &[u32], bar: u8) -> bool {
        match effect(words, bar) {
            Effect::Nothing | Effect::Completion(_) => {}
            Effect::Write(request, payload) => {
                if self.awaited(request.address, bar, payload.len()) {
                    return false;
                }
                self.name(&request, bar);
                if let Some((window, at)) = self.place(request.address, bar) {
                    let dwords = usize::from(request.dwords);
                    for (index, byte) in payload.into_iter().enumerate() {
                        let enables = match index / 4 {
                            0 => request.first_be,
                            last if last + 1 == dwords => request.last_be,
                            _ => 15,
                        };
                        if enables >> (index % 4) & 1 == 1
                            && let Some(place) = self.golden[window].get_mut(at + index)
                        {
                            let mask = match window {
                                0 => self.writable[at + index],
                                _ => 0xff,
                            };
                            *place = *place & !mask | byte & mask;
                        }
                    }
                }
            }
            Effect::Ask(ask) => {
                let request = ask.request;
                let place = match ask.readable {
                    true => self.place(request.address, bar),
                    false => None,
                };
                if place.is_some() {
                    self.name(&request, bar);
                }
                let count = usize::from(request.dwords) * 4;
                let data = place.map(|(window, at)| {
                    let golden = &self.golden[window];
                    let byte = |index: usize| golden.get(index).copied().unwrap_or(0);
                    (at..at + count).map(byte).collect()
                });
                let broken = match place {
                    Some((1, at)) => (0..count)
                        .filter(|index| {
                            let line = (at + index) / self.line_bytes;
                            self.broken.contains(&(line as u64))
                        })
                        .collect(),
                    _ => vec![],
                };
                self.pending.push_back(Pending {
                    request,
                    bar,
                    locked: ask.locked,
                    traffic_class: ask.traffic_class,
                    attributes: ask.attributes,
                    data,
                    broken,
                    done: 0,
                });
            }
        }
        true
    }

    /// Allows the lines of memory of a legal request.
    fn name(&mut self, request: &Request, bar: u8) {
        if let Some((1, at)) = self.place(request.address, bar) {
            let end = (at + usize::from(request.dwords) * 4).min(MEMORY_BYTES);
            for line in at / self.line_bytes..end.div_ceil(self.line_bytes) {
                self.named[line] = true;
            }
        }
    }

    /// Checks a completion of the card.
    pub fn completion(&mut self, packet: &[u32]) {
        let pending = self.pending.front_mut().expect("a request waits");
        let request = pending.request;
        let (first, end) = pending.span();
        let start = first.max(pending.done);
        let mut words = packet.to_vec();
        if pending.locked {
            assert_eq!(words[0] >> 24, 0x0b, "a completion of a locked read");
            words[0] ^= 1 << 24;
        }
        let tlp = Tlp::decode(&words).expect("completions are well-formed");
        assert_eq!(tlp.traffic_class, pending.traffic_class);
        assert_eq!(tlp.attributes, pending.attributes);
        assert!(!tlp.poisoned);
        let header = Completion {
            completer: Id(CARD_ID),
            status: Status::Success,
            byte_count: (end - start) as u16,
            requester: request.requester,
            tag: request.tag,
            lower_address: ((request.address as usize + start) & 0x7f) as u8,
        };
        match tlp.kind {
            Kind::Completion(completion) => {
                let status = match &pending.data {
                    None => {
                        self.refused += 1;
                        Status::Unsupported
                    }
                    Some(_) => {
                        // The piece that could not be read begins here.
                        let at = request.address as usize + pending.done;
                        let piece = self.payload - at % self.payload;
                        let piece = pending.done..pending.done + piece;
                        let is_broken = pending.broken.iter().any(|at| piece.contains(at));
                        assert!(is_broken, "nothing is wrong with this read");
                        self.aborted += 1;
                        Status::Abort
                    }
                };
                assert_eq!(completion, Completion { status, ..header });
                self.pending.pop_front();
            }
            Kind::CompletionData(completion, payload) => {
                assert_eq!(completion, header, "{request:?}");
                let data = pending.data.as_ref().expect("it was to be refused");
                assert!(payload.len() <= self.payload, "Max_Payload_Size");
                let range = pending.done..pending.done + payload.len();
                assert!(!pending.broken.iter().any(|at| range.contains(at)));
                assert_eq!(payload, data[range], "{request:?}");
                pending.done += payload.len();
                if pending.done == data.len() {
                    self.answered += 1;
                    self.pending.pop_front();
                } else {
                    let at = request.address as usize + pending.done;
                    assert_eq!(at % 128, 0, "cut at the boundary");
                }
            }
            other => panic!("{other:?} is no completion"),
        }
    }

    /// Whether the model holds the bytes that a packet names.
    pub fn reachable(&self, packet: &[u32], bar: u8) -> bool {
        let request = match effect(packet, bar) {
            Effect::Write(request, _) => request,
            Effect::Ask(ask) if ask.readable => ask.request,
            _ => return true,
        };
        let offset = request.address & ((1 << self.memory_log2) - 1);
        bar & 1 != 0
            || !self.has_memory
            || offset >= (1u64 << self.memory_log2) - MEMORY_BYTES as u64
    }
}
