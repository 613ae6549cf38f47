//! The link against a host in plain Rust behind a line that loses, spoils, doubles and delays:
//! every message exactly once and in order, both ways.

mod common;

use std::collections::VecDeque;

use common::peer::{Faults, Frame, Peer};
use common::{Bench, Rng};
use hdl::serial::Link;
use isa::serial::{FrameKind, MAX_PAYLOAD, WINDOW};
use verilate::PortRef;

/// Cycles after which the card sends anew.
const RESEND: u32 = 5_000;

const NAMES: [&str; 14] = [
    "message_valid",
    "message_length",
    "start",
    "data_valid",
    "data",
    "data_last",
    "data_take",
    "message_done",
    "room",
    "write",
    "write_at",
    "write_data",
    "commit",
    "commit_length",
];

/// A message that is being read or written.
#[derive(Default)]
struct Work {
    bytes: Vec<u8>,
    /// Cycles to wait.
    pause: u64,
    /// It was begun, and all of it was read.
    begun: bool,
    whole: bool,
}

/// The card's side: reads and writes messages with pauses.
struct Side {
    ports: [PortRef; 14],
    restart: PortRef,
    reading: Work,
    writing: Option<(Work, Vec<usize>)>,
    /// Messages that were read, and those that were sent, since the hello.
    read: Vec<Vec<u8>>,
    written: VecDeque<Vec<u8>>,
    restarts: usize,
    full: usize,
    longest_pause: u64,
}

impl Side {
    fn new(bench: &Bench) -> Self {
        Self {
            ports: NAMES.map(|name| bench.port(name)),
            restart: bench.port("restart"),
            reading: Work::default(),
            writing: None,
            read: vec![],
            written: VecDeque::new(),
            restarts: 0,
            full: 0,
            longest_pause: 40,
        }
    }

    /// A cycle: `eval` has been called with the line's inputs.
    fn cycle(&mut self, bench: &mut Bench, rng: &mut Rng, writes: bool) {
        let ports = self.ports;
        let get = |bench: &Bench, name: &str| bench.model.get(port_of(&ports, name));
        let mut sets = vec![];
        for name in ["start", "data_take", "message_done", "write", "commit"] {
            sets.push((name, 0));
        }
        // Reading.
        self.reading.pause = self.reading.pause.saturating_sub(1);
        let valid = get(bench, "message_valid") == 1;
        let mut done = false;
        if self.reading.pause == 0 && valid {
            let length = get(bench, "message_length") as usize;
            if !self.reading.begun {
                self.reading = Work {
                    begun: true,
                    whole: length == 0,
                    ..Work::default()
                };
                sets.push(("start", 1));
            } else if self.reading.whole {
                assert_eq!(self.reading.bytes.len(), length);
                sets.push(("message_done", 1));
                done = true;
            } else if get(bench, "data_valid") == 1 {
                assert_eq!(
                    get(bench, "data_last"),
                    u64::from(self.reading.bytes.len() + 1 == length)
                );
                self.reading.bytes.push(get(bench, "data") as u8);
                self.reading.whole = self.reading.bytes.len() == length;
                sets.push(("data_take", 1));
                self.reading.pause = rng.below(3) * rng.below(4);
            }
        }
        // Writing, in any order of bytes.
        let room = get(bench, "room") == 1;
        self.full += usize::from(!room);
        let mut commits = None;
        match &mut self.writing {
            None => {
                if writes && room && rng.below(30) == 0 {
                    let length = match rng.below(4) {
                        0 => MAX_PAYLOAD as u64,
                        _ => 1 + rng.below(MAX_PAYLOAD as u64),
                    };
                    let bytes: Vec<u8> = (0..length).map(|_| rng.next() as u8).collect();
                    let mut order: Vec<usize> = (0..bytes.len()).collect();
                    if rng.chance(50) {
                        order.swap(0, length as usize - 1);
                    }
                    self.writing = Some((
                        Work {
                            bytes,
                            ..Work::default()
                        },
                        order,
                    ));
                }
            }
            Some((work, order)) => {
                assert!(room, "room stays");
                if order.is_empty() {
                    sets.push(("commit", 1));
                    sets.push(("commit_length", work.bytes.len() as u64));
                    commits = Some(std::mem::take(&mut work.bytes));
                } else if rng.chance(70) {
                    let place = order.pop().expect("a byte");
                    sets.push(("write", 1));
                    sets.push(("write_at", place as u64));
                    sets.push(("write_data", work.bytes[place].into()));
                }
            }
        }
        for (name, value) in sets {
            bench.model.set(port_of(&ports, name), value);
        }
        bench.model.eval();
        if bench.model.get(self.restart) == 1 {
            self.restarts += 1;
            self.reading = Work::default();
            self.writing = None;
            self.read.clear();
            self.written.clear();
            return;
        }
        if done {
            let pause = match rng.below(40) {
                0 => rng.below(self.longest_pause),
                _ => rng.below(40),
            };
            let work = std::mem::replace(
                &mut self.reading,
                Work {
                    pause,
                    ..Work::default()
                },
            );
            self.read.push(work.bytes);
        }
        if let Some(message) = commits {
            self.written.push_back(message);
            self.writing = None;
        }
    }
}

