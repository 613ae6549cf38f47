//! Host memory behind the link: takes the card's requests and answers them as it likes.

use std::collections::VecDeque;

use pcie::tlp::{Completion, Id, Kind, Request, Status, Tlp};

use super::common::Rng;
use super::common::link::{CARD_ID, bytes_are_legal};

/// Bytes of host memory: the card reads the first half and writes the second.
pub const HOST_BYTES: usize = 0x2_0000;
/// Where messages of interrupts go.
pub const MESSAGES: u64 = 0xfee0_0000;

/// How a read ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Good,
    Lost,
    Poisoned,
    Refused,
    Aborted,
}

impl Fate {
    /// What the card calls it.
    pub fn cause(self) -> u64 {
        match self {
            Self::Good => 0,
            Self::Lost => 1,
            Self::Poisoned => 2,
            Self::Refused => 3,
            Self::Aborted => 4,
        }
    }
}

struct Read {
    request: Request,
    fate: Fate,
    traffic_class: u8,
    attributes: u8,
    done: usize,
}

/// A host with memory at `base`.
pub struct Root {
    pub base: u64,
    pub memory: Vec<u8>,
    /// Lines of reads in the order of the requests, and how they end.
    pub fates: VecDeque<(u64, Fate)>,
    /// Messages that came: address and data.
    pub messages: Vec<(u64, u32)>,
    /// Reads that end badly, in a thousand.
    pub failures: u64,
    pub max_payload: usize,
    pub max_read: usize,
    pub reads: usize,
    pub writes: usize,
    line_bytes: usize,
    waiting: Vec<Read>,
    completer: Id,
}

impl Root {
    pub fn new(base: u64, line_bytes: usize, memory: Vec<u8>) -> Self {
        assert_eq!(memory.len(), HOST_BYTES);
        Self {
            base,
            memory,
            fates: VecDeque::new(),
            messages: vec![],
            failures: 0,
            max_payload: 128,
            max_read: 128,
            reads: 0,
            writes: 0,
            line_bytes,
            waiting: vec![],
            completer: Id(0),
        }
    }

    /// What the card has asked for is never answered.
    pub fn lose(&mut self) {
        for read in &mut self.waiting {
            read.fate = Fate::Lost;
        }
    }

    fn place(&self, request: &Request) -> usize {
        let start = request.address - self.base;
        let count = u64::from(request.dwords) * 4;
        assert!(start + count <= HOST_BYTES as u64, "{request:?} is outside");
        assert_eq!(
            start / 4096,
            (start + count - 1) / 4096,
            "4 KiB are not crossed"
        );
        start as usize
    }

    /// Takes a request of the card.
    pub fn request(&mut self, packet: &[u32], rng: &mut Rng) {
        let tlp = Tlp::decode(packet).expect("requests are well-formed");
        assert!(!tlp.poisoned);
        match tlp.kind {
            Kind::MemoryWrite(request, payload) => {
                self.legal(&request, packet);
                assert!(payload.len() <= self.max_payload, "Max_Payload_Size");
                if request.address & !0xfffff == MESSAGES {
                    let data = payload[..].try_into().expect("one doubleword");
                    self.messages
                        .push((request.address, u32::from_le_bytes(data)));
                    return;
                }
                self.writes += 1;
                let at = self.place(&request);
                assert!(at >= HOST_BYTES / 2, "nobody writes here");
                let dwords = usize::from(request.dwords);
                for (index, byte) in payload.into_iter().enumerate() {
                    let enables = match index / 4 {
                        0 => request.first_be,
                        last if last + 1 == dwords => request.last_be,
                        _ => 15,
                    };
                    if enables >> (index % 4) & 1 == 1 {
                        self.memory[at + index] = byte;
                    }
                }
            }
            Kind::MemoryRead(request) => {
                self.legal(&request, packet);
                let count = usize::from(request.dwords) * 4;
                assert!(count <= self.max_read, "Max_Read_Request_Size");
                assert!(request.tag < 32, "tags have five bits");
                let is_new = self
                    .waiting
                    .iter()
                    .all(|read| read.request.tag != request.tag || read.fate == Fate::Lost);
                assert!(is_new, "tag {} is under way", request.tag);
                self.waiting.retain(|read| read.request.tag != request.tag);
                self.reads += 1;
                let at = self.place(&request);
                assert!(at < HOST_BYTES / 2, "nobody reads here");
                assert_eq!((request.first_be, at % self.line_bytes), (15, 0));
                let fate = match rng.below(1000) < self.failures {
                    false => Fate::Good,
                    true => [Fate::Lost, Fate::Poisoned, Fate::Refused, Fate::Aborted]
                        [rng.below(4) as usize],
                };
                for line in 0..count / self.line_bytes {
                    let address = request.address + (line * self.line_bytes) as u64;
                    self.fates.push_back((address, fate));
                }
                self.waiting.push(Read {
                    request,
                    fate,
                    traffic_class: tlp.traffic_class,
                    attributes: tlp.attributes,
                    done: 0,
                });
            }
            other => panic!("the card sent {other:?}"),
        }
    }

    fn legal(&self, request: &Request, packet: &[u32]) {
        assert_eq!(request.requester, Id(CARD_ID));
        assert!(bytes_are_legal(request), "{request:?}");
        let wide = packet[0] >> 29 & 1 == 1;
        assert_eq!(wide, request.address >> 32 != 0, "the shortest header");
    }

    /// A completion of any read that waits, now and then out of order.
    pub fn answer(&mut self, rng: &mut Rng) -> Option<Vec<u32>> {
        let open: Vec<usize> = (0..self.waiting.len())
            .filter(|&index| self.waiting[index].fate != Fate::Lost)
            .collect();
        if open.is_empty() {
            return None;
        }
        let pick = match rng.chance(60) {
            true => 0,
            false => rng.below(open.len() as u64) as usize,
        };
        let index = open[pick];
        let read = &mut self.waiting[index];
        let request = read.request;
        let total = usize::from(request.dwords) * 4;
        let left = total - read.done;
        let start = request.address + read.done as u64;
        let header = Completion {
            completer: self.completer,
            status: Status::Success,
            byte_count: left as u16,
            requester: request.requester,
            tag: request.tag,
            lower_address: (start & 0x7f) as u8,
        };
        // Pieces end at multiples of 64 bytes.
        let to_end = 64 - (start % 64) as usize;
        let most = (left - to_end.min(left)) / 64;
        let count = (to_end + 64 * rng.below(most as u64 + 1) as usize).min(left);
        let mut count = count.min(self.max_payload);
        if count < left {
            count -= (start as usize + count) % 64;
        }
        let fails = count == left || rng.chance(50);
        let status = match read.fate {
            Fate::Refused if fails => Status::Unsupported,
            Fate::Aborted if fails => Status::Abort,
            _ => Status::Success,
        };
        let kind = if status == Status::Success {
            let at = (start - self.base) as usize;
            read.done += count;
            Kind::CompletionData(header, self.memory[at..at + count].to_vec())
        } else {
            read.done = total;
            Kind::Completion(Completion { status, ..header })
        };
        let over = read.done == total;
        let tlp = Tlp {
            poisoned: read.fate == Fate::Poisoned && (over || rng.chance(30)),
            traffic_class: read.traffic_class,
            attributes: read.attributes,
            ..Tlp::new(kind)
        };
        if over {
            self.waiting.remove(index);
        }
        Some(tlp.encode())
    }
}
