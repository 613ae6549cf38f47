//! An endpoint in software: one window of registers, reads and writes of its own, and its own idea
//! of what packets may look like.
#![allow(dead_code, reason = "every test file uses a part")]

use std::collections::VecDeque;

use isa::model::{Memory, SliceMemory};
use pcie::root::{Access, AccessError, FromCard, LinkError, Options, ROOT_ID, Root, Settings};
use pcie::stream::{Beat, Joiner, beats};
use pcie::tlp::{Completion, Id, Kind, Request, Status, Tlp};

/// Small pseudo-random numbers (xorshift64*).
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }
}

/// The function's identity.
pub const ID: Id = Id(0x0300);
/// Where memory begins, and its size.
pub const BASE: u64 = 0x1_2340_0000;
pub const BYTES: usize = 1 << 16;
/// Where the window stands, and its size.
pub const WINDOW: u64 = 0xe000_0000;
pub const WINDOW_BYTES: usize = 1 << 14;

/// How the endpoint answers a read of its window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mood {
    Good,
    Status(Status),
    Poisoned,
    Silent,
}

/// A completion that the endpoint got.
#[derive(Clone, Debug)]
pub struct Got {
    /// Cycle in which its last beat was taken.
    pub cycle: u64,
    pub completion: Completion,
    pub poisoned: bool,
    pub payload: Vec<u8>,
}

/// The endpoint and the root complex that it hangs on.
pub struct Bench {
    pub root: Root,
    pub memory: SliceMemory,
    pub window: Vec<u8>,
    pub mood: Mood,
    /// Most payload of a completion, and of what the endpoint takes.
    pub max_payload: usize,
    /// Chance, in percent, that it does not take a beat, or offers none.
    pub lazy: u64,
    pub got: Vec<Got>,
    /// Requests of the host, in the order in which they came.
    pub requests: Vec<Tlp>,
    /// Cycle of the last beat of every packet that was sent.
    pub sent: Vec<u64>,
    pub rng: Rng,
    words: usize,
    out: VecDeque<Beat>,
    offered: FromCard,
    joiner: Joiner,
    taken: bool,
}

/// How the function of these tests is set up.
pub fn settings(max_payload: u32) -> Settings {
    Settings {
        id: ID,
        bus_master: true,
        resetting: false,
        max_payload,
        max_read: 512,
    }
}

impl Bench {
    pub fn new(options: &Options, max_payload: u32) -> Self {
        let mut root = Root::new(options).expect("good options");
        root.set_settings(settings(max_payload))
            .expect("good settings");
        root.set_bar(0, Some(WINDOW));
        let mut memory = SliceMemory::new(BASE, BYTES);
        for (index, byte) in memory.bytes_mut().iter_mut().enumerate() {
            *byte = (index * 7 + (index >> 8) * 13) as u8;
        }
        Self {
            root,
            memory,
            window: (0..WINDOW_BYTES)
                .map(|index| (index * 3 + (index >> 8)) as u8)
                .collect(),
            mood: Mood::Good,
            max_payload: max_payload as usize,
            lazy: 0,
            got: Vec::new(),
            requests: Vec::new(),
            sent: Vec::new(),
            rng: Rng(11),
            words: options.words,
            out: VecDeque::new(),
            offered: FromCard::default(),
            joiner: Joiner::default(),
            taken: false,
        }
    }

    /// Queues a packet.
    pub fn send(&mut self, tlp: &Tlp) {
        self.send_words(&tlp.encode());
    }

    pub fn send_words(&mut self, words: &[u32]) {
        self.out.extend(beats(words, self.words));
    }

    pub fn send_beat(&mut self, beat: Beat) {
        self.out.push_back(beat);
    }

    /// Queues a read of memory.
    pub fn read(&mut self, tag: u8, address: u64, bytes: u64) {
        self.send(&Tlp::new(Kind::MemoryRead(request(tag, address, bytes))));
    }

