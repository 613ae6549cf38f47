//! The receiver against what the packet codec and the rules of the specification say of each
//! packet.

mod common;

use std::collections::VecDeque;

use common::link::{
    Ask, BARS, CARD_ID, Effect, Source, bytes, effect, length, packet, request, spoil, spoil_beats,
    unusual,
};
use common::{Bench, Rng, full};
use hdl::pcie::Receive;
use pcie::stream::{Beat, beats};
use pcie::tlp::{Completion, Id, Kind, Request, Status, Tlp};
use verilate::PortRef;

/// Requests of a kind that fit, as the contract of the block says.
const REQUESTS: usize = 32;

struct Ports {
    cpl_valid: PortRef,
    cpl_first: PortRef,
    cpl_last: PortRef,
    cpl_good: PortRef,
    cpl_count: PortRef,
    cpl_data: Vec<PortRef>,
    write_valid: PortRef,
    write_done: PortRef,
    word_valid: PortRef,
    word_pop: PortRef,
    word_data: Vec<PortRef>,
    ask_valid: PortRef,
    ask_pop: PortRef,
}

/// A completion that is on its way out of the block.
struct Open {
    tag: u64,
    words: Vec<u32>,
    length: usize,
}

/// How ready the reader of requests is, in percent.
#[derive(Clone, Copy)]
struct Mood {
    gaps: u64,
    writes: u64,
    asks: u64,
}

struct Room {
    bench: Bench,
    source: Source,
    ports: Ports,
    rng: Rng,
    words: usize,
    /// What must come out.
    completions: VecDeque<Tlp>,
    writes: VecDeque<(u8, Request, Vec<u8>)>,
    /// Requests, each with the number of writes that come before it.
    asks: VecDeque<(usize, u8, Ask)>,
    writes_pushed: usize,
    writes_done: usize,
    /// Rows of the write at hand.
    rows: Vec<u32>,
    open: Option<Open>,
    /// Completions that ended badly.
    bad: usize,
    cycle: usize,
}

impl Room {
    fn new(words: usize) -> Self {
        let mut bench = Bench::new(&Receive::new(words), "receive");
        bench.set("cfg_id", CARD_ID.into());
        bench.reset();
        let ports = Ports {
            cpl_valid: bench.port("cpl_valid"),
            cpl_first: bench.port("cpl_first"),
            cpl_last: bench.port("cpl_last"),
            cpl_good: bench.port("cpl_good"),
            cpl_count: bench.port("cpl_count"),
            cpl_data: bench.ports("cpl_data", words),
            write_valid: bench.port("write_valid"),
            write_done: bench.port("write_done"),
            word_valid: bench.port("word_valid"),
            word_pop: bench.port("word_pop"),
            word_data: bench.ports("word_data", words),
            ask_valid: bench.port("ask_valid"),
            ask_pop: bench.port("ask_pop"),
        };
        Self {
            source: Source::new(&bench, words),
            ports,
            bench,
            rng: Rng(0x4ec + words as u64),
            words,
            completions: VecDeque::new(),
            writes: VecDeque::new(),
            asks: VecDeque::new(),
            writes_pushed: 0,
            writes_done: 0,
            rows: vec![],
            open: None,
            bad: 0,
            cycle: 0,
        }
    }

    /// Queues a packet and what it must do.
    fn push(&mut self, words: &[u32], bar: u8) {
        self.source.push(words, bar);
        match effect(words, bar) {
            Effect::Nothing => {}
            Effect::Completion(tlp) => self.completions.push_back(tlp),
            Effect::Write(request, payload) => {
                self.writes.push_back((bar, request, payload));
                self.writes_pushed += 1;
            }
            Effect::Ask(ask) => self.asks.push_back((self.writes_pushed, bar, ask)),
        }
    }

    fn is(&self, port: PortRef) -> bool {
        self.bench.model.get(port) == 1
    }

    fn cycle(&mut self, mood: Mood) {
        let go = !self.rng.chance(mood.gaps);
        self.source.drive(&mut self.bench, go);
        for port in [
            self.ports.word_pop,
            self.ports.write_done,
            self.ports.ask_pop,
        ] {
            self.bench.model.set(port, 0);
        }
        self.bench.model.eval();
        self.completion();
        self.write(mood.writes);
        self.ask(mood.asks);
        // What the reader does must not change whether a beat is taken.
        self.source.settle(&self.bench);
        self.bench.model.cycle();
        self.cycle += 1;
    }

