//! The write engine between its users: bursts and lines in, packets out, answers out.

use std::collections::VecDeque;

use hdl::pcie::WriteEngine;
use pcie::stream::{Beat, Joiner};
use pcie::tlp::{Kind, Tlp};
use verilate::PortRef;

use crate::common::{Bench, Rng};

/// Lines to write: bytes, and which of them count.
#[derive(Clone, Debug)]
pub struct Burst {
    pub addr: u64,
    pub id: u64,
    pub lines: Vec<Vec<Option<u8>>>,
}

impl Burst {
    /// The bytes that count, with their addresses.
    fn bytes(&self) -> VecDeque<(u64, u8)> {
        let bytes = self.lines.iter().flatten().zip(self.addr..);
        bytes
            .filter_map(|(byte, at)| byte.map(|byte| (at, byte)))
            .collect()
    }
}

/// A burst whose address was taken.
#[derive(Clone, Debug)]
struct Owed {
    id: u64,
    /// Bytes that are not written yet.
    bytes: VecDeque<(u64, u8)>,
    /// Packets that it has given, and how many a burst in one piece may give.
    packets: u64,
    pieces: Option<u64>,
    lost: bool,
}

/// What the users are like, in percent.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub aw_valid: u64,
    pub w_valid: u64,
    pub tx_ready: u64,
    pub b_ready: u64,
}

/// Everything at full speed.
pub const SUN: Weather = Weather {
    aw_valid: 100,
    w_valid: 100,
    tx_ready: 100,
    b_ready: 100,
};

struct Ports {
    reset: PortRef,
    link_down: PortRef,
    bus_master: PortRef,
    aw: [PortRef; 4],
    w: [PortRef; 3],
    w_data: Vec<PortRef>,
    w_strobes: Vec<PortRef>,
    b: [PortRef; 5],
    tx: [PortRef; 4],
    tx_data: Vec<PortRef>,
    ticks: [PortRef; 2],
}

/// Counts of what has happened.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub lines: u64,
    pub packets: u64,
    pub beats: u64,
    pub dwords: [u64; 4],
    pub good: u64,
    pub failed: u64,
    pub orphans: u64,
    /// Packets that were begun when the link went down.
    pub torn: u64,
    pub withdrawn: u64,
    pub first_beat: Option<u64>,
    pub last_beat: u64,
    pub last_answer: u64,
    pub ticks: [u64; 2],
}

pub struct Writer {
    bench: Bench,
    ports: Ports,
    words: usize,
    limit: u64,
    id: u16,
    pub rng: Rng,
    pub weather: Weather,
    /// Bursts whose address is to be offered.
    addresses: VecDeque<Burst>,
    /// Lines to be offered: bytes, and whether they end their burst.
    lines: VecDeque<(Vec<Option<u8>>, bool)>,
    owed: VecDeque<Owed>,
    joiner: Joiner,
    pub mid_packet: bool,
    /// What the packet that was begun before a reset has to hold.
    orphan: Option<VecDeque<(u64, u8)>>,
    held_tx: Option<(Beat, bool)>,
    held_b: Option<[u64; 3]>,
    pub bus_master: bool,
    was_off: bool,
    pub reset: bool,
    /// The link forgets what was begun; only with `reset`.
    pub link_down: bool,
    pub now: u64,
    pub seen: Seen,
}