    /// Queues a write to memory.
    pub fn write(&mut self, address: u64, data: &[u8]) {
        let request = request(0, address, data.len() as u64);
        let mut payload = vec![0xcc; 4 * usize::from(request.dwords)];
        payload[(address & 3) as usize..][..data.len()].copy_from_slice(data);
        self.send(&Tlp::new(Kind::MemoryWrite(request, payload)));
    }

    pub fn cycle(&mut self) -> Result<(), LinkError> {
        self.offered.ready = self.rng.below(100) >= self.lazy;
        if !self.offered.valid
            && self.rng.below(100) >= self.lazy
            && let Some(beat) = self.out.pop_front()
        {
            self.offered.valid = true;
            self.offered.beat = beat;
        }
        let offered = self.offered;
        let to_card = *self.root.cycle(&mut self.memory, &offered)?;
        if offered.valid && to_card.ready {
            self.offered.valid = false;
            if offered.beat.last {
                self.sent.push(self.root.cycles() - 1);
            }
        }
        self.taken = to_card.valid && offered.ready;
        if self.taken
            && let Some(packet) = self.joiner.push(&to_card.beat)
        {
            self.packet(&packet, to_card.bar);
        }
        Ok(())
    }

    /// Runs until nothing is under way.
    pub fn run(&mut self, most: u64) {
        for _ in 0..most {
            self.cycle().expect("no broken rule");
            if self.root.is_idle() && self.out.is_empty() && !self.offered.valid {
                return;
            }
        }
        panic!("the link does not come to rest within {most} cycles");
    }

    /// Runs until a broken rule is found.
    pub fn broken(&mut self) -> String {
        for _ in 0..1000 {
            if let Err(error) = self.cycle() {
                return error.to_string();
            }
        }
        panic!("no broken rule was found");
    }

    /// Runs a read of the host to its end.
    pub fn host_read(&mut self, offset: u64, bytes: usize) -> Result<Vec<u8>, AccessError> {
        let access = self.root.read(0, offset, bytes);
        let mut out = vec![0; bytes];
        self.end(access, &mut out).map(|()| out)
    }

    /// Runs a write of the host to its end.
    pub fn host_write(&mut self, offset: u64, data: &[u8]) -> Result<(), AccessError> {
        let access = self.root.write(0, offset, data);
        self.end(access, &mut [])
    }

    pub fn end(&mut self, access: Access, out: &mut [u8]) -> Result<(), AccessError> {
        for _ in 0..1_000_000 {
            if let Some(done) = self.root.finish(access, out) {
                return done;
            }
            self.cycle().expect("no broken rule");
        }
        panic!("the access does not end");
    }

    fn packet(&mut self, words: &[u32], bar: u8) {
        let tlp = Tlp::decode(words).expect("a packet");
        match &tlp.kind {
            Kind::MemoryRead(request) => {
                legal(request, 512);
                assert_eq!((request.requester, bar), (ROOT_ID, 1));
                self.answer(request);
                self.requests.push(tlp);
            }
            Kind::MemoryWrite(request, payload) => {
                legal(request, self.max_payload);
                assert_eq!((request.requester, bar), (ROOT_ID, 1));
                let at = (request.address - WINDOW) as usize;
                for (byte, value) in payload.iter().enumerate() {
                    let enables = match byte / 4 {
                        0 => request.first_be,
                        dword if dword + 1 == payload.len() / 4 => request.last_be,
                        _ => 15,
                    };
                    if enables >> (byte % 4) & 1 == 1 {
                        self.window[at + byte] = *value;
                    }
                }
                self.requests.push(tlp);
            }
            Kind::Completion(completion) => self.take(*completion, tlp.poisoned, Vec::new()),
            Kind::CompletionData(completion, payload) => {
                self.take(*completion, tlp.poisoned, payload.clone());
            }
            // A locked read of one doubleword.
            Kind::Other(words) if words[0] == 0x0100_0001 => {
                let completion = Completion {
                    completer: ID,
                    status: Status::Unsupported,
                    byte_count: 4,
                    requester: Id((words[1] >> 16) as u16),
                    tag: (words[1] >> 8) as u8,
                    lower_address: 0,
                };
                self.send(&Tlp::new(Kind::LockedCompletion(completion)));
                self.requests.push(tlp);
            }
            Kind::LockedCompletion(_) => panic!("the card locks nothing: {tlp:?}"),
            Kind::Other(words) => panic!("an unknown packet {words:x?}"),
        }
    }

