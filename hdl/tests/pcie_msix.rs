//! Table, pending bits and messages of MSI-X against a plain model of them.

mod common;

use common::link::{CARD_ID, Sink};
use common::{Bench, Rng};
use hdl::pcie::Msix;
use isa::pci::{MSIX_PENDING, MSIX_TABLE};
use pcie::tlp::{Id, Kind, Request, Tlp};

/// One vector of the table.
#[derive(Clone, Copy, Default)]
struct Vector {
    low: u32,
    high: u32,
    data: u32,
    unmasked: bool,
}

/// A message that has begun.
struct Begun {
    /// Vectors that may be its cause.
    wanted: Vec<bool>,
    table: Vec<Vector>,
    /// Pending bits as they are for a vector that is the cause.
    again: Vec<bool>,
}

struct Room {
    bench: Bench,
    sink: Sink,
    rng: Rng,
    vectors: usize,
    table: Vec<Vector>,
    pending: Vec<bool>,
    /// Events of the next cycle.
    fresh: Vec<bool>,
    /// Bus master, enabled, function masked.
    cfg: [bool; 3],
    begun: Option<Begun>,
    messages: Vec<usize>,
    events: Vec<usize>,
}

impl Room {
    fn new(words: usize, vectors: usize) -> Self {
        let mut bench = Bench::new(&Msix::new(words, vectors), "msix");
        bench.set("cfg_id", CARD_ID.into());
        bench.reset();
        Self {
            sink: Sink::new(&bench, "tx", words, true),
            bench,
            rng: Rng(0x351 + (words * vectors) as u64),
            vectors,
            table: vec![Vector::default(); vectors],
            pending: vec![false; vectors],
            fresh: vec![false; vectors],
            cfg: [false; 3],
            begun: None,
            messages: vec![0; vectors],
            events: vec![0; vectors],
        }
    }

    fn wanted(&self) -> Vec<bool> {
        let may = self.cfg[0] && self.cfg[1] && !self.cfg[2];
        let each = self.pending.iter().zip(&self.table);
        each.map(|(&pending, vector)| may && pending && vector.unmasked)
            .collect()
    }

    /// A cycle in which the stream is ready or not.
    fn cycle(&mut self, ready: bool) {
        let flag = |flags: &[bool]| -> u64 {
            let each = flags.iter().enumerate();
            each.map(|(index, &flag)| u64::from(flag) << index).sum()
        };
        self.bench.set("events", flag(&self.fresh));
        for (name, on) in [
            ("cfg_bus_master", self.cfg[0]),
            ("cfg_msix_enable", self.cfg[1]),
            ("cfg_msix_mask", self.cfg[2]),
        ] {
            self.bench.set(name, on.into());
        }
        self.sink.drive(&mut self.bench, ready);
        self.bench.model.eval();
        let wanted = self.wanted();
        let begins = self.begun.is_none() && ready && self.bench.is("tx_valid");
        if self.begun.is_none() && self.bench.is("tx_valid") {
            assert!(wanted.contains(&true), "nothing is to be told");
        }
        if begins {
            self.begun = Some(Begun {
                wanted,
                table: self.table.clone(),
                again: vec![false; self.vectors],
            });
        }
        let packet = self.sink.settle(&self.bench);
        // The next state of the pending bits, and what it is for a vector that begins now.
        for vector in 0..self.vectors {
            let event = std::mem::take(&mut self.fresh[vector]);
            self.events[vector] += usize::from(event);
            if let Some(begun) = &mut self.begun {
                begun.again[vector] |= event;
            }
            self.pending[vector] |= event;
        }
        if let Some(packet) = packet {
            self.message(&packet);
        }
        self.bench.model.cycle();
    }

    fn message(&mut self, packet: &[u32]) {
        let begun = self.begun.take().expect("a message has a begin");
        let tlp = Tlp::decode(packet).expect("a message is well-formed");
        let Kind::MemoryWrite(request, payload) = &tlp.kind else {
            panic!("{tlp:?} is no write");
        };
        let data = u32::from_le_bytes(payload[..].try_into().expect("one doubleword"));
        let vector = data as usize & 7;
        assert!(begun.wanted[vector], "vector {vector} is not wanted");
        let entry = begun.table[vector];
        assert_eq!(data, entry.data);
        let expected = Request {
            requester: Id(CARD_ID),
            tag: 0,
            address: u64::from(entry.high) << 32 | u64::from(entry.low),
            dwords: 1,
            first_be: 15,
            last_be: 0,
        };
        assert_eq!(*request, expected);
        assert_eq!(packet.len(), if entry.high == 0 { 4 } else { 5 });
        assert_eq!(tlp, Tlp::new(tlp.kind.clone()), "no class, no attributes");
        self.pending[vector] = begun.again[vector];
        self.messages[vector] += 1;
    }