    fn completion(&mut self) {
        if !self.is(self.ports.cpl_valid) {
            return;
        }
        let bench = &self.bench;
        if self.is(self.ports.cpl_first) {
            assert!(self.open.is_none(), "the last completion has ended");
            self.open = Some(Open {
                tag: bench.get("cpl_tag"),
                words: vec![],
                length: 0,
            });
        }
        let count = bench.model.get(self.ports.cpl_count) as usize;
        let last = self.is(self.ports.cpl_last);
        let good = self.is(self.ports.cpl_good);
        let open = self.open.as_mut().expect("a completion has a first beat");
        assert_eq!(open.tag, bench.get("cpl_tag"), "the tag stands still");
        assert!(count <= self.words);
        for port in &self.ports.cpl_data[..count] {
            open.words.push(bench.model.get(*port) as u32);
        }
        open.length += count;
        assert!(open.length <= 1024, "never more than a header can name");
        if !last {
            return;
        }
        let open = self.open.take().expect("it is open");
        if !good {
            self.bad += 1;
            return;
        }
        let tlp = self.completions.pop_front().expect("a completion was sent");
        let (completion, payload) = match &tlp.kind {
            Kind::Completion(completion) => (completion, vec![]),
            Kind::CompletionData(completion, payload) => (completion, payload.clone()),
            other => panic!("{other:?} is no completion"),
        };
        let got: Vec<u8> = open
            .words
            .iter()
            .flat_map(|word| word.to_be_bytes())
            .collect();
        assert_eq!(got, payload);
        assert_eq!(open.tag, u64::from(completion.tag));
        assert_eq!(bench.get("cpl_status"), u64::from(completion.status.code()));
        assert_eq!(bench.get("cpl_bytes"), u64::from(completion.byte_count));
        assert_eq!(bench.get("cpl_lower"), u64::from(completion.lower_address));
        assert_eq!(bench.is("cpl_poison"), tlp.poisoned);
    }

    fn write(&mut self, ready: u64) {
        if !self.is(self.ports.write_valid) {
            return;
        }
        let (bar, request, payload) = self.writes.front().expect("a write was sent").clone();
        if self.rows.is_empty() {
            let fields = self.bench.fields("write", &[2, 30, 11, 4, 4]);
            let window = if bar & 1 != 0 { 1 } else { 2 };
            let expected = [
                window,
                u64::from(request.address as u32 >> 2),
                request.dwords.into(),
                request.first_be.into(),
                request.last_be.into(),
            ];
            assert_eq!(fields, expected);
        }
        let lane = (request.address / 4) as usize % self.words;
        let total = (lane + usize::from(request.dwords)).div_ceil(self.words) * self.words;
        if self.rows.len() < total && self.is(self.ports.word_valid) && self.rng.chance(ready) {
            let model = &mut self.bench.model;
            self.rows.extend(
                self.ports
                    .word_data
                    .iter()
                    .map(|port| model.get(*port) as u32),
            );
            model.set(self.ports.word_pop, 1);
        }
        if self.rows.len() == total && self.rng.chance(ready) {
            let end = lane + usize::from(request.dwords);
            let got: Vec<u8> = self.rows[lane..end]
                .iter()
                .flat_map(|word| word.to_be_bytes())
                .collect();
            assert_eq!(got, payload, "{request:?}");
            self.bench.model.set(self.ports.write_done, 1);
            self.writes.pop_front();
            self.writes_done += 1;
            self.rows.clear();
        }
    }

    fn ask(&mut self, ready: u64) {
        if !self.is(self.ports.ask_valid) {
            return;
        }
        let (before, bar, ask) = self.asks.front().expect("a request was sent").clone();
        let request = ask.request;
        assert!(self.writes_done >= before, "writes before it are done");
        let window = match (ask.readable, bar & 1 != 0) {
            (false, _) => 0,
            (true, true) => 1,
            (true, false) => 2,
        };
        let widths = [2, 1, 30, 11, 4, 4, 16, 8, 3, 2];
        let mut fields = self.bench.fields("ask", &widths);
        if request.dwords == 1 {
            fields[5] = 0;
        }
        let expected = [
            window,
            ask.locked.into(),
            u64::from(request.address as u32 >> 2),
            request.dwords.into(),
            request.first_be.into(),
            request.last_be.into(),
            request.requester.0.into(),
            request.tag.into(),
            ask.traffic_class.into(),
            ask.attributes.into(),
        ];
        assert_eq!(fields, expected);
        if self.rng.chance(ready) {
            self.bench.model.set(self.ports.ask_pop, 1);
            self.asks.pop_front();
        }
    }