fn port_of(ports: &[PortRef; 14], name: &str) -> PortRef {
    let index = NAMES.iter().position(|other| *other == name);
    ports[index.expect("a port of the link")]
}

struct Test {
    bench: Bench,
    peer: Peer,
    side: Side,
    rng: Rng,
    /// Messages sent to the card in this session, and how many of them were compared.
    sent: Vec<Vec<u8>>,
    compared: usize,
    heard: usize,
}

impl Test {
    fn new(seed: u64) -> Self {
        let mut bench = Bench::new(&Link::new(16, RESEND), "link");
        bench.reset();
        let peer = Peer::new(&bench, seed, 16);
        let side = Side::new(&bench);
        Self {
            bench,
            peer,
            side,
            rng: Rng(seed + 1),
            sent: vec![],
            compared: 0,
            heard: 0,
        }
    }

    fn cycle(&mut self, talks: bool) {
        self.peer.drive(&mut self.bench);
        self.bench.model.eval();
        let restarts = self.side.restarts;
        let writes = talks && self.bench.is("session");
        self.side.cycle(&mut self.bench, &mut self.rng, writes);
        self.peer.settle(&self.bench);
        if self.side.restarts != restarts {
            self.compared = 0;
        }
        self.bench.model.cycle();
        // What came to the card.
        while self.compared < self.side.read.len() {
            assert_eq!(self.side.read[self.compared], self.sent[self.compared]);
            self.compared += 1;
            self.heard += 1;
        }
        // What came to the host.
        while let Some(message) = self.peer.inbox.pop_front() {
            assert_eq!(Some(message), self.side.written.pop_front());
        }
        if talks && self.peer.in_session() && self.peer.waiting() < 20 && self.rng.below(40) == 0 {
            let length = self.rng.below(MAX_PAYLOAD as u64 + 1);
            let message: Vec<u8> = (0..length).map(|_| self.rng.next() as u8).collect();
            self.sent.push(message.clone());
            self.peer.send(message);
        }
    }

    fn hello(&mut self) {
        self.peer.hello();
        let mut patience = 0;
        while !self.peer.in_session() {
            self.cycle(false);
            patience += 1;
            assert!(patience < 500_000, "no welcome");
        }
        self.sent.clear();
    }

    /// Until all have heard everything.
    fn finish(&mut self) {
        let mut patience = 0;
        while self.peer.waiting() > 0
            || !self.side.written.is_empty()
            || self.side.read.len() < self.sent.len()
        {
            self.cycle(false);
            patience += 1;
            assert!(patience < 3_000_000, "the link stands still");
        }
    }
}