    fn write(&mut self, offset: u32, value: u32, strobes: u32) {
        self.bench.set("write", 1);
        self.bench.set("addr", offset.into());
        self.bench.set("wdata", value.into());
        self.bench.set("strobes", strobes.into());
        let ready = self.rng.chance(50);
        self.cycle(ready);
        self.bench.set("write", 0);
        let mask: u32 = (0..4)
            .filter(|byte| strobes >> byte & 1 == 1)
            .map(|byte| 0xff << (8 * byte))
            .sum();
        let merge = |old: u32| old & !mask | value & mask;
        let Some(at) = offset.checked_sub(MSIX_TABLE) else {
            return;
        };
        if let Some(vector) = self.table.get_mut(at as usize / 16) {
            match at / 4 % 4 {
                0 => vector.low = merge(vector.low) & !3,
                1 => vector.high = merge(vector.high),
                2 => vector.data = merge(vector.data),
                _ if strobes & 1 == 1 => vector.unmasked = value & 1 == 0,
                _ => {}
            }
        }
    }

    fn read(&mut self, offset: u32) {
        let expected = match offset.checked_sub(MSIX_TABLE) {
            Some(at) if (at as usize) / 16 < self.vectors => {
                let vector = self.table[at as usize / 16];
                match at / 4 % 4 {
                    0 => vector.low,
                    1 => vector.high,
                    2 => vector.data,
                    _ => u32::from(!vector.unmasked),
                }
            }
            _ => 0,
        };
        let pending = self.pending.clone();
        let begun = self.begun.is_some();
        self.bench.set("read", 1);
        self.bench.set("addr", offset.into());
        let ready = self.rng.chance(50);
        self.cycle(ready);
        self.bench.set("read", 0);
        self.bench.model.eval();
        let got = self.bench.get("rdata") as u32;
        if offset != MSIX_PENDING {
            assert_eq!(got, expected, "offset {offset:#x}");
        } else if !begun {
            let each = pending.iter().enumerate();
            let bits: u32 = each.map(|(index, &bit)| u32::from(bit) << index).sum();
            assert_eq!(got, bits, "pending bits");
        }
    }

    /// Gives a vector an address and data, with its own number in the data; masked meanwhile.
    fn fill(&mut self, vector: usize) {
        let base = MSIX_TABLE + 16 * vector as u32;
        let was_open = self.table[vector].unmasked;
        self.write(base + 12, 1, 15);
        // A message that has begun goes out as it was.
        let value = self.rng.next() as u32;
        self.write(base, value, 15);
        let high = if self.rng.chance(50) {
            0
        } else {
            self.rng.next() as u32
        };
        self.write(base + 4, high, 15);
        let data = self.rng.next() as u32 & !7 | vector as u32;
        self.write(base + 8, data, 15);
        self.write(base + 12, u32::from(!was_open), 1);
    }
}

fn check(words: usize, vectors: usize) {
    let mut room = Room::new(words, vectors);
    for vector in 0..vectors {
        assert!(!room.table[vector].unmasked, "masked after a reset");
        room.fill(vector);
    }
    for step in 0..30_000 {
        let quiet = step / 1000 % 3 == 2;
        let vector = room.rng.below(vectors as u64) as usize;
        let base = MSIX_TABLE + 16 * vector as u32;
        match room.rng.below(if quiet { 400 } else { 40 }) {
            0 => room.fill(vector),
            1..=3 => {
                let masked = room.rng.below(2) as u32;
                let strobes = room.rng.below(16) as u32;
                room.write(base + 12, masked, strobes);
            }
            4 => {
                // Parts of an entry that is masked.
                if !room.table[vector].unmasked {
                    let field = 4 * room.rng.below(2) as u32;
                    let (value, strobes) = (room.rng.next() as u32, room.rng.below(16) as u32);
                    room.write(base + field, value, strobes);
                }
            }
            5 => {
                let offset = 0x1000 + 4 * room.rng.below(0x3c00) as u32;
                if offset < MSIX_TABLE || offset >= MSIX_TABLE + 16 * vectors as u32 {
                    let value = room.rng.next() as u32;
                    room.write(offset, value, 15);
                }
            }
            6..=8 => {
                let at = room.rng.below(3) as usize;
                room.cfg[at] = room.rng.chance(if at == 2 { 30 } else { 80 });
            }
            9..=12 => room.read(base + 4 * (step % 4) as u32),
            13..=16 => room.read(MSIX_PENDING),
            17 => room.read(MSIX_PENDING + 4),
            18 => {
                let offset = 0x1000 + 4 * room.rng.below(0x3c00) as u32;
                room.read(offset);
            }
            19..=28 => {
                room.fresh[vector] = true;
                let ready = room.rng.chance(50);
                room.cycle(ready);
            }
            _ => {
                let ready = room.rng.chance([90, 10][step / 500 % 2]);
                room.cycle(ready);
            }
        }
    }
    // Every event that is still wanted is told when all is open.
    room.cfg = [true, true, false];
    for vector in 0..vectors {
        room.write(MSIX_TABLE + 16 * vector as u32 + 12, 0, 15);
    }
    for _ in 0..200 {
        room.cycle(true);
    }
    assert!(!room.pending.contains(&true) && room.begun.is_none());
    room.read(MSIX_PENDING);
    for vector in 0..vectors {
        let (messages, events) = (room.messages[vector], room.events[vector]);
        assert!(messages > 50 && messages <= events);
    }
    assert_eq!(room.sink.gaps, 0);
}

