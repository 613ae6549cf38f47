//! The serial endpoint between a host in plain Rust and models of registers, card memory and the
//! card's bursts, under stalls, with good and bad messages, resets and hellos.

mod card;
#[path = "../common/mod.rs"]
mod common;
mod host;

use card::{CardMemory, Dma, Registers};
use common::peer::{Faults, Frame, Peer};
use common::{Bench, Rng};
use hdl::serial::SerialEndpoint;
use host::Host;
use isa::serial::{CardMessage, FrameKind, HostMessage, MAX_DATA};

/// Bytes of card memory as a power of two: the smallest.
const MEMORY_LOG2: u32 = 12;

struct Test {
    bench: Bench,
    peer: Peer,
    host: Host,
    registers: Registers,
    memory: CardMemory,
    dma: Dma,
    rng: Rng,
    /// Chance in percent that a handshake goes on.
    ready: u64,
    /// What the card does by itself.
    busy: bool,
    events: u8,
}

impl Test {
    fn new(line_bytes: usize, memory_log2: Option<u32>, seed: u64) -> Self {
        let block = SerialEndpoint::new(line_bytes, memory_log2, 20_000);
        let mut bench = Bench::new(&block, "serial_endpoint");
        bench.reset();
        Self {
            peer: Peer::new(&bench, seed, line_bytes),
            host: Host::new(line_bytes, memory_log2),
            registers: Registers::new(&bench),
            memory: CardMemory::new(&bench, MEMORY_LOG2, line_bytes),
            dma: Dma::new(&bench, line_bytes),
            bench,
            rng: Rng(seed + 1),
            ready: 100,
            busy: true,
            events: 0,
        }
    }

    fn cycle(&mut self) {
        let rng = &mut self.rng;
        self.peer.drive(&mut self.bench);
        self.registers.drive(&mut self.bench, rng);
        self.memory.drive(&mut self.bench, rng, self.ready);
        self.dma.drive(
            &mut self.bench,
            rng,
            self.ready,
            self.busy && !self.host.is_resetting(),
        );
        self.bench.set("events", self.events.into());
        self.events = 0;
        self.bench.model.eval();
        self.registers.settle(&self.bench);
        self.memory.settle(&self.bench);
        self.dma.settle(&self.bench, &mut self.host);
        if self.bench.is("card_reset") {
            self.memory.reset();
            self.dma.reset();
        }
        self.peer.settle(&self.bench);
        self.bench.model.cycle();
        while let Some(message) = self.peer.inbox.pop_front() {
            self.host.message(&message, &mut self.peer, rng);
            if message[0] == CardMessage::ResetDone as u8 {
                self.dma.golden.clone_from(&self.host.memory);
            }
        }
    }

    fn hello(&mut self) {
        self.peer.hello();
        self.host.forget();
        self.busy = false;
        let mut patience = 0;
        while !self.peer.in_session() {
            self.cycle();
            patience += 1;
            assert!(patience < 300_000, "no welcome");
        }
        self.busy = true;
        self.host.forget();
        self.host.registers.clone_from(&self.registers.values);
        self.host.card_memory.clone_from(&self.memory.bytes);
        self.dma.golden.clone_from(&self.host.memory);
        assert!(self.bench.is("session"));
    }

    /// Until nothing is under way.
    fn finish(&mut self) {
        self.busy = false;
        let mut patience = 0;
        while self.peer.waiting() > 0 || !self.host.is_idle() || !self.dma.is_idle() {
            self.cycle();
            patience += 1;
            assert!(patience < 2_000_000, "the endpoint stands still");
        }
        while self.bench.is("active") {
            self.cycle();
            patience += 1;
            assert!(patience < 2_000_000, "the endpoint is never idle");
        }
        self.busy = true;
        assert_eq!(self.host.registers, self.registers.values);
        assert_eq!(self.host.card_memory, self.memory.bytes);
        assert!(self.dma.golden == self.host.memory, "host memory");
    }

    fn ask(&mut self, message: Vec<u8>) {
        self.host.ask(&message);
        self.peer.send(message);
    }

    fn traffic(&mut self, cycles: usize) {
        for cycle in 0..cycles {
            self.ready = [100, 30, 70][cycle / 2_000 % 3];
            self.peer.rates = [(100, 100), (30, 60), (100, 10)][cycle / 5_000 % 3];
            if self.peer.waiting() < 12 && !self.host.is_resetting() && self.rng.below(60) == 0 {
                let message = self.host.random_message(&mut self.rng);
                self.ask(message);
            }
            if self.rng.below(900) == 0 {
                self.events = self.rng.next() as u8;
                self.host.raised |= self.events;
            }
            self.cycle();
        }
    }
}