    fn take(&mut self, completion: Completion, poisoned: bool, payload: Vec<u8>) {
        assert_eq!((completion.requester, completion.completer), (ID, ROOT_ID));
        assert!(payload.len() <= self.max_payload);
        self.got.push(Got {
            cycle: self.root.cycles() - 1,
            completion,
            poisoned,
            payload,
        });
    }

    /// Answers a read of the window, cut at multiples of 128 bytes.
    fn answer(&mut self, request: &Request) {
        let skipped = u64::from(request.first_be.trailing_zeros());
        let last = if request.dwords == 1 {
            request.first_be
        } else {
            request.last_be
        };
        let mut at = request.address + skipped;
        let end =
            request.address + 4 * u64::from(request.dwords) - u64::from(last.leading_zeros() - 4);
        while at < end {
            let completion = Completion {
                completer: ID,
                status: Status::Success,
                byte_count: (end - at) as u16,
                requester: request.requester,
                tag: request.tag,
                lower_address: (at & 0x7f) as u8,
            };
            match self.mood {
                Mood::Silent => return,
                Mood::Status(status) => {
                    self.send(&Tlp::new(Kind::Completion(Completion {
                        status,
                        ..completion
                    })));
                    return;
                }
                Mood::Good | Mood::Poisoned => {}
            }
            let blocks = 1 + self.rng.below(self.max_payload as u64 / 128);
            let to = end.min((at & !127) + 128 * blocks);
            let (first, past) = (at & !3, to.next_multiple_of(4));
            let payload = self.window[(first - WINDOW) as usize..(past - WINDOW) as usize].to_vec();
            self.send(&Tlp {
                poisoned: self.mood == Mood::Poisoned,
                ..Tlp::new(Kind::CompletionData(completion, payload))
            });
            at = to;
        }
    }

    /// The bytes of memory.
    pub fn bytes(&mut self, address: u64, bytes: usize) -> Vec<u8> {
        let mut out = vec![0; bytes];
        assert!(self.memory.read(address, &mut out));
        out
    }
}

/// A request of the endpoint for these bytes.
pub fn request(tag: u8, address: u64, bytes: u64) -> Request {
    let first = address & !3;
    let dwords = (address + bytes - first).div_ceil(4);
    let first_be = (0xf << (address & 3)) as u8 & 15;
    let last_be = 15 >> (3 - ((address + bytes - 1) & 3)) as u8;
    Request {
        requester: ID,
        tag,
        address: first,
        dwords: dwords as u16,
        first_be: if dwords == 1 {
            first_be & last_be
        } else {
            first_be
        },
        last_be: if dwords == 1 { 0 } else { last_be },
    }
}

/// What a host may send.
fn legal(request: &Request, most: usize) {
    let bytes = 4 * usize::from(request.dwords);
    assert!(bytes <= most, "{request:x?}");
    assert!(
        (request.address & 0xfff) as usize + bytes <= 4096,
        "{request:x?}"
    );
    assert_ne!(request.first_be, 0);
    if request.dwords == 1 {
        assert_eq!(request.last_be, 0);
    } else {
        assert!([15, 14, 12, 8].contains(&request.first_be), "{request:x?}");
        assert!([15, 7, 3, 1].contains(&request.last_be), "{request:x?}");
    }
}