#[test]
fn messages_follow_events() {
    check(2, 8);
    check(4, 4);
    check(4, 1);
}

/// With nothing in its way each event gives one message.
#[test]
fn one_event_is_one_message() {
    let mut room = Room::new(4, 4);
    room.cfg = [true, true, false];
    for vector in 0..4 {
        room.table[vector].unmasked = true;
        room.fill(vector);
        room.write(MSIX_TABLE + 16 * vector as u32 + 12, 0, 1);
    }
    for round in 0..100 {
        let vector = round % 4;
        room.fresh[vector] = true;
        for _ in 0..20 {
            room.cycle(true);
        }
    }
    assert_eq!(room.messages, [25; 4]);
}

/// Events while one is pending share its message; one after the message has begun gets another,
/// even in the very next cycle.
#[test]
fn events_are_shared_only_while_pending() {
    let mut room = Room::new(2, 1);
    room.cfg = [true, true, false];
    for (field, value) in [(0, 0xfee0_0000), (4, 5), (8, 0x1230), (12, 0)] {
        room.write(MSIX_TABLE + field, value, 15);
    }
    for _ in 0..5 {
        room.fresh[0] = true;
        room.cycle(false);
    }
    for expected in 1..20 {
        room.cycle(true);
        assert!(room.begun.is_some(), "the first beat is taken");
        room.fresh[0] = true;
        for _ in 0..10 {
            room.cycle(room.begun.is_some());
        }
        assert_eq!(room.messages, [expected]);
    }
}

/// A message that nobody has taken goes away with the right to send it, and comes again.
#[test]
fn messages_are_withdrawn() {
    for bit in 0..3 {
        let mut room = Room::new(2, 2);
        room.cfg = [true, true, false];
        room.fill(1);
        room.write(MSIX_TABLE + 16 + 12, 0, 1);
        room.fresh[1] = true;
        for _ in 0..10 {
            room.cycle(false);
        }
        assert!(room.bench.is("tx_valid"));
        room.cfg[bit] = !room.cfg[bit];
        for _ in 0..10 {
            room.cycle(true);
            assert!(!room.bench.is("tx_valid"));
        }
        room.read(MSIX_PENDING);
        assert!(room.pending[1]);
        room.cfg[bit] = !room.cfg[bit];
        for _ in 0..10 {
            room.cycle(true);
        }
        assert_eq!(room.messages, [0, 1]);
    }
}

/// A message whose first beat is taken goes on to its end when its vector is masked or the card
/// is bus master no longer.
#[test]
fn what_is_begun_is_finished() {
    for words in [2, 4] {
        for stop in 0..4 {
            let mut room = Room::new(words, 1);
            room.cfg = [true, true, false];
            let base = MSIX_TABLE;
            for (field, value) in [(0, 0xfee0_0000), (4, 5), (8, 0x1230), (12, 0)] {
                room.write(base + field, value, 15);
            }
            room.fresh[0] = true;
            for _ in 0..5 {
                room.cycle(false);
            }
            room.cycle(true);
            assert!(room.begun.is_some(), "the first beat is taken");
            match stop {
                3 => room.write(base + 12, 1, 15),
                bit => room.cfg[bit] = !room.cfg[bit],
            }
            for _ in 0..10 {
                room.cycle(true);
            }
            assert_eq!(room.messages, [1]);
        }
    }
}

#[test]
fn a_reset_masks_and_forgets() {
    let mut room = Room::new(4, 4);
    room.cfg = [true, true, false];
    for vector in 0..4 {
        room.fill(vector);
        room.write(MSIX_TABLE + 16 * vector as u32 + 12, 0, 15);
        room.fresh[vector] = true;
    }
    room.cycle(false);
    room.bench.set("events", 0);
    room.bench.reset();
    room.table = vec![Vector::default(); 4];
    room.pending = vec![false; 4];
    room.sink.reset();
    for _ in 0..20 {
        room.cycle(true);
    }
    for offset in 0..16 {
        room.read(MSIX_TABLE + 4 * offset);
    }
    room.read(MSIX_PENDING);
}
