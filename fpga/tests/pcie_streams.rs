//! What stands between the hard block and the endpoint, against the byte order of the wire.

mod common;

use std::collections::VecDeque;

use common::block::{BlockBeat, BlockSink, BlockSource, cut, wire};
use common::{Bench, Random};
use fpga::tops::pcie::{FromBlock, Identity, PACKET_ROWS, PacketMemory, ToBlock};
use pcie::stream::{Beat, Joiner, beats};
use pcie::tlp::{Completion, Id, Kind, Request, Status, Tlp};

fn bytes(random: &mut Random, count: usize) -> Vec<u8> {
    (0..count).map(|_| random.next() as u8).collect()
}

/// A packet of each kind that the endpoint knows, one after the other.
fn packet(random: &mut Random, index: usize) -> Tlp {
    let dwords = match random.below(4) {
        0 => 1,
        1 => 1 + random.below(128) as u16,
        _ => 1 + random.below(8) as u16,
    };
    let wide = index.is_multiple_of(2);
    let high = if wide {
        1 + random.below(u32::MAX.into())
    } else {
        0
    };
    let request = Request {
        requester: Id(random.next() as u16),
        tag: random.next() as u8,
        address: high << 32 | random.below(1 << 32) & !3,
        dwords,
        first_be: 15,
        last_be: if dwords == 1 { 0 } else { 15 },
    };
    let completion = Completion {
        completer: Id(random.next() as u16),
        status: Status::from_code(random.below(8) as u8),
        byte_count: 1 + random.below(4096) as u16,
        requester: Id(random.next() as u16),
        tag: random.next() as u8,
        lower_address: random.below(128) as u8,
    };
    let payload = bytes(random, usize::from(dwords) * 4);
    Tlp::new(match index % 8 {
        0 | 1 => Kind::MemoryRead(request),
        2 | 3 => Kind::MemoryWrite(request, payload),
        4 | 5 => Kind::CompletionData(completion, payload),
        6 => Kind::Completion(completion),
        _ => Kind::LockedCompletion(completion),
    })
}

/// Gaps and stalls in percent.
const MOODS: [[u64; 2]; 5] = [[0, 0], [50, 0], [0, 50], [30, 60], [80, 80]];

/// The beat at the ports `rx_*`.
fn shown(bench: &Bench) -> (Beat, u8) {
    let mut beat = Beat {
        keep: bench.get("rx_keep") as u8,
        last: bench.get("rx_last") == 1,
        ..Beat::default()
    };
    for word in 0..2 {
        beat.data[word] = bench.get(&format!("rx_data_{word}")) as u32;
    }
    (beat, bench.get("rx_bar") as u8)
}

#[test]
fn packets_reach_the_endpoint_whole() {
    let mut bench = Bench::new(&FromBlock::default(), "from_block");
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut source = BlockSource::default();
    let mut expected = VecDeque::new();
    for index in 0..4000 {
        let tlp = packet(&mut random, index);
        let bar = 1 << random.below(7);
        source.push(cut(&wire(&tlp.encode()), bar));
        expected.push_back((tlp, bar));
    }
    let mut joiner = Joiner::default();
    let mut first = None;
    let (mut cycles, mut held) = (0, None);
    while !expected.is_empty() {
        let [gaps, stalls] = MOODS[cycles / 500 % MOODS.len()];
        source.drive(&mut bench, "b", &mut random, gaps);
        let ready = random.below(100) >= stalls;
        bench.set("rx_ready", ready.into());
        bench.model.eval();
        source.settle(&bench, "b");
        let valid = bench.get("rx_valid") == 1;
        assert!(held.is_none() || valid, "a beat was withdrawn");
        if valid {
            let (beat, bar) = shown(&bench);
            assert!(held.is_none_or(|before| before == beat));
            held = (!ready).then_some(beat);
            if ready {
                assert!(beat.last || beat.keep == 3);
                let bar = *first.get_or_insert(bar);
                if let Some(words) = joiner.push(&beat) {
                    let (tlp, hit) = expected.pop_front().expect("a packet is owed");
                    assert_eq!(Tlp::decode(&words).expect("a packet"), tlp);
                    assert_eq!(bar, hit);
                    first = None;
                }
            }
        }
        assert_eq!(bench.get("lost"), 0);
        bench.model.cycle();
        cycles += 1;
        assert!(cycles < 2_000_000, "it hangs");
    }
    assert_eq!(source.waiting(), 0);
}

