//! The whole endpoint: the host reads and writes windows, the card reads and writes the host,
//! interrupts, bus master off, function-level resets, all at the same time.

#[path = "../common/mod.rs"]
mod common;
mod dma;
mod root;

use std::collections::VecDeque;

use common::host::Host;
use common::link::{
    BARS, CARD_ID, Effect, Sink, Source, bytes, effect, length, packet, request, spoil, unusual,
};
use common::window::{MEMORY_BYTES, REGISTER_BYTES, RegisterFile, WindowMemory};
use common::{Bench, Rng, full};
use dma::{Dma, MARK};
use hdl::pcie::Endpoint;
use isa::pci::{MSIX_PENDING, MSIX_TABLE};
use pcie::tlp::{Completion, Id, Kind, Request, Status, Tlp};
use root::{HOST_BYTES, MESSAGES, Root};

/// Interrupts of the card.
const VECTORS: usize = 4;
/// The vector that follows the writes of the counter.
const MARK_VECTOR: usize = 3;

/// How ready everything around the endpoint is, in percent.
#[derive(Clone, Copy)]
struct Mood {
    rx: u64,
    tx: u64,
    memory: u64,
    answers: u64,
    dma: [u64; 2],
}

const MOODS: [Mood; 5] = [
    Mood {
        rx: 100,
        tx: 100,
        memory: 100,
        answers: 100,
        dma: [100, 100],
    },
    Mood {
        rx: 50,
        tx: 90,
        memory: 60,
        answers: 40,
        dma: [30, 60],
    },
    Mood {
        rx: 100,
        tx: 25,
        memory: 100,
        answers: 70,
        dma: [80, 100],
    },
    Mood {
        rx: 100,
        tx: 100,
        memory: 15,
        answers: 100,
        dma: [10, 20],
    },
    Mood {
        rx: 90,
        tx: 70,
        memory: 70,
        answers: 8,
        dma: [50, 90],
    },
];

/// A mood in which the card begins nothing.
fn quiet(mood: Mood) -> Mood {
    Mood {
        dma: [0, mood.dma[1]],
        ..mood
    }
}

struct Room {
    bench: Bench,
    source: Source,
    sink: Sink,
    registers: RegisterFile,
    memory: WindowMemory,
    host: Host,
    root: Root,
    dma: Dma,
    rng: Rng,
    memory_log2: u32,
    bus_master: bool,
    irq: u64,
    /// Levels as the card saw them last.
    fresh: u64,
    /// Messages that the host has seen, by vector.
    seen: [usize; VECTORS],
    /// Rising edges of interrupts.
    raised: [usize; VECTORS],
    /// The counter as it must be in host memory when its interrupt comes, by its edges.
    marks: VecDeque<u32>,
    /// Packets of the card that began, and of them those that are no completions.
    began: usize,
    asked: usize,
    /// First word of the packet of the card that began last.
    head: u32,
    /// Packets of the card that the reset pin has cut off: reads, writes, messages, completions.
    torn: [usize; 4],
    cycle: usize,
    resets: usize,
    /// The card reads nothing and has no events: no completion is owed to it, and nobody looks at
    /// the messages of its interrupts.
    silent: bool,
}

impl Room {
    fn new(words: usize, line: usize, log2: Option<u32>, base: u64) -> Self {
        let block = Endpoint::new(words, line, VECTORS, log2, 1);
        let mut bench = Bench::new(&block, "endpoint");
        let mut rng = Rng(0xe9d + (words * line) as u64 + base);
        let mut registers = RegisterFile::new(&bench, false);
        let window = log2.unwrap_or(16);
        let mut memory = WindowMemory::new(&bench, window, line);
        registers.bytes = bytes(&mut rng, REGISTER_BYTES);
        memory.bytes = bytes(&mut rng, MEMORY_BYTES);
        let host_memory = bytes(&mut rng, HOST_BYTES);
        bench.set("cfg_id", CARD_ID.into());
        bench.set("link_timeout", 40_000);
        bench.reset();
        let mut room = Self {
            source: Source::new(&bench, words),
            sink: Sink::new(&bench, "tx", words, false),
            host: Host::new(line, log2, [vec![], memory.bytes.clone()]),
            dma: Dma::new(&bench, line, &host_memory),
            root: Root::new(base, line, host_memory),
            registers,
            memory,
            bench,
            rng,
            memory_log2: window,
            bus_master: false,
            irq: 0,
            fresh: 0,
            seen: [0; VECTORS],
            raised: [0; VECTORS],
            marks: VecDeque::new(),
            began: 0,
            asked: 0,
            head: 0,
            torn: [0; 4],
            cycle: 0,
            resets: 0,
            silent: false,
        };
        room.fresh_tables();
        room.set_bus_master(true);
        room.enable_interrupts();
        room
    }