#[test]
fn messages_cross_a_good_line() {
    let mut test = Test::new(0x71);
    // Before a hello nobody listens, and nobody speaks.
    test.peer
        .noise(&Frame::new(FrameKind::Data, 0, 0, &[1, 2, 3]).line());
    test.peer
        .noise(&Frame::new(FrameKind::Ping, 0, 0, &[]).line());
    for _ in 0..2000 {
        test.cycle(false);
        assert!(!test.bench.is("session") && !test.bench.is("message_valid"));
        assert!(!test.bench.is("tx_valid") || test.bench.is("session"));
    }
    test.hello();
    for cycle in 0..150_000 {
        test.peer.rates = [(100, 100), (20, 100), (100, 20)][cycle / 10_000 % 3];
        test.cycle(true);
    }
    test.finish();
    let (taken, peer) = (test.peer.taken, &test.peer);
    assert!(
        taken > 300 && test.heard > 300,
        "{taken} and {}",
        test.heard
    );
    // Nothing was lost, so nothing but a slow consumer had anything sent anew.
    assert_eq!(peer.complaints, 0);
    assert_eq!(test.bench.get("session"), 1);
}

#[test]
fn messages_cross_a_bad_line() {
    let mut test = Test::new(0x72);
    test.hello();
    let rounds = if common::full() { 40 } else { 6 };
    for round in 0..rounds {
        test.peer.faults = [
            Faults {
                bytes: 30,
                frames: 0,
            },
            Faults {
                bytes: 0,
                frames: 100,
            },
            Faults {
                bytes: 10,
                frames: 30,
            },
            Faults {
                bytes: 150,
                frames: 100,
            },
        ][round % 4];
        test.side.longest_pause = [40, 20_000][round % 2];
        for cycle in 0..100_000 {
            test.peer.rates = [(100, 100), (30, 100), (100, 30)][cycle / 20_000 % 3];
            test.cycle(true);
        }
        test.peer.rates = (100, 100);
        test.finish();
    }
    let peer = &test.peer;
    assert!(peer.complaints > 20 && peer.dropped > 20 && peer.resends > 5);
    assert!(peer.taken > 300 && test.heard > 300 && test.side.full > 1000);
}

#[test]
fn a_hello_begins_anew_at_any_time() {
    let mut test = Test::new(0x73);
    for round in 0..60 {
        test.peer.faults = [
            Faults::default(),
            Faults {
                bytes: 60,
                frames: 60,
            },
        ][round % 2];
        test.hello();
        for _ in 0..test.rng.below(6_000) {
            test.cycle(true);
        }
        if round % 4 == 0 {
            test.finish();
        }
        // In the middle of a frame, too.
        test.peer
            .noise(&[0x7e, 2, 0, 0, 5][..test.rng.below(6) as usize]);
    }
    assert!(test.side.restarts >= 60 && test.peer.sessions == 60);
}

#[test]
fn frames_are_answered_while_nothing_is_consumed() {
    let mut test = Test::new(0x74);
    test.hello();
    // Nobody reads: the window fills.
    test.side.reading.pause = u64::MAX;
    for number in 0..WINDOW as u8 {
        test.sent.push(vec![number; 5]);
        test.peer.send(vec![number; 5]);
    }
    for _ in 0..3_000 {
        test.cycle(false);
    }
    assert_eq!(test.peer.waiting(), WINDOW);
    // A ninth is not taken, though the host should know better.
    test.peer
        .noise(&Frame::new(FrameKind::Data, 8, 0, &[9]).line());
    // The card speaks, and is understood: what was lost is sent anew.
    let (taken, complaints) = (test.peer.taken, test.peer.complaints);
    test.peer.faults.bytes = 40;
    for _ in 0..60_000 {
        test.cycle(true);
    }
    test.peer.faults.bytes = 0;
    for _ in 0..30_000 {
        test.cycle(false);
    }
    assert!(test.peer.taken > taken + 20 && test.peer.complaints > complaints);
    assert!(test.side.written.is_empty());
    assert!(test.side.read.is_empty());
    // A hello is heard as well.
    test.hello();
    assert_eq!(test.peer.sessions, 2);
    test.finish();
}