impl Writer {
    pub fn new(words: usize, line_bytes: usize, max_payload: u64) -> Self {
        let mut bench = Bench::new(&WriteEngine::new(words, line_bytes), "write_engine");
        let ports = Ports {
            reset: bench.port("reset"),
            link_down: bench.port("link_down"),
            bus_master: bench.port("cfg_bus_master"),
            aw: ["aw_valid", "aw_addr", "aw_id", "aw_ready"].map(|name| bench.port(name)),
            w: ["w_valid", "w_last", "w_ready"].map(|name| bench.port(name)),
            w_data: bench.ports("w_data", line_bytes / 4),
            w_strobes: bench.ports("w_strobes", line_bytes / 4),
            b: ["b_valid", "b_id", "b_resp", "b_user", "b_ready"].map(|name| bench.port(name)),
            tx: ["tx_valid", "tx_last", "tx_keep", "tx_ready"].map(|name| bench.port(name)),
            tx_data: bench.ports("tx_data", words),
            ticks: ["tick_requests", "tick_beats"].map(|name| bench.port(name)),
        };
        let id = 0xbead;
        bench.set("cfg_id", id.into());
        bench.set("cfg_max_payload", max_payload);
        bench.set("cfg_bus_master", 1);
        bench.reset();
        Self {
            bench,
            ports,
            words,
            limit: (128 << max_payload).min(512),
            id,
            rng: Rng(0x7717e + (words * 64 + line_bytes) as u64 + max_payload),
            weather: SUN,
            addresses: VecDeque::new(),
            lines: VecDeque::new(),
            owed: VecDeque::new(),
            joiner: Joiner::default(),
            mid_packet: false,
            orphan: None,
            held_tx: None,
            held_b: None,
            bus_master: true,
            was_off: false,
            reset: false,
            link_down: false,
            now: 0,
            seen: Seen::default(),
        }
    }

    pub fn push(&mut self, burst: Burst) {
        let count = burst.lines.len();
        let lines = burst.lines.iter().enumerate();
        self.lines
            .extend(lines.map(|(index, line)| (line.clone(), index + 1 == count)));
        self.addresses.push_back(burst);
    }

    /// Bursts and lines that are still to be offered.
    pub fn waiting(&self) -> usize {
        self.addresses.len().max(self.lines.len())
    }

    /// Whether every burst is answered.
    pub fn is_done(&self) -> bool {
        self.waiting() == 0 && self.owed.is_empty()
    }

    /// One cycle.
    pub fn step(&mut self) {
        self.was_off |= !self.bus_master;
        let model = &mut self.bench.model;
        model.set(self.ports.reset, self.reset.into());
        model.set(self.ports.link_down, self.link_down.into());
        model.set(self.ports.bus_master, self.bus_master.into());
        let burst = self
            .addresses
            .front()
            .filter(|_| self.rng.chance(self.weather.aw_valid));
        model.set(self.ports.aw[0], burst.is_some().into());
        if let Some(burst) = burst {
            model.set(self.ports.aw[1], burst.addr);
            model.set(self.ports.aw[2], burst.id);
        }
        let line = self
            .lines
            .front()
            .filter(|_| self.rng.chance(self.weather.w_valid));
        model.set(self.ports.w[0], line.is_some().into());
        if let Some((bytes, last)) = line {
            model.set(self.ports.w[1], (*last).into());
            for (word, chunk) in bytes.chunks(4).enumerate() {
                let value = chunk.iter().rev().fold(0, |value, byte| {
                    value << 8 | u64::from(byte.unwrap_or_else(|| self.rng.next() as u8))
                });
                let strobes = chunk
                    .iter()
                    .rev()
                    .fold(0, |strobes, byte| strobes << 1 | u64::from(byte.is_some()));
                model.set(self.ports.w_data[word], value);
                model.set(self.ports.w_strobes[word], strobes);
            }
        }
        let offered = (burst.is_some(), line.is_some());
        let tx_ready = self.rng.chance(self.weather.tx_ready);
        let b_ready = self.rng.chance(self.weather.b_ready);
        model.set(self.ports.tx[3], tx_ready.into());
        model.set(self.ports.b[4], b_ready.into());
        model.eval();

        self.check_answer(b_ready);
        self.check_packet(tx_ready);
        for (count, port) in self.seen.ticks.iter_mut().zip(self.ports.ticks) {
            *count += self.bench.model.get(port);
        }
        if offered.0 && self.bench.model.get(self.ports.aw[3]) == 1 {
            let burst = self.addresses.pop_front().expect("it was offered");
            let bytes = burst.bytes();
            let whole = bytes
                .iter()
                .zip(bytes.iter().skip(1))
                .all(|(a, b)| a.0 + 1 == b.0);
            let pieces = match (bytes.front(), bytes.back()) {
                (Some(first), Some(last)) => last.0 / self.limit - first.0 / self.limit + 1,
                _ => 0,
            };
            self.owed.push_back(Owed {
                id: burst.id,
                bytes,
                packets: 0,
                pieces: whole.then_some(pieces),
                lost: false,
            });
        }
        if offered.1 && self.bench.model.get(self.ports.w[2]) == 1 {
            self.lines.pop_front();
            self.seen.lines += 1;
        }
        if self.reset {
            if self.mid_packet && self.orphan.is_none() {
                // Of the first burst, unless that was dropped without bus master.
                let bytes = self.owed.iter().flat_map(|owed| owed.bytes.clone());
                self.orphan = Some(bytes.collect());
            }
            self.addresses.clear();
            self.lines.clear();
            self.owed.clear();
            self.held_b = None;
        }
        if self.link_down {
            self.seen.torn += u64::from(self.mid_packet);
            self.orphan = None;
            self.mid_packet = false;
            self.held_tx = None;
            self.joiner = Joiner::default();
        }
        self.bench.model.cycle();
        self.now += 1;
    }