    /// The register window as a reset leaves it: registers are the bench's own.
    fn fresh_tables(&mut self) {
        let mut golden = vec![0; REGISTER_BYTES];
        golden[..0x1000].copy_from_slice(&self.registers.bytes[..0x1000]);
        let mut writable = vec![0; REGISTER_BYTES];
        writable[..0x1000].fill(0xff);
        for vector in 0..VECTORS {
            let entry = MSIX_TABLE as usize + 16 * vector;
            writable[entry..entry + 12].fill(0xff);
            writable[entry] = 0xfc;
            writable[entry + 12] = 1;
            golden[entry + 12] = 1;
        }
        self.host.golden[0] = golden;
        self.host.writable = writable;
    }

    fn set_bus_master(&mut self, on: bool) {
        self.bus_master = on;
        self.bench.set("cfg_bus_master", on.into());
        if !on {
            self.dma.disturb();
        }
    }

    /// Gives every vector its message and opens it.
    fn enable_interrupts(&mut self) {
        assert!(
            self.host.pending.is_empty(),
            "a read might keep a write back"
        );
        self.bench.set("cfg_msix_enable", 1);
        for vector in 0..VECTORS as u32 {
            let entry = u64::from(MSIX_TABLE + 16 * vector);
            let mut payload = vec![];
            let message = [MESSAGES as u32 + 16 * vector, 0, 0x4000 + vector, 0];
            for word in message {
                payload.extend_from_slice(&word.to_le_bytes());
            }
            let request = Request {
                requester: Id(0),
                tag: 0,
                address: entry,
                dwords: 4,
                first_be: 15,
                last_be: 15,
            };
            self.push(&Tlp::new(Kind::MemoryWrite(request, payload)).encode(), 1);
        }
        self.drain(MOODS[0]);
    }

    fn set_sizes(&mut self, payload: u64, read: u64) {
        self.bench.set("cfg_max_payload", payload);
        self.bench.set("cfg_max_read", read);
        self.host.payload = 128 << payload.min(2);
        self.root.max_payload = 128 << payload.min(2);
        self.root.max_read = 128 << read.min(5);
    }

    /// Queues a packet of the host, unless its effect could not be told; says whether it did.
    fn push(&mut self, words: &[u32], bar: u8) -> bool {
        let pushed = self.host.push(words, bar);
        if pushed {
            self.source.push(words, bar);
        }
        pushed
    }

    fn cycle(&mut self, mood: Mood) {
        let rng = &mut self.rng;
        if rng.chance(mood.answers)
            && self.source.waiting() < 200
            && let Some(packet) = self.root.answer(rng)
        {
            self.source.push(&packet, 0);
        }
        let (rx, tx) = (rng.chance(mood.rx), rng.chance(mood.tx));
        self.source.drive(&mut self.bench, rx);
        self.sink.drive(&mut self.bench, tx);
        self.registers.drive(&mut self.bench, rng);
        self.memory.drive(&mut self.bench, rng, mood.memory);
        let base = self.root.base;
        self.dma
            .drive(&mut self.bench, rng, base, self.bus_master, mood.dma);
        self.bench.set("events", std::mem::take(&mut self.fresh));
        self.bench.model.eval();
        self.source.settle(&self.bench);
        self.registers.settle(&self.bench);
        self.memory.settle(&self.bench);
        for line in self.memory.touched.drain(..) {
            assert!(self.host.named[line as usize], "line {line} was not named");
        }
        // A card in its reset sees nothing.
        let marked = !self.bench.is("card_reset")
            && self
                .dma
                .settle(&self.bench, &mut self.root, self.bus_master);
        if marked && self.may_raise(MARK_VECTOR) {
            self.marks.push_back(self.dma.marked);
            self.raise(MARK_VECTOR);
        }
        let inside = self.sink.is_inside();
        let valid = self.bench.is("tx_valid");
        if valid && tx && !inside {
            self.began += 1;
            self.head = self.bench.get("tx_data_0") as u32;
            self.asked += usize::from(self.head >> 24 & 31 == 0);
        }
        if let Some(packet) = self.sink.settle(&self.bench) {
            match packet[0] >> 24 & 0x1f {
                0 => self.root.request(&packet, &mut self.rng),
                _ => self.host.completion(&packet),
            }
        }
        for (address, data) in std::mem::take(&mut self.root.messages) {
            self.message(address, data);
        }
        self.bench.model.cycle();
        self.cycle += 1;
    }