    /// Runs until everything that was sent has come out.
    fn drain(&mut self, mood: Mood) {
        let mut quiet = 0;
        let end = self.cycle + 1_000_000;
        while quiet < 8 {
            let waits = self.source.waiting() > 0
                || !self.writes.is_empty()
                || !self.asks.is_empty()
                || !self.completions.is_empty();
            quiet = if waits { 0 } else { quiet + 1 };
            self.cycle(mood);
            assert!(self.cycle < end, "the receiver hangs");
        }
        assert!(self.open.is_none() && self.rows.is_empty());
        assert!(!self.bench.is("write_valid") && !self.bench.is("ask_valid"));
        assert!(!self.bench.is("word_valid"), "no word is left behind");
    }

    fn completion_packet(&mut self) -> Tlp {
        let rng = &mut self.rng;
        let requester = if rng.chance(90) {
            CARD_ID
        } else {
            rng.next() as u16
        };
        let completion = Completion {
            completer: Id(rng.next() as u16),
            status: Status::from_code(rng.below(8) as u8),
            byte_count: 1 + rng.below(4096) as u16,
            requester: Id(requester),
            tag: rng.next() as u8,
            lower_address: rng.below(128) as u8,
        };
        let kind = match rng.below(4) {
            0 => Kind::Completion(completion),
            _ => {
                let dwords = length(rng);
                Kind::CompletionData(completion, bytes(rng, usize::from(dwords) * 4))
            }
        };
        Tlp {
            poisoned: rng.chance(10),
            ..packet(rng, kind)
        }
    }

    fn address(&mut self) -> u64 {
        let high = if self.rng.chance(50) {
            self.rng.next()
        } else {
            0
        };
        let low = self.rng.next() & 0xffff_fffc;
        high << 32 | low
    }

    /// A legal packet of any kind.
    fn any(&mut self) -> (Vec<u32>, u8) {
        let bar = BARS[[0, 0, 1, 1, 2][self.rng.below(5) as usize]];
        let address = self.address();
        let tlp = match self.rng.below(10) {
            0..=3 => self.completion_packet(),
            4..=6 => {
                let dwords = length(&mut self.rng);
                let request = request(&mut self.rng, address, dwords);
                let payload = bytes(&mut self.rng, usize::from(dwords) * 4);
                Tlp {
                    poisoned: self.rng.chance(5),
                    ..packet(&mut self.rng, Kind::MemoryWrite(request, payload))
                }
            }
            7 | 8 => {
                let dwords = length(&mut self.rng);
                let request = request(&mut self.rng, address, dwords);
                packet(&mut self.rng, Kind::MemoryRead(request))
            }
            _ => return (unusual(&mut self.rng, address), bar),
        };
        (tlp.encode(), bar)
    }
}

const MOODS: [Mood; 5] = [
    Mood {
        gaps: 0,
        writes: 100,
        asks: 100,
    },
    Mood {
        gaps: 40,
        writes: 100,
        asks: 50,
    },
    Mood {
        gaps: 0,
        writes: 30,
        asks: 30,
    },
    Mood {
        gaps: 0,
        writes: 100,
        asks: 3,
    },
    Mood {
        gaps: 80,
        writes: 60,
        asks: 100,
    },
];