#[test]
fn a_beat_passes_every_cycle() {
    let mut bench = Bench::new(&FromBlock::default(), "from_block");
    let mut random = Random(7);
    let mut source = BlockSource::default();
    let packets: Vec<_> = (0..200).map(|index| packet(&mut random, index)).collect();
    for tlp in &packets {
        source.push(cut(&wire(&tlp.encode()), 1));
    }
    bench.set("rx_ready", 1);
    for _ in 0..source.waiting() {
        source.drive(&mut bench, "b", &mut random, 0);
        bench.model.eval();
        assert!(source.settle(&bench, "b").is_some());
        bench.model.cycle();
    }
}

#[test]
fn broken_packets_are_told_and_end() {
    let mut bench = Bench::new(&FromBlock::default(), "from_block");
    let mut random = Random(0xb70c_e4aa_0001_0203);
    bench.set("rx_ready", 1);
    let mut torn = 0;
    for index in 0..500 {
        let tlp = packet(&mut random, index);
        let mut beats = cut(&wire(&tlp.encode()), 1);
        let at = random.below(beats.len() as u64) as usize;
        beats[at].broken = true;
        // What follows a broken beat belongs to nothing until a packet begins.
        beats[at..].iter_mut().for_each(|beat| beat.first = false);
        let next = packet(&mut random, index + 1);
        let good = cut(&wire(&next.encode()), 2);
        let mut joiner = Joiner::default();
        let mut whole = vec![];
        let mut lost = 0;
        let idle = BlockBeat::default();
        let all = beats.iter().chain(&good).chain([&idle]);
        for (place, beat) in all.enumerate() {
            let offered = place < beats.len() + good.len();
            // A part of them is broken off in a cycle without a beat.
            let silent = place == at && index % 3 == 0;
            for (name, value) in [
                ("b_valid", (offered && !silent).into()),
                ("b_data", beat.data),
                ("b_first", beat.first.into()),
                ("b_last", beat.last.into()),
                ("b_whole", beat.whole.into()),
                ("b_broken", beat.broken.into()),
                ("b_bar", beat.bar.into()),
            ] {
                bench.set(name, value);
            }
            bench.model.eval();
            lost += bench.get("lost");
            if place >= at && place < beats.len() {
                assert_eq!(bench.get("rx_valid"), 0, "packet {index}, beat {place}");
            }
            if place == beats.len() {
                // What was shown of the broken packet is forgotten with a reset.
                joiner = Joiner::default();
            }
            if bench.get("rx_valid") == 1 {
                whole.extend(joiner.push(&shown(&bench).0));
            }
            bench.model.cycle();
        }
        assert_eq!(lost, u64::from(at > 0), "packet {index}");
        assert_eq!(whole, [next.encode()]);
        torn += lost;
    }
    assert!(torn > 100, "{torn} were torn");
}

