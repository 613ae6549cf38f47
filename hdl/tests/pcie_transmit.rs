//! The arbiter of packets: whole packets, in order, completions first, nobody starves.

mod common;

use std::collections::VecDeque;

use common::link::Sink;
use common::{Bench, Rng};
use hdl::pcie::Transmit;
use pcie::stream::{Beat, beats};
use verilate::PortRef;

const NAMES: [&str; 4] = ["cpl", "msix", "write", "read"];

/// A sender of packets.
struct Sender {
    valid: PortRef,
    ready: PortRef,
    last: PortRef,
    keep: PortRef,
    data: Vec<PortRef>,
    /// Beats of the packet that is offered.
    packet: VecDeque<Beat>,
    begun: bool,
    valid_now: bool,
    /// Packets made.
    made: u32,
    /// Packets of others but completions that began while one of this sender was offered.
    waited: usize,
}

struct Room {
    bench: Bench,
    sink: Sink,
    rng: Rng,
    words: usize,
    senders: Vec<Sender>,
    /// Packets in the order in which they began.
    expected: VecDeque<Vec<u32>>,
    began: Vec<usize>,
    received: usize,
}

impl Room {
    fn new(words: usize) -> Self {
        let mut bench = Bench::new(&Transmit::new(words), "transmit");
        bench.reset();
        let senders = NAMES.map(|name| Sender {
            valid: bench.port(&format!("{name}_valid")),
            ready: bench.port(&format!("{name}_ready")),
            last: bench.port(&format!("{name}_last")),
            keep: bench.port(&format!("{name}_keep")),
            data: bench.ports(&format!("{name}_data"), words),
            packet: VecDeque::new(),
            begun: false,
            valid_now: false,
            made: 0,
            waited: 0,
        });
        Self {
            sink: Sink::new(&bench, "tx", words, false),
            bench,
            rng: Rng(0x7a + words as u64),
            words,
            senders: senders.into(),
            expected: VecDeque::new(),
            began: vec![],
            received: 0,
        }
    }

    /// A cycle: chances of a new packet for each sender, of a gap within a packet, of a packet
    /// that is withdrawn, and of a stall of the stream, in percent.
    fn cycle(&mut self, offers: [u64; 4], gaps: u64, withdrawals: u64, stalls: u64, hold: bool) {
        let rng = &mut self.rng;
        for (index, sender) in self.senders.iter_mut().enumerate() {
            if sender.packet.is_empty() && rng.chance(offers[index]) {
                sender.made += 1;
                let spread = if rng.chance(20) { 40 } else { 6 };
                let length = 3 + rng.below(spread) as usize;
                let mut packet: Vec<u32> = (0..length).map(|_| rng.next() as u32).collect();
                packet[0] = (index as u32) << 24 | sender.made;
                sender.packet = beats(&packet, self.words).into();
                sender.waited = 0;
            }
            if !sender.begun && rng.chance(withdrawals) {
                sender.packet.clear();
            }
            let gap = sender.begun && rng.chance(gaps);
            sender.valid_now = !gap && !sender.packet.is_empty();
            let model = &mut self.bench.model;
            model.set(sender.valid, sender.valid_now.into());
            let beat = sender.packet.front().copied().unwrap_or_default();
            model.set(sender.last, beat.last.into());
            model.set(sender.keep, beat.keep.into());
            for (port, word) in sender.data.iter().zip(beat.data) {
                model.set(*port, word.into());
            }
        }
        self.bench.set("hold", hold.into());
        let go = !self.rng.chance(stalls);
        self.sink.drive(&mut self.bench, go);
        self.bench.model.eval();
        let ready: Vec<bool> = self
            .senders
            .iter()
            .map(|sender| self.bench.model.get(sender.ready) == 1)
            .collect();
        let open = self.senders.iter().position(|sender| sender.begun);
        let mut taken = None;
        for (index, &ready) in ready.iter().enumerate() {
            if !ready || !self.senders[index].valid_now {
                continue;
            }
            assert!(taken.is_none(), "one beat at a time");
            taken = Some(index);
            assert!(open.is_none_or(|open| open == index), "packets stay whole");
            let completion_waits = self.senders[0].valid_now;
            let sender = &mut self.senders[index];
            if !sender.begun {
                assert!(!hold, "no packet begins");
                assert!(index == 0 || !completion_waits, "completions go first");
                self.began.push(index);
                self.expected.push_back(
                    sender
                        .packet
                        .iter()
                        .flat_map(|beat| beat.data[..beat.keep.count_ones() as usize].to_vec())
                        .collect(),
                );
            }
            let beat = sender.packet.pop_front().expect("a beat is offered");
            let begins = !sender.begun;
            sender.begun = !beat.last;
            if begins && index != 0 {
                for (other, waiting) in self.senders.iter_mut().enumerate() {
                    if other != index && waiting.valid_now {
                        waiting.waited += 1;
                        let limit = if other == 0 { 0 } else { 2 };
                        assert!(waiting.waited <= limit, "{} starves", NAMES[other]);
                    }
                }
            }
        }
        if let Some(packet) = self.sink.settle(&self.bench) {
            assert_eq!(Some(packet), self.expected.pop_front());
            self.received += 1;
        }
        self.bench.model.cycle();
    }
}

#[test]
fn packets_stay_whole_and_take_turns() {
    for words in [2, 4] {
        let mut room = Room::new(words);
        for cycle in 0..60_000 {
            let mood = cycle / 1000 % 6;
            let offers = [
                [100; 4],
                [5, 100, 100, 100],
                [30; 4],
                [0, 100, 100, 0],
                [0, 0, 100, 100],
                [0, 100, 0, 100],
            ][mood];
            let hold = cycle % 500 < 60 && mood % 2 == 1;
            room.cycle(
                offers,
                [0, 30][mood % 2],
                [0, 3][mood / 3],
                [0, 50][mood % 2],
                hold,
            );
        }
        assert!(room.received > 5000);
        for sender in &room.senders {
            assert!(sender.made > 300);
        }
    }
}

/// With all senders busy and the stream ready there is a beat in every cycle.
#[test]
fn no_cycle_is_lost() {
    for words in [2, 4] {
        let mut room = Room::new(words);
        room.cycle([100; 4], 0, 0, 0, false);
        for cycle in 0..3000 {
            let offers = if cycle < 1500 {
                [0, 100, 100, 100]
            } else {
                [100; 4]
            };
            room.cycle(offers, 0, 0, 0, false);
            assert!(room.bench.is("tx_valid"), "cycle {cycle}");
        }
        assert_eq!(room.sink.gaps, 0);
    }
}

/// Held in the middle of packets: what is begun is finished, then all is idle.
#[test]
fn hold_ends_at_the_end_of_a_packet() {
    for words in [2, 4] {
        let mut room = Room::new(words);
        for round in 0..300 {
            for _ in 0..room.rng.below(30) {
                room.cycle([60; 4], 20, 5, 30, false);
            }
            let mut cycles = 0;
            let count = room.began.len();
            loop {
                room.cycle([60; 4], 20, 5, 30, true);
                room.bench.model.eval();
                if room.bench.is("idle") {
                    break;
                }
                cycles += 1;
                assert!(cycles < 1000, "round {round}: a packet ends");
            }
            assert_eq!(room.began.len(), count);
            assert!(room.expected.is_empty(), "nothing is left inside");
            assert!(room.senders.iter().all(|sender| !sender.begun));
        }
    }
}