#[test]
fn every_length_and_alignment() {
    for words in [2, 4] {
        let mut room = Room::new(words);
        for dwords in 1..=1024u16 {
            for lane in 0..4u64 {
                let high = if (u64::from(dwords) + lane).is_multiple_of(2) {
                    1 << 40
                } else {
                    0
                };
                let address = high | (0x1230_0000 + 4 * lane);
                let (first_be, last_be) = if dwords == 1 { (5, 0) } else { (15, 15) };
                let request = Request {
                    requester: Id(9),
                    tag: dwords as u8,
                    address,
                    dwords,
                    first_be,
                    last_be,
                };
                let payload = bytes(&mut room.rng, usize::from(dwords) * 4);
                // Lengths around each size, all of them for the short ones.
                if dwords < 70 || dwords % 61 == 0 || dwords > 1020 {
                    let write = Tlp::new(Kind::MemoryWrite(request, payload.clone()));
                    room.push(&write.encode(), 1);
                }
                let read = Tlp::new(Kind::MemoryRead(request));
                room.push(&read.encode(), 4);
                if lane == 0 {
                    let mut tlp = room.completion_packet();
                    if let Kind::CompletionData(_, data) = &mut tlp.kind {
                        *data = payload;
                    }
                    room.push(&tlp.encode(), 0);
                }
            }
            let mood = MOODS[usize::from(dwords) % 3];
            room.drain(mood);
        }
        assert_eq!(room.bad, 0);
    }
}

#[test]
fn every_byte_enable() {
    for words in [2, 4] {
        let mut room = Room::new(words);
        for dwords in [1, 2, 3, 4, 1024] {
            for address in [0x8000, 0x8004, 0x1_0000_8008, 0x1_0000_800c] {
                for enables in 0..256u16 {
                    let request = Request {
                        requester: Id(1),
                        tag: enables as u8,
                        address,
                        dwords,
                        first_be: enables as u8 & 15,
                        last_be: enables as u8 >> 4,
                    };
                    room.push(&Tlp::new(Kind::MemoryRead(request)).encode(), 1);
                    if dwords < 1024 {
                        let payload = bytes(&mut room.rng, usize::from(dwords) * 4);
                        let write = Tlp::new(Kind::MemoryWrite(request, payload));
                        room.push(&write.encode(), 4);
                    }
                }
                room.drain(MOODS[0]);
            }
        }
        assert!(room.writes_done > 400);
    }
}

#[test]
fn legal_packets_in_any_mix() {
    for words in [2, 4] {
        let mut room = Room::new(words);
        for round in 0..60 {
            for _ in 0..40 {
                let (packet, bar) = room.any();
                room.push(&packet, bar);
            }
            room.drain(MOODS[round % MOODS.len()]);
        }
        assert_eq!(room.bad, 0, "a legal completion is good");
    }
}

#[test]
fn malformed_packets_have_no_effect() {
    let count = if full() { 12_500 } else { 1_250 };
    for words in [2, 4] {
        let mut room = Room::new(words);
        for round in 0..count {
            for _ in 0..40 {
                let (mut packet, bar) = room.any();
                match room.rng.below(4) {
                    0 => room.push(&packet, bar),
                    1 => {
                        let mut beats = beats(&packet, words);
                        spoil_beats(&mut room.rng, &mut beats, words);
                        room.source.push_beats(beats, bar);
                    }
                    _ => {
                        spoil(&mut room.rng, &mut packet);
                        room.push(&packet, bar);
                    }
                }
            }
            room.drain(MOODS[round % MOODS.len()]);
        }
        assert!(room.bad > count * 3, "{} bad completions", room.bad);
    }
}

/// A card that cannot send completions still takes writes and completions.
#[test]
fn requests_that_wait_stop_nothing() {
    for words in [2, 4] {
        let mut room = Room::new(words);
        let waits = Mood {
            gaps: 0,
            writes: 100,
            asks: 0,
        };
        for index in 0..REQUESTS {
            let address = room.address();
            let asked = request(&mut room.rng, address, 1 + index as u16);
            room.push(&Tlp::new(Kind::MemoryRead(asked)).encode(), 1);
        }
        for _ in 0..300 {
            let address = room.address();
            let dwords = length(&mut room.rng);
            let written = request(&mut room.rng, address, dwords);
            let payload = bytes(&mut room.rng, usize::from(dwords) * 4);
            room.push(&Tlp::new(Kind::MemoryWrite(written, payload)).encode(), 1);
            let completion = room.completion_packet();
            room.push(&completion.encode(), 0);
        }
        for _ in 0..2_000_000 {
            if room.source.waiting() == 0 && room.writes.is_empty() && room.completions.is_empty() {
                break;
            }
            room.cycle(waits);
        }
        assert!(room.source.waiting() == 0 && room.writes.is_empty());
        assert!(room.completions.is_empty());
        assert_eq!(room.asks.len(), REQUESTS, "none was answered");
        room.drain(MOODS[0]);
    }
}