#[test]
fn packets_reach_the_block_whole() {
    let mut bench = Bench::new(&ToBlock::default(), "to_block");
    let mut random = Random(0x7007_0b10_c000_0001);
    let packets: Vec<Tlp> = (0..4000).map(|index| packet(&mut random, index)).collect();
    let mut queue: VecDeque<Beat> = packets
        .iter()
        .flat_map(|tlp| beats(&tlp.encode(), 2))
        .collect();
    let mut expected: VecDeque<Vec<u8>> = packets.iter().map(|tlp| wire(&tlp.encode())).collect();
    let mut sink = BlockSink::default();
    let (mut offered, mut cycles) = (false, 0);
    while !expected.is_empty() {
        let [gaps, stalls] = MOODS[cycles / 500 % MOODS.len()];
        offered = !queue.is_empty() && (offered || random.below(100) >= gaps);
        let beat = queue.front().copied().unwrap_or_default();
        bench.set("tx_valid", offered.into());
        bench.set("tx_last", beat.last.into());
        bench.set("tx_keep", beat.keep.into());
        for word in 0..2 {
            bench.set(&format!("tx_data_{word}"), beat.data[word].into());
        }
        sink.drive(&mut bench, "b", &mut random, stalls);
        bench.model.eval();
        if offered && bench.get("tx_ready") == 1 {
            queue.pop_front();
            offered = false;
        }
        if let Some(bytes) = sink.settle(&bench, "b") {
            assert_eq!(Some(bytes), expected.pop_front());
        }
        bench.model.cycle();
        cycles += 1;
        assert!(cycles < 2_000_000, "it hangs");
    }
    assert!(queue.is_empty() && !sink.is_inside());
}

#[test]
fn a_reset_begins_a_packet_anew() {
    let mut bench = Bench::new(&ToBlock::default(), "to_block");
    bench.set("tx_valid", 1);
    bench.set("tx_keep", 3);
    bench.set("b_ready", 1);
    bench.model.eval();
    assert_eq!(bench.get("b_first"), 1);
    bench.model.cycle();
    assert_eq!(bench.get("b_first"), 0);
    bench.set("reset", 1);
    bench.model.cycle();
    bench.set("reset", 0);
    bench.model.eval();
    assert_eq!(bench.get("b_first"), 1);
}

#[test]
fn the_card_knows_who_it_is() {
    let mut bench = Bench::new(&Identity::default(), "identity");
    let mut random = Random(99);
    let mut id = 0;
    for _ in 0..2000 {
        let [message, reset] = [random.below(2), u64::from(random.below(50) == 0)];
        let data = random.below(1 << 16);
        bench.set("message", message);
        bench.set("data", data);
        bench.set("reset", reset);
        bench.model.cycle();
        id = match (reset, message) {
            (1, _) => 0,
            (_, 1) => id,
            _ => data,
        };
        assert_eq!(bench.get("id"), id);
    }
}

#[test]
fn packets_are_kept_for_the_block() {
    let mut bench = Bench::new(&PacketMemory::default(), "packet_memory");
    let mut random = Random(0x3e30_57e5);
    let port = |bench: &Bench, name: &str| bench.model.port(name).expect("a port");
    let (into, out) = (port(&bench, "write_data"), port(&bench, "read_data"));
    let mut rows = vec![None; PACKET_ROWS];
    // What the next two cycles show.
    let mut pipeline: [Option<[u32; 3]>; 2] = [None; 2];
    let mut checked = 0;
    for _ in 0..40_000 {
        let (write, read) = (random.below(2) == 1, random.below(2) == 1);
        let spread = if random.below(2) == 0 {
            16
        } else {
            PACKET_ROWS as u64
        };
        let at = random.below(spread) as usize;
        let mut from = random.below(spread) as usize;
        if from == at {
            from = (at + 1) % PACKET_ROWS;
        }
        let row = [
            random.next() as u32,
            random.next() as u32,
            random.next() as u32 & 0xff,
        ];
        bench.set("write", write.into());
        bench.set("write_at", at as u64);
        bench.model.set_words(into, &row);
        bench.set("read", read.into());
        bench.set("read_at", from as u64);
        bench.model.cycle();
        pipeline = [if read { rows[from] } else { pipeline[0] }, pipeline[0]];
        if write {
            rows[at] = Some(row);
        }
        if let Some(row) = pipeline[1] {
            assert_eq!(bench.model.words(out), row);
            checked += 1;
        }
    }
    assert!(checked > 10_000, "{checked}");
}