    /// Whether the event before was told, so that this one gets a message of its own.
    fn may_raise(&self, vector: usize) -> bool {
        self.irq >> vector & 1 == 0
    }

    fn raise(&mut self, vector: usize) {
        self.irq |= 1 << vector;
        self.fresh |= 1 << vector;
        self.raised[vector] += 1;
    }

    /// The host takes a message.
    fn message(&mut self, address: u64, data: u32) {
        let vector = (data - 0x4000) as usize;
        assert_eq!(address, MESSAGES + 16 * vector as u64);
        assert!(self.irq >> vector & 1 == 1, "nothing is to be told");
        self.irq &= !(1 << vector);
        self.seen[vector] += 1;
        if vector == MARK_VECTOR {
            // What was written before the interrupt is there before the interrupt.
            let mark = self.marks.pop_front().expect("the counter was written");
            let word = self.root.memory[MARK..MARK + 4].try_into();
            let found = u32::from_le_bytes(word.expect("four bytes"));
            assert!(
                found >= mark,
                "the counter is {found}, the interrupt is that of {mark}"
            );
        }
    }

    fn is_quiet(&self) -> bool {
        self.source.waiting() == 0
            && self.host.pending.is_empty()
            && self.dma.is_idle()
            && (self.irq == 0 || !self.bus_master)
            && !self.bench.is("tx_valid")
    }

    /// Runs until nothing is under way, and compares all memories.
    fn drain(&mut self, mood: Mood) {
        // The answer to a read of nothing says that all writes before it are done.
        let flush = Request {
            requester: Id(1),
            tag: 2,
            address: 0,
            dwords: 1,
            first_be: 0,
            last_be: 0,
        };
        self.push(&Tlp::new(Kind::MemoryRead(flush)).encode(), 1);
        let end = self.cycle + 300_000;
        let mut still = 0;
        while still < 40 {
            still = if self.is_quiet() { still + 1 } else { 0 };
            self.cycle(quiet(mood));
            assert!(self.cycle < end, "the endpoint hangs");
        }
        let registers = &self.host.golden[0][..0x1000];
        assert!(self.registers.bytes[..0x1000] == *registers, "registers");
        assert!(self.memory.bytes == self.host.golden[1], "card memory");
        self.dma.compare(&self.root);
        assert!(self.root.fates.is_empty(), "all that was read was given");
        assert_eq!(self.sink.gaps, 0, "packets have no gaps");
    }

    /// A completion that nobody waits for: one for another function, with a tag that the card does
    /// not use, or one that ends where no read of whole lines does. In a silent room no tag is
    /// owed, and it may be any.
    fn stray(&mut self) -> Vec<u32> {
        let silent = self.silent;
        let rng = &mut self.rng;
        let (others, unused) = (rng.chance(25), rng.chance(40));
        let any = silent || others || unused;
        let status = match rng.below(5) {
            0 => Status::Unsupported,
            1 => Status::Abort,
            2 => Status::Retry,
            _ => Status::Success,
        };
        let completion = Completion {
            completer: Id(rng.next() as u16),
            status: if any { status } else { Status::Success },
            byte_count: match any {
                true => 1 + rng.below(4096) as u16,
                false => 2 * rng.below(2048) as u16 + 1,
            },
            requester: Id(if others { !CARD_ID } else { CARD_ID }),
            tag: if unused {
                32 | rng.next() as u8
            } else {
                rng.next() as u8
            },
            lower_address: rng.next() as u8 & 0x7f,
        };
        let dwords = usize::from(length(rng));
        let kind = match completion.status {
            Status::Success => Kind::CompletionData(completion, bytes(rng, 4 * dwords)),
            _ => Kind::Completion(completion),
        };
        let tlp = Tlp {
            poisoned: rng.chance(5),
            ..packet(rng, kind)
        };
        tlp.encode()
    }