/// Completions pass at the speed of the stream: one beat a cycle, whatever their alignment.
#[test]
fn completions_are_never_held_up() {
    for words in [2, 4] {
        let mut room = Room::new(words);
        let mut beats = 0;
        for _ in 0..200 {
            let tlp = room.completion_packet();
            beats += tlp.encode().len().div_ceil(words);
            room.push(&tlp.encode(), 0);
        }
        for _ in 0..beats {
            room.cycle(MOODS[0]);
        }
        assert_eq!(room.source.waiting(), 0);
        room.drain(MOODS[0]);
    }
}

/// While the way is closed requests vanish, whole or in part, and completions pass.
#[test]
fn a_closed_way_drops_requests() {
    for words in [2, 4] {
        let mut room = Room::new(words);
        let (mut parts, mut survivors) = (0, 0);
        for round in 0..400 {
            let mood = MOODS[round % MOODS.len()];
            // Some packets, of which some beats pass while the way is open.
            for _ in 0..12 {
                let (packet, bar) = room.any();
                room.push(&packet, bar);
            }
            for _ in 0..room.rng.below(400) {
                room.cycle(mood);
            }
            // The reader ends the write that it has begun.
            while !room.rows.is_empty() {
                room.cycle(Mood { asks: 0, ..mood });
            }
            room.bench.set("closed", 1);
            // Now and then nothing comes while the way is closed.
            let still = Mood {
                writes: 0,
                asks: 0,
                gaps: if round % 3 == 0 { 100 } else { mood.gaps },
            };
            if still.gaps == 100 {
                room.source.hold();
            }
            for _ in 0..room.rng.below(60) {
                room.cycle(still);
            }
            room.bench.set("clear", 1);
            room.cycle(still);
            room.bench.set("clear", 0);
            for _ in 0..room.rng.below(60) {
                room.cycle(still);
            }
            // Two cycles without a beat, so that none is on the border.
            room.source.hold();
            for _ in 0..3 {
                room.cycle(Mood { gaps: 100, ..still });
            }
            parts += usize::from(!room.source.between);
            room.bench.set("closed", 0);
            // Requests of which nothing has come are handed on as ever.
            let left = room.source.untouched();
            room.writes.clear();
            room.asks.clear();
            room.writes_pushed = 0;
            room.writes_done = 0;
            for (packet, bar) in left {
                match effect(&packet, bar) {
                    Effect::Write(request, payload) => {
                        room.writes.push_back((bar, request, payload));
                        room.writes_pushed += 1;
                        survivors += 1;
                    }
                    Effect::Ask(ask) => {
                        room.asks.push_back((room.writes_pushed, bar, ask));
                        survivors += 1;
                    }
                    _ => {}
                }
            }
            room.drain(mood);
        }
        assert!(
            parts > 30 && survivors > 100,
            "{parts} parts, {survivors} survivors"
        );
    }
}

/// A reset in the middle of a packet leaves nothing behind.
#[test]
fn a_reset_forgets_all() {
    for words in [2, 4] {
        let mut room = Room::new(words);
        for _ in 0..100 {
            for _ in 0..6 {
                let (packet, bar) = room.any();
                room.push(&packet, bar);
            }
            for _ in 0..room.rng.below(200) {
                room.cycle(MOODS[2]);
            }
            room.source = Source::new(&room.bench, words);
            room.bench.set("rx_valid", 0);
            room.bench.reset();
            room.writes.clear();
            room.asks.clear();
            room.completions.clear();
            room.rows.clear();
            room.open = None;
            room.writes_pushed = 0;
            room.writes_done = 0;
            room.drain(MOODS[0]);
        }
    }
}

#[test]
fn beats_are_told_apart() {
    // The helper that spoils beats leaves no beat as a hard block may send it.
    let mut rng = Rng(5);
    for _ in 0..500 {
        let packet: Vec<u32> = (0..1 + rng.below(9)).map(|_| 0).collect();
        let mut spoilt = beats(&packet, 4);
        spoil_beats(&mut rng, &mut spoilt, 4);
        let good = |beat: &Beat| match beat.last {
            true => [1, 3, 7, 15].contains(&beat.keep),
            false => beat.keep == 15,
        };
        assert!(!spoilt.iter().all(good));
    }
}