fn check(line_bytes: usize, memory_log2: Option<u32>, seed: u64) {
    let mut test = Test::new(line_bytes, memory_log2, seed);
    // What the card asks for waits for a hello.
    for _ in 0..3_000 {
        test.cycle();
        assert!(!test.bench.is("tx_valid"));
    }
    test.bench.reset();
    test.dma.reset();
    test.hello();
    let rounds = if common::full() { 60 } else { 8 };
    for round in 0..rounds {
        test.peer.faults = match round % 4 {
            3 => Faults {
                bytes: 20,
                frames: 20,
            },
            _ => Faults::default(),
        };
        test.traffic(40_000);
        match round % 3 {
            0 => {
                test.finish();
                // The last interrupts of all are told, once.
                test.host.told = 0;
                test.events = 0xa5;
                test.host.raised = 0xa5;
                for _ in 0..3_000 {
                    test.cycle();
                }
                assert_eq!(test.host.told, 0xa5);
            }
            1 => {
                let reset = vec![HostMessage::Reset as u8];
                test.ask(reset);
                test.traffic(3_000);
            }
            _ => test.hello(),
        }
    }
    test.peer.faults = Faults::default();
    test.finish();
    let (host, dma) = (&test.host, &test.dma);
    let counts = [
        host.answers,
        host.refusals,
        host.reads,
        host.writes,
        host.failures,
        dma.bursts,
    ];
    let least = [200, 100, 60, 60, 5, 100];
    assert!(
        counts
            .iter()
            .zip(least)
            .all(|(count, least)| *count >= least),
        "{counts:?}"
    );
    assert_eq!(host.aborts > 0, memory_log2.is_some());
    assert!(dma.longest == MAX_DATA, "long messages are made");
}

#[test]
fn lines_of_16_bytes() {
    check(16, Some(MEMORY_LOG2), 0x81);
}

#[test]
fn lines_of_32_bytes() {
    check(32, Some(MEMORY_LOG2), 0x82);
}

#[test]
fn no_card_memory() {
    check(16, None, 0x83);
}

#[test]
fn answers_that_nobody_asked_for_are_refused() {
    let mut test = Test::new(16, Some(MEMORY_LOG2), 0x84);
    test.hello();
    test.busy = false;
    let data = |lines: usize| {
        let mut message = vec![HostMessage::HostData as u8, 0];
        message.resize(2 + 16 * lines, 0x33);
        message
    };
    // Nothing is owed.
    for message in [data(1), vec![HostMessage::HostData as u8, 1]] {
        test.host.expect_refusal(message[0]);
        test.peer.send(message);
        test.finish();
    }
    assert!(test.bench.is("error"), "people are told");
    // More lines than are owed, then what is right.
    test.host.is_silent = true;
    test.dma.ask(0x1000, 3);
    for _ in 0..2_000 {
        test.cycle();
    }
    test.host.expect_refusal(HostMessage::HostData as u8);
    test.peer.send(data(4));
    for _ in 0..2_000 {
        test.cycle();
    }
    test.dma.expect_data(&data(2)[2..], false);
    test.peer.send(data(2));
    test.dma.expect_failure(4, 1);
    test.peer.send(vec![HostMessage::HostData as u8, 5]);
    test.host.owed_end();
    test.finish();
    assert_eq!(test.host.refusals, 3);
}

#[test]
fn frames_that_are_no_messages_change_nothing() {
    let mut test = Test::new(16, Some(MEMORY_LOG2), 0x85);
    test.hello();
    test.busy = false;
    for kind in [FrameKind::Welcome, FrameKind::Hello] {
        for length in [0, 3, 5, 9] {
            test.peer
                .noise(&Frame::new(kind, 0, 0, &vec![7; length]).line());
        }
    }
    let mut unknown = Frame::new(FrameKind::Ping, 0, 0, &[]);
    for kind in [6, 7, 0x42, 0xff] {
        unknown.kind = kind;
        test.peer.noise(&unknown.line());
    }
    for _ in 0..3_000 {
        test.cycle();
    }
    assert!(test.bench.is("session") && !test.bench.is("error"));
    assert_eq!(test.peer.sessions, 1);
    test.finish();
}

#[test]
#[should_panic(expected = "4 KiB to 4 GiB")]
fn a_tiny_memory_is_refused() {
    let _ = SerialEndpoint::new(16, Some(11), 1000);
}