    /// A request of the host, legal but perhaps refused, or a completion that nobody waits for.
    fn any(&mut self) -> (Vec<u32>, u8) {
        loop {
            if self.rng.chance(8) {
                let words = self.stray();
                if self.is_tame(&words, 0) {
                    return (words, 0);
                }
            }
            let rng = &mut self.rng;
            let bar = BARS[[0, 0, 0, 1, 1, 1, 2][rng.below(7) as usize]];
            let offset = 4 * rng.below(MEMORY_BYTES as u64 / 4);
            let place = match bar {
                1 => [
                    rng.below(0x1000) & !3,
                    u64::from(MSIX_TABLE) + 4 * rng.below(40),
                    offset,
                ][[0, 0, 0, 1, 2][rng.below(5) as usize]],
                _ => {
                    let low = (0xffff_ffff << self.memory_log2.min(32)) & 0xffff_ffff;
                    low | (((1u64 << self.memory_log2) - MEMORY_BYTES as u64) + offset)
                }
            };
            let high = if rng.chance(40) { rng.next() << 32 } else { 0 };
            let address = high | place & 0xffff_ffff;
            let dwords = length(rng);
            let asked = request(rng, address, dwords);
            let tlp = match rng.below(9) {
                0..=4 => {
                    let payload = bytes(rng, usize::from(dwords) * 4);
                    Tlp {
                        poisoned: rng.chance(5),
                        ..packet(rng, Kind::MemoryWrite(asked, payload))
                    }
                }
                5..=7 => packet(rng, Kind::MemoryRead(asked)),
                _ => return (unusual(rng, address), bar),
            };
            let words = tlp.encode();
            if self.is_tame(&words, bar) {
                return (words, bar);
            }
        }
    }

    /// Whether the effect of a packet can be told: no address that the model does not hold, no
    /// completion that might be owed, and where there are interrupts no write to the table of MSI-X
    /// and no read of the pending bits.
    fn is_tame(&self, words: &[u32], bar: u8) -> bool {
        let overlaps = |request: &Request, start: u32, count: u64| {
            let at = request.address % REGISTER_BYTES as u64;
            let end = at + 4 * u64::from(request.dwords);
            bar == 1 && at < u64::from(start) + count && u64::from(start) < end
        };
        let tame = match effect(words, bar) {
            Effect::Write(request, _) => {
                self.silent || !overlaps(&request, MSIX_TABLE, 16 * VECTORS as u64)
            }
            Effect::Ask(ask) => self.silent || !overlaps(&ask.request, MSIX_PENDING, 8),
            Effect::Completion(tlp) => {
                self.silent
                    || match tlp.kind {
                        // All reads of the card are of whole lines, and so is what is left of them.
                        Kind::CompletionData(completion, _) => {
                            completion.tag >= 32 || completion.byte_count % 2 == 1
                        }
                        Kind::Completion(completion) => completion.tag >= 32,
                        _ => false,
                    }
            }
            Effect::Nothing => true,
        };
        tame && self.host.reachable(words, bar)
    }

    /// A function-level reset in the middle of everything.
    fn function_reset(&mut self, mood: Mood) {
        self.bench.set("flr", 1);
        // A short wish for a reset: nothing comes meanwhile, so that it is known what came before.
        let pulse = self.rng.chance(30);
        let mood = if pulse { Mood { rx: 0, ..mood } } else { mood };
        if pulse {
            self.source.hold();
        }
        let (began, mut waited) = (self.began, 0);
        loop {
            self.bench.model.eval();
            if self.bench.is("card_reset") {
                break;
            }
            self.cycle(mood);
            waited += 1;
            assert!(waited < 20_000, "the reset comes");
            if pulse {
                self.bench.set("flr", 0);
            }
        }
        // A packet may have begun inside before the reset, and may stand before the output.
        assert!(self.began <= began + 2, "no packet begins in a reset");
        let began = self.began;
        self.irq = 0;
        self.fresh = 0;
        self.marks.clear();
        self.dma.reset();
        self.root.fates.clear();
        let dead = quiet(mood);
        if !pulse {
            // Requests that come are dropped; completions still come.
            for _ in 0..self.rng.below(200) {
                self.cycle(dead);
                assert!(self.bench.is("card_reset"));
            }
            self.source.hold();
        }
        for _ in 0..4 {
            self.cycle(Mood { rx: 0, ..dead });
        }
        assert_eq!(self.bench.is("flr_done"), !pulse);
        self.bench.set("flr", 0);
        self.cycle(Mood { rx: 0, ..dead });
        assert!(!self.bench.is("card_reset"));
        assert_eq!(self.began, began, "nothing is left to be sent");
        // What was begun before is forgotten; what waits on the link is as ever.
        self.host.pending.clear();
        self.host.golden[1] = self.memory.bytes.clone();
        self.fresh_tables();
        for (words, bar) in self.source.untouched() {
            assert!(self.host.push(&words, bar), "no read waits");
        }
        self.resets += 1;
        // Configuration space has forgotten too.
        self.set_bus_master(false);
        self.set_bus_master(true);
        self.drain(MOODS[0]);
        self.enable_interrupts();
    }