    fn check_answer(&mut self, ready: bool) {
        let model = &self.bench.model;
        let [valid, id, resp, user, _] = self.ports.b;
        if model.get(valid) == 0 {
            assert!(self.held_b.is_none(), "an offered answer stays");
            return;
        }
        let answer = [id, resp, user].map(|port| model.get(port));
        assert!(
            self.held_b.is_none_or(|held| held == answer),
            "an offered answer stays"
        );
        self.held_b = (!ready).then_some(answer);
        let owed = self.owed.front().expect("an answer to a burst");
        let lost = owed.lost || !owed.bytes.is_empty();
        let text = format!("cycle {}, {owed:x?}", self.now);
        assert!(!lost || self.was_off, "only without bus master: {text}");
        let wanted = if lost {
            [owed.id, 2, 5]
        } else {
            [owed.id, 0, 0]
        };
        assert_eq!(answer, wanted, "{text}");
        if ready {
            if let Some(pieces) = owed.pieces.filter(|_| !lost) {
                assert_eq!(owed.packets, pieces, "no packet more than needed: {text}");
            }
            self.seen.good += u64::from(!lost);
            self.seen.failed += u64::from(lost);
            self.seen.last_answer = self.now;
            self.owed.pop_front();
        }
    }

    fn check_packet(&mut self, ready: bool) {
        let model = &self.bench.model;
        let [valid, last, keep, _] = self.ports.tx;
        if model.get(valid) == 0 {
            assert!(!self.mid_packet || self.link_down, "a packet has no gaps");
            let may_withdraw = self.reset || !self.bus_master;
            assert!(
                self.held_tx.is_none() || may_withdraw,
                "an offered packet stays"
            );
            self.seen.withdrawn += u64::from(self.held_tx.is_some());
            self.held_tx = None;
            return;
        }
        assert!(!self.link_down, "nothing goes on");
        assert!(
            self.mid_packet || (self.bus_master && !self.reset),
            "no packet begins"
        );
        let mut beat = Beat {
            keep: model.get(keep) as u8,
            last: model.get(last) == 1,
            ..Beat::default()
        };
        let full = (1 << self.words) - 1;
        assert!(
            beat.keep == full || (beat.last && beat.keep.count_ones() == beat.keep.trailing_ones())
        );
        // Words that do not count may be anything, but must not change either.
        for (word, port) in beat.data.iter_mut().zip(&self.ports.tx_data) {
            *word = model.get(*port) as u32;
        }
        if let Some((held, begun)) = self.held_tx {
            assert_eq!(
                (held, begun),
                (beat, self.mid_packet),
                "what is offered stays"
            );
        }
        self.held_tx = (!ready).then_some((beat, self.mid_packet));
        if !ready {
            return;
        }
        self.seen.beats += 1;
        self.seen.first_beat.get_or_insert(self.now);
        self.seen.last_beat = self.now;
        self.mid_packet = !beat.last;
        if let Some(words) = self.joiner.push(&beat) {
            self.seen.packets += 1;
            let bytes = self.decode(&words);
            self.apply(&bytes);
        }
    }