    /// The reset pin, at once: the link has gone down and forgets what was on it. The host answers
    /// afterwards what it was asked before, or never does.
    fn pin_reset(&mut self, cycles: u64, answers: bool) {
        if self.sink.is_inside() {
            let kind = match (self.head >> 24 & 0x5f, self.head & 0x3ff) {
                (0, _) => 0,
                (0x40, 2..) => 1,
                (0x40, _) => 2,
                _ => 3,
            };
            self.torn[kind] += 1;
        }
        self.bench.set("reset", 1);
        self.bench.set("rx_valid", 0);
        self.bench.set("events", 0);
        for _ in 0..cycles {
            let ready = self.rng.below(2);
            self.bench.set("tx_ready", ready);
            self.bench.model.cycle();
        }
        self.bench.set("reset", 0);
        self.source.reset();
        self.sink.reset();
        self.registers.reset();
        self.memory.reset();
        self.dma.link_reset();
        if !answers {
            self.root.lose();
        }
        self.root.fates.clear();
        self.irq = 0;
        self.fresh = 0;
        self.marks.clear();
        self.host.pending.clear();
        self.host.golden[1] = self.memory.bytes.clone();
        self.fresh_tables();
        self.resets += 1;
        // Nothing is left to be sent.
        let began = self.began;
        for _ in 0..20 {
            self.cycle(Mood {
                answers: 0,
                ..quiet(MOODS[0])
            });
        }
        assert_eq!(self.began, began);
        self.enable_interrupts();
    }
}

const SHAPES: [(usize, usize, Option<u32>, u64); 4] = [
    (2, 16, Some(20), 0x8000_0000),
    (2, 32, None, 0x12_0000_0000),
    (4, 16, Some(32), 0xff_ffff_0000_0000),
    (4, 32, Some(16), 0x10_0000),
];

/// Rounds of traffic with everything at once.
fn traffic(
    shape: (usize, usize, Option<u32>, u64),
    rounds: usize,
    mut disturb: impl FnMut(&mut Room, usize),
) -> Room {
    let (words, line, log2, base) = shape;
    let mut room = Room::new(words, line, log2, base);
    for round in 0..rounds {
        let (payload, read) = (room.rng.below(8), room.rng.below(6));
        room.set_sizes(payload, read);
        let mood = MOODS[round % MOODS.len()];
        room.host.named.fill(false);
        for _ in 0..25 {
            for _ in 0..room.rng.below(3) {
                let (packet, bar) = room.any();
                room.push(&packet, bar);
            }
            for _ in 0..room.rng.below(120) {
                let vector = room.rng.below(300) as usize;
                if vector < MARK_VECTOR && room.may_raise(vector) {
                    room.raise(vector);
                }
                room.cycle(mood);
            }
            disturb(&mut room, round);
        }
        room.drain(mood);
    }
    room
}

#[test]
fn everything_at_once() {
    for shape in SHAPES {
        let room = traffic(shape, 25, |_, _| {});
        assert!(room.host.answered > 100 && room.host.refused > 20);
        let dma = [room.dma.lines_read, room.dma.bursts_written];
        assert!(dma[0] > 5000 && dma[1] > 300, "{dma:?}");
        assert_eq!(room.seen, room.raised, "each event is one message");
        assert!(room.seen.iter().all(|&count| count > 10));
        assert_eq!(room.dma.errors[1..], [0; 5]);
    }
}

/// Reads of the card that fail name their cause, and nothing else suffers.
#[test]
fn failures_of_the_host() {
    for shape in [SHAPES[0], SHAPES[3]] {
        let room = traffic(shape, 15, |room, round| {
            room.bench.set("link_timeout", 8000);
            room.root.failures = [30, 100, 0][round % 3];
        });
        assert!(room.dma.errors[1..5].iter().all(|&count| count > 10));
        assert_eq!(room.dma.errors[5], 0);
    }
}