    /// Reads a packet, checks what every packet must keep to, and gives the bytes that it writes.
    fn decode(&mut self, words: &[u32]) -> Vec<(u64, u8)> {
        let packet = Tlp::decode(words).expect("a well-formed packet");
        assert_eq!(packet.encode(), words, "no bit is set that has no meaning");
        assert_eq!(
            (packet.poisoned, packet.traffic_class, packet.attributes),
            (false, 0, 0)
        );
        let Kind::MemoryWrite(request, payload) = packet.kind else {
            panic!("{packet:?} is no memory write");
        };
        assert_eq!((request.requester.0, request.tag), (self.id, 0));
        assert!(
            payload.len() as u64 <= self.limit,
            "{} bytes",
            payload.len()
        );
        let end = request.address + payload.len() as u64;
        assert_eq!(
            request.address >> 12,
            (end - 1) >> 12,
            "no packet crosses 4 KiB"
        );
        let dwords = request.dwords;
        assert!(request.first_be != 0);
        assert_eq!(request.last_be == 0, dwords == 1);
        if dwords >= 2 {
            // Bytes without a gap from the first to the last one; two doublewords may have gaps
            // only where they are aligned.
            let first_joins =
                (request.first_be << 4).leading_ones() == request.first_be.count_ones();
            let last_joins = request.last_be.trailing_ones() == request.last_be.count_ones();
            let may_gap = dwords == 2 && request.address % 8 == 0;
            assert!((first_joins && last_joins) || may_gap, "{request:x?}");
        }
        self.seen.dwords[usize::from(dwords.min(4)) - 1] += 1;
        let counts = |at: usize| {
            let be = match at / 4 {
                0 => request.first_be,
                word if word + 1 == usize::from(dwords) => request.last_be,
                _ => 15,
            };
            be >> (at % 4) & 1 == 1
        };
        let bytes = payload.iter().enumerate().filter(|(at, _)| counts(*at));
        bytes
            .map(|(at, byte)| (request.address + at as u64, *byte))
            .collect()
    }

    /// Holds the bytes of a packet against those that come next.
    fn apply(&mut self, bytes: &[(u64, u8)]) {
        if let Some(mut old) = self.orphan.take() {
            self.seen.orphans += 1;
            let begin = old.iter().position(|entry| entry == &bytes[0]);
            let begin = begin.expect("the bytes of the packet that was begun");
            assert!(begin == 0 || self.was_off);
            assert_eq!(
                old.drain(begin..begin + bytes.len()).collect::<Vec<_>>(),
                bytes
            );
            return;
        }
        // Packets of bursts in front of this one may be missing without bus master.
        let owed = self
            .owed
            .iter_mut()
            .find(|owed| owed.bytes.iter().any(|entry| entry.0 == bytes[0].0));
        let owed = owed.expect("a packet of a burst");
        while owed
            .bytes
            .front()
            .is_some_and(|entry| entry.0 != bytes[0].0)
        {
            assert!(self.was_off, "a byte is missing");
            owed.bytes.pop_front();
            owed.lost = true;
        }
        let wanted: Vec<(u64, u8)> = owed
            .bytes
            .drain(..bytes.len().min(owed.bytes.len()))
            .collect();
        assert_eq!(wanted, bytes, "cycle {}", self.now);
        owed.packets += 1;
    }
}