/// Without bus master the card sends no request, whatever it wants; completions go on.
#[test]
fn bus_master_comes_and_goes() {
    for shape in SHAPES {
        let room = traffic(shape, 15, |room, round| {
            if !room.rng.chance(20) {
                return;
            }
            let mood = MOODS[round % MOODS.len()];
            room.set_bus_master(false);
            let asked = room.asked;
            for _ in 0..300 {
                room.cycle(mood);
            }
            // One may have begun inside, and one may have stood before the output.
            assert!(room.asked <= asked + 2, "the card is no bus master");
            room.set_bus_master(true);
        });
        assert!(room.dma.errors[5] > 100, "{:?}", room.dma.errors);
        assert_eq!(room.seen, room.raised, "interrupts wait, but are not lost");
    }
}

#[test]
fn function_level_resets() {
    for shape in SHAPES {
        let room = traffic(shape, 15, |room, round| {
            if room.rng.chance(25) {
                room.function_reset(MOODS[round % MOODS.len()]);
            }
        });
        assert!(room.resets > 30, "{} resets", room.resets);
        assert!(room.dma.lines_read > 500 && room.host.answered > 10);
    }
}

/// The reset pin in every cycle of a busy link: all that is sent afterwards is whole packets of what
/// was asked for afterwards, and everything works.
#[test]
fn resets_by_pin() {
    let shapes = match full() {
        true => SHAPES.to_vec(),
        false => vec![SHAPES[0], SHAPES[2]],
    };
    for (words, line, log2, base) in shapes {
        let mut room = Room::new(words, line, log2, base);
        room.bench.set("link_timeout", 3000);
        for at in 0..250 {
            room.host.named.fill(false);
            room.set_sizes(at % 3, at / 3 % 3);
            for _ in 0..4 {
                let (packet, bar) = room.any();
                room.push(&packet, bar);
            }
            for vector in 0..MARK_VECTOR {
                if room.may_raise(vector) {
                    room.raise(vector);
                }
            }
            let busy = Mood {
                tx: [100, 50, 20][at as usize % 3],
                answers: 50,
                ..MOODS[0]
            };
            for _ in 0..at {
                room.cycle(busy);
            }
            room.pin_reset(1 + at % 3, at % 8 != 0);
            for _ in 0..60 {
                room.cycle(MOODS[0]);
            }
            room.drain(MOODS[0]);
        }
        // With beats of four words, reads and messages may be single beats, which cannot be cut.
        let [reads, writes, messages, completions] = room.torn.map(|count| count > 0);
        assert!(writes && completions, "{:?}", room.torn);
        assert!(words == 4 || (reads && messages), "{:?}", room.torn);
        assert!(room.dma.lines_read > 5000 && room.host.answered > 100);
    }
}

/// Packets of any kind of nonsense between legal ones, and completions that nobody waits for.
#[test]
fn nonsense_is_survived() {
    let goal = if full() { 1_000_000 } else { 40_000 };
    for (words, line, log2, base) in SHAPES {
        let mut room = Room::new(words, line, log2, base);
        let (mut packets, mut strays, mut entries) = (0, 0, 0);
        let mut rounds = 0;
        while packets < goal / SHAPES.len() {
            room.silent = true;
            room.host.named.fill(false);
            for _ in 0..100 {
                let (mut packet, bar) = room.any();
                if room.rng.chance(70) {
                    spoil(&mut room.rng, &mut packet);
                }
                if !room.is_tame(&packet, bar) || !room.push(&packet, bar) {
                    continue;
                }
                packets += 1;
                match effect(&packet, bar) {
                    Effect::Completion(_) => strays += 1,
                    Effect::Write(request, _) if bar == 1 => {
                        let at = (request.address % REGISTER_BYTES as u64) as u32;
                        let table = MSIX_TABLE..MSIX_TABLE + 16 * VECTORS as u32;
                        entries += usize::from(table.contains(&at));
                    }
                    _ => {}
                }
            }
            room.drain(MOODS[rounds % MOODS.len()]);
            rounds += 1;
            // Whatever the table held, a new entry is a new entry.
            if rounds % 10 == 0 {
                room.silent = false;
                room.enable_interrupts();
                (0..MARK_VECTOR).for_each(|vector| room.raise(vector));
                room.drain(MOODS[0]);
            }
        }
        assert!(room.host.answered > rounds);
        assert!(strays > packets / 50, "{strays} of {packets}");
        assert!(entries > packets / 500, "{entries} of {packets}");
        assert_eq!(room.seen, room.raised, "each event is one message");
        assert!(room.seen[0] > 5);
        assert_eq!(room.root.reads, 0, "the card reads nothing");
    }
}
