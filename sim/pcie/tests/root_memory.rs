//! Reads, writes and interrupts of the card, against an endpoint in software.

mod common;

use std::collections::HashMap;

use common::{BASE, BYTES, Bench, ID, Rng, request, settings};
use isa::error::FaultCause;
use isa::model::Memory;
use pcie::root::{Fault, FaultKind, FromCard, Message, Options, Random, Root};
use pcie::stream::{Beat, Joiner, beats};
use pcie::tlp::{Id, Kind, Request, Status, Tlp};

fn rough(seed: u64) -> Options {
    Options {
        random: Some(Random::rough(seed)),
        latency: 20,
        ..Options::default()
    }
}

/// Puts the answers to all reads together and checks the rules of section 2.3.1.1.
fn collect(bench: &mut Bench, asked: &HashMap<u8, (u64, u64)>, boundary: u64, most: usize) {
    let mut cursors: HashMap<u8, u64> = HashMap::new();
    let got = std::mem::take(&mut bench.got);
    for got in &got {
        let (start, bytes) = asked[&got.completion.tag];
        let cursor = cursors.entry(got.completion.tag).or_insert(start);
        assert_eq!(got.completion.status, Status::Success);
        assert_eq!(
            u64::from(got.completion.byte_count),
            start + bytes - *cursor
        );
        assert_eq!(u64::from(got.completion.lower_address), *cursor & 0x7f);
        assert!(got.payload.len() <= most);
        let first = *cursor & !3;
        let end = (first + got.payload.len() as u64).min(start + bytes);
        if end != start + bytes {
            assert_eq!(end % boundary, 0, "cut at {end:#x}");
        } else {
            assert_eq!(got.payload.len() as u64, (end - first).next_multiple_of(4));
        }
        let expected = bench.bytes(*cursor, (end - *cursor) as usize);
        assert_eq!(
            got.payload[(*cursor & 3) as usize..][..expected.len()],
            expected
        );
        *cursor = end;
    }
    for (tag, (start, bytes)) in asked {
        assert_eq!(cursors.get(tag), Some(&(start + bytes)), "tag {tag}");
    }
}

#[test]
fn reads_are_answered_in_legal_pieces() {
    let sizes = [
        (64, 128, 2, 4096),
        (128, 256, 4, 128),
        (64, 512, 2, 4096),
        (64, 256, 2, 64),
    ];
    for (boundary, max_payload, words, completion_bytes) in sizes {
        for seed in 0..6 {
            let mut options = Options {
                boundary,
                words,
                completion_bytes,
                ..rough(seed)
            };
            if seed == 0 {
                options.random = None;
            }
            let mut bench = Bench::new(&options, max_payload);
            bench.lazy = if seed == 0 { 0 } else { 25 };
            for _ in 0..20 {
                let mut asked = HashMap::new();
                for tag in 0..32 {
                    let bytes = 1 + bench.rng.below(509);
                    let page = BASE + 4096 * bench.rng.below(BYTES as u64 / 4096);
                    let address = page + bench.rng.below(4096 - bytes);
                    bench.read(tag, address, bytes);
                    asked.insert(tag, (address, bytes));
                }
                bench.run(20_000);
                collect(
                    &mut bench,
                    &asked,
                    boundary.into(),
                    completion_bytes as usize,
                );
            }
        }
    }
}

#[test]
fn a_calm_root_answers_in_order_after_its_latency() {
    for latency in [1, 7, 250] {
        let options = Options {
            latency,
            ..Options::default()
        };
        let mut bench = Bench::new(&options, 256);
        for tag in 0..8 {
            bench.read(tag, BASE + 0x100 * u64::from(tag) + 4, 252);
        }
        bench.run(2000);
        let tags: Vec<u8> = bench.got.iter().map(|got| got.completion.tag).collect();
        assert_eq!(
            tags,
            (0..8).collect::<Vec<u8>>(),
            "one completion each, in order"
        );
        // 3 words of header and 63 of payload are 33 beats.
        assert_eq!(bench.got[0].cycle, bench.sent[0] + u64::from(latency) + 32);
        for pair in bench.got.windows(2) {
            assert_eq!(pair[1].cycle - pair[0].cycle, 33, "nothing lies between");
        }
    }
}

#[test]
fn a_rough_root_answers_in_another_order_and_in_turns() {
    let mut bench = Bench::new(&rough(9), 128);
    for tag in 0..32 {
        bench.read(tag, BASE + 0x200 * u64::from(tag), 512);
    }
    bench.run(20_000);
    let tags: Vec<u8> = bench.got.iter().map(|got| got.completion.tag).collect();
    let mut order = tags.clone();
    order.dedup();
    let changes = order.len();
    order.sort_unstable();
    order.dedup();
    assert_eq!(order.len(), 32);
    assert!(changes > 100, "answers interleave: {changes}");
    let first = |tag| tags.iter().position(|other| *other == tag);
    assert!(
        (1..32).any(|tag| first(tag) < first(tag - 1)),
        "one overtakes another"
    );
}

#[test]
fn a_read_without_bytes_gets_one_doubleword() {
    let mut bench = Bench::new(&Options::default(), 128);
    let flush = Request {
        first_be: 0,
        ..request(3, BASE - 8, 4)
    };
    bench.send(&Tlp::new(Kind::MemoryRead(flush)));
    bench.run(1000);
    let got = &bench.got[0];
    assert_eq!(
        (got.completion.byte_count, got.completion.lower_address),
        (1, 0x78)
    );
    assert_eq!(
        (got.completion.status, got.payload.len()),
        (Status::Success, 4)
    );
    assert_eq!(bench.root.traffic().refused_reads, 0, "memory is not asked");
}

#[test]
fn writes_reach_memory_in_order_and_byte_for_byte() {
    for seed in 0..4 {
        let mut bench = Bench::new(&rough(seed), 256);
        bench.lazy = 20;
        let mut expected = bench.memory.bytes().to_vec();
        for _ in 0..300 {
            let bytes = 1 + bench.rng.below(253);
            // A narrow range, so that they overlap.
            let at = bench.rng.below(512 - bytes);
            let data: Vec<u8> = (0..bytes).map(|_| bench.rng.next() as u8).collect();
            bench.write(BASE + at, &data);
            expected[at as usize..(at + bytes) as usize].copy_from_slice(&data);
        }
        bench.run(200_000);
        assert_eq!(bench.memory.bytes(), expected);
        assert_eq!(bench.root.traffic().writes, 300);
        assert_eq!(bench.root.traffic().refused_writes, 0);
    }
}

#[test]
fn enables_with_holes_write_their_bytes_only() {
    for enables in 0..256u32 {
        for dwords in [1, 2] {
            let (first_be, last_be) = (enables as u8 & 15, (enables >> 4) as u8);
            if (dwords == 1) != (last_be == 0) || (dwords == 2 && first_be == 0) {
                continue;
            }
            let mut bench = Bench::new(&Options::default(), 128);
            let mut expected = bench.memory.bytes()[64..72].to_vec();
            let request = Request {
                first_be,
                last_be,
                ..request(0, BASE + 64, 4 * dwords)
            };
            let payload: Vec<u8> = (0..4 * dwords as u8).map(|byte| 0xf0 + byte).collect();
            for (byte, value) in payload.iter().enumerate() {
                if enables >> byte & 1 == 1 {
                    expected[byte] = *value;
                }
            }
            bench.send(&Tlp::new(Kind::MemoryWrite(request, payload)));
            bench.run(100);
            assert_eq!(
                bench.memory.bytes()[64..72],
                expected,
                "{dwords} {enables:08b}"
            );
        }
    }
}

#[test]
fn a_read_sees_the_writes_before_it() {
    for seed in 0..20 {
        let mut bench = Bench::new(&rough(seed), 128);
        bench.lazy = 30;
        bench.write(BASE + 256, &[seed as u8 + 100; 64]);
        bench.read(1, BASE + 256, 64);
        bench.run(2000);
        let data: Vec<u8> = bench
            .got
            .iter()
            .flat_map(|got| got.payload.clone())
            .collect();
        assert_eq!(data, [seed as u8 + 100; 64]);
    }
}

#[test]
fn an_answer_never_overtakes_a_write_of_the_host() {
    for seed in 0..20 {
        let mut bench = Bench::new(&rough(seed), 128);
        bench.lazy = 30;
        bench.read(1, BASE, 64);
        while bench.root.traffic().reads == 0 {
            bench.cycle().expect("no broken rule");
        }
        // The host writes the window, then memory: who sees the new memory has seen the window.
        for _ in 0..bench.rng.below(100) {
            bench.cycle().expect("no broken rule");
        }
        let sampled = bench.root.traffic().completions > 0;
        bench.root.write(0, 0, &[9; 512]);
        bench.memory.bytes_mut()[..64].fill(0xee);
        while bench.got.is_empty() {
            bench.cycle().expect("no broken rule");
        }
        if !sampled {
            assert_eq!(bench.got[0].payload[0], 0xee);
            assert!(bench.window[..512].iter().all(|byte| *byte == 9));
        }
    }
}

/// A host that counts up in the card's window and then in its own memory: whoever reads a number in
/// memory finds it in the window too.
#[test]
fn an_answer_follows_the_writes_before_its_data() {
    for random in [None, Some(Random::rough(31))] {
        let mut bench = Bench::new(
            &Options {
                latency: 3,
                random,
                ..Options::default()
            },
            128,
        );
        bench.lazy = 20;
        bench.window.fill(0);
        bench.memory.bytes_mut().fill(0);
        let mut rng = Rng(41);
        let mut writes = std::collections::VecDeque::new();
        let (mut count, mut answers, mut waiting) = (0u32, 0, 0);
        while answers < 3000 {
            // Less than 4 KiB is under way.
            if rng.below(20) == 0 && writes.len() < 31 {
                count += 1;
                let number = count.to_le_bytes();
                writes.push_back(bench.root.write(0, 0, &number.repeat(32)));
                assert!(bench.memory.write(BASE, &number));
            }
            if answers + bench.root.card_reads() < 3000 && bench.root.card_reads() < 8 {
                let tag = (0..32).find(|tag| waiting >> tag & 1 == 0);
                if let Some(tag) = tag {
                    waiting |= 1u32 << tag;
                    bench.read(tag, BASE, 4);
                }
            }
            bench.cycle().expect("no broken rule");
            if let Some(write) = writes.front()
                && bench.root.finish(*write, &mut []).is_some()
            {
                writes.pop_front();
            }
            for got in std::mem::take(&mut bench.got) {
                waiting &= !(1 << got.completion.tag);
                answers += 1;
                let number =
                    |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
                // The last bytes of the write.
                let (seen, there) = (number(&got.payload), number(&bench.window[124..128]));
                assert!(seen <= there, "{seen} was read, {there} is in the window");
                assert!(there <= count);
            }
        }
        assert!(count > 100, "{count}");
    }
}

/// Neither side waits for all that the other has to send.
#[test]
fn answers_come_amid_a_backlog_of_writes() {
    // One write of a megabyte, and a thousand that are begun at once.
    for (random, pieces) in [
        (None, 1),
        (None, 1024),
        (Some(Random::rough(5)), 1),
        (Some(Random::rough(6)), 1024),
    ] {
        let mut bench = Bench::new(
            &Options {
                random,
                ..Options::default()
            },
            128,
        );
        let mut rng = Rng(47);
        let mut expected = vec![0; 1 << 20];
        expected.fill_with(|| rng.next() as u8);
        bench.window = vec![0; expected.len()];
        let bytes = expected.len() / pieces;
        let accesses: Vec<_> = (0u64..)
            .zip(expected.chunks(bytes))
            .map(|(index, data)| bench.root.write(0, index * bytes as u64, data))
            .collect();
        let mut asked = [None; 8];
        let (mut worst, mut answers) = (0, 0);
        let last = *accesses.last().expect("there are some");
        let end = loop {
            for (tag, asked) in asked.iter_mut().enumerate() {
                if asked.is_none() {
                    *asked = Some(bench.root.cycles());
                    bench.read(tag as u8, BASE + 512 * tag as u64, 512);
                }
            }
            bench.cycle().expect("no broken rule");
            for got in std::mem::take(&mut bench.got) {
                let tag = usize::from(got.completion.tag);
                if usize::from(got.completion.byte_count) == got.payload.len()
                    && let Some(since) = asked[tag].take()
                {
                    worst = worst.max(bench.root.cycles() - since);
                    answers += 1;
                }
            }
            if let Some(done) = bench.root.finish(last, &mut []) {
                break done.map(|()| bench.root.cycles());
            }
        };
        let cycles = end.expect("all is written");
        for access in &accesses[..accesses.len() - 1] {
            assert_eq!(bench.root.finish(*access, &mut []), Some(Ok(())));
        }
        bench.run(10_000);
        assert!(bench.window == expected);
        // 4 KiB of writes, and as many answers in between, are some 1200 beats.
        assert!(worst < 10_000, "an answer came after {worst} cycles");
        assert!(answers > 300, "{answers} answers");
        assert!(cycles < 2_000_000, "the writes took {cycles} cycles");
    }
}

#[test]
fn memory_refuses() {
    let mut bench = Bench::new(&Options::default(), 128);
    bench.read(4, BASE + BYTES as u64, 256);
    bench.write(BASE - 4, &[0; 4]);
    bench.run(1000);
    assert_eq!(bench.got[0].completion.status, Status::Unsupported);
    assert_eq!(bench.got[0].completion.byte_count, 256);
    assert_eq!(bench.got.len(), 1);
    let traffic = bench.root.traffic();
    assert_eq!((traffic.refused_reads, traffic.refused_writes), (1, 1));
}

#[test]
fn interrupts_are_told_and_never_reach_memory() {
    let mut bench = Bench::new(&Options::default(), 128);
    bench.write(BASE, &[1; 4]);
    bench.write(0xfee0_1000, &0x4321u32.to_le_bytes());
    bench.write(0xfeef_fffc, &7u32.to_le_bytes());
    bench.run(100);
    let message = |address, data| Some(Message { address, data });
    assert_eq!(bench.root.take_message(), message(0xfee0_1000, 0x4321));
    assert_eq!(bench.root.take_message(), message(0xfeef_fffc, 7));
    assert_eq!(bench.root.take_message(), None);
    let traffic = bench.root.traffic();
    assert_eq!(
        (traffic.interrupts, traffic.writes, traffic.refused_writes),
        (2, 1, 0)
    );
    bench.write(0xfee0_0000, &[0; 8]);
    bench.write(0xfee0_0001, &[0; 2]);
    bench.run(100);
    assert_eq!(
        bench.root.take_message(),
        None,
        "one whole doubleword, or memory"
    );
    assert_eq!(bench.root.traffic().refused_writes, 2);
}

/// Memory that refuses everything, and says why.
struct Refusing(FaultCause);

impl Memory for Refusing {
    fn read(&mut self, _: u64, _: &mut [u8]) -> bool {
        false
    }
    fn write(&mut self, _: u64, _: &[u8]) -> bool {
        false
    }
    fn cause(&self) -> FaultCause {
        self.0
    }
}

#[test]
fn memory_says_why_it_refuses() {
    for (cause, expected) in [
        (FaultCause::Plain, Some((Status::Unsupported, false))),
        (FaultCause::Unsupported, Some((Status::Unsupported, false))),
        (FaultCause::BusMasterOff, Some((Status::Unsupported, false))),
        (FaultCause::Abort, Some((Status::Abort, false))),
        (FaultCause::Poisoned, Some((Status::Success, true))),
        (FaultCause::Timeout, None),
    ] {
        let mut root = Root::new(&Options::default()).expect("good options");
        root.set_settings(settings(128)).expect("good settings");
        let read = Tlp::new(Kind::MemoryRead(request(1, BASE, 64))).encode();
        let mut sent = beats(&read, 2).into_iter();
        let mut joiner = Joiner::default();
        let mut answer = None;
        for _ in 0..500 {
            let beat = sent.next();
            let card = FromCard {
                valid: beat.is_some(),
                beat: beat.unwrap_or_default(),
                ready: true,
            };
            let to_card = root
                .cycle(&mut Refusing(cause), &card)
                .expect("no broken rule");
            if to_card.valid
                && let Some(packet) = joiner.push(&to_card.beat)
            {
                let tlp = Tlp::decode(&packet).expect("a packet");
                let (Kind::Completion(it) | Kind::CompletionData(it, _)) = tlp.kind else {
                    panic!("{tlp:?}")
                };
                answer = Some((it.status, tlp.poisoned));
            }
        }
        assert_eq!(answer, expected, "{cause:?}");
        assert!(root.is_idle());
    }
}

fn fault(kind: FaultKind, times: Option<u32>) -> Fault {
    Fault {
        addresses: BASE + 0x1000..BASE + 0x1001,
        kind,
        times,
    }
}

#[test]
fn reads_go_wrong_to_order() {
    for (kind, status, poisoned) in [
        (FaultKind::Poisoned, Status::Success, true),
        (FaultKind::Abort, Status::Abort, false),
        (FaultKind::Unsupported, Status::Unsupported, false),
    ] {
        let options = Options {
            faults: vec![fault(kind, Some(1))],
            ..Options::default()
        };
        let mut bench = Bench::new(&options, 512);
        for (tag, address) in [(1, BASE + 0xf00), (2, BASE + 0x1000), (3, BASE + 0x1000)] {
            bench.read(tag, address, 256);
        }
        bench.run(2000);
        let told = |got: &common::Got| (got.completion.status, got.poisoned);
        assert_eq!(told(&bench.got[0]), (Status::Success, false), "not touched");
        assert_eq!(told(&bench.got[1]), (status, poisoned));
        assert_eq!(told(&bench.got[2]), (Status::Success, false), "only once");
        assert_ne!(bench.got[1].payload, bench.got[2].payload);
        assert_eq!(bench.got.len(), 3);
    }
}

#[test]
fn faults_may_come_after_good_pieces() {
    let mut after = 0;
    for seed in 0..40 {
        let mut bench = Bench::new(&rough(seed), 128);
        bench.root.set_faults(vec![fault(FaultKind::Abort, None)]);
        bench.read(1, BASE + 0x1000, 512);
        bench.run(2000);
        let (last, good) = bench.got.split_last().expect("an answer");
        assert_eq!(last.completion.status, Status::Abort);
        let bytes: usize = good.iter().map(|got| got.payload.len()).sum();
        assert_eq!(usize::from(last.completion.byte_count), 512 - bytes);
        assert!(
            good.iter()
                .all(|got| got.completion.status == Status::Success)
        );
        after += usize::from(bytes > 0);
    }
    assert!((5..35).contains(&after), "{after} of 40");
}

#[test]
fn answers_are_late_or_never_come() {
    let mut bench = Bench::new(
        &Options {
            latency: 10,
            ..Options::default()
        },
        128,
    );
    bench
        .root
        .set_faults(vec![fault(FaultKind::Late(500), None)]);
    bench.read(1, BASE + 0x1000, 64);
    bench.run(2000);
    // 3 words of header and 16 of payload are 10 beats.
    assert_eq!(bench.got[0].cycle, bench.sent[0] + 10 + 500 + 9);

    let options = Options {
        stale_tag: 1000,
        ..Options::default()
    };
    let mut bench = Bench::new(&options, 128);
    bench
        .root
        .set_faults(vec![fault(FaultKind::Dropped, Some(1))]);
    bench.read(1, BASE + 0x1000, 64);
    bench.read(2, BASE + 0x1000, 64);
    bench.run(2000);
    let tags: Vec<u8> = bench.got.iter().map(|got| got.completion.tag).collect();
    assert_eq!(tags, [2]);
    let mut early = bench;
    early.read(1, BASE, 64);
    assert!(early.broken().contains("never got its answer"));

    let mut bench = Bench::new(&Options::default(), 128);
    bench
        .root
        .set_faults(vec![fault(FaultKind::Dropped, Some(1))]);
    bench.read(1, BASE + 0x1000, 64);
    bench.run(2000);
    bench.read(1, BASE + 0x1000, 64);
    bench.run(2000);
    assert_eq!(bench.got.len(), 1, "the tag is free again");
}

#[test]
fn counters_add_up() {
    let mut bench = Bench::new(&Options::default(), 128);
    bench.read(0, BASE, 512);
    bench.read(1, BASE + 4, 4);
    bench.write(BASE + 8, &[0; 100]);
    bench.run(2000);
    let traffic = *bench.root.traffic();
    let cycles = bench.root.cycles();
    for (way, packets, header, payload, beats) in [
        // Addresses are above 4 GiB: 4 words of header.
        (traffic.from_card, 3, 12, 25, 2 + 2 + 15),
        // 512 bytes in four pieces of 3 + 32 words, then 3 + 1 words.
        (traffic.to_card, 5, 15, 129, 4 * 18 + 2),
    ] {
        assert_eq!(
            (way.packets, way.header_words, way.payload_words),
            (packets, header, payload)
        );
        assert_eq!(way.beats, beats);
        assert_eq!(way.beats + way.idle + way.stalled, cycles);
    }
    assert_eq!(
        (traffic.reads, traffic.completions, traffic.most_reads),
        (2, 5, 2)
    );
    assert_eq!(
        (traffic.read_bytes, traffic.write_bytes, traffic.writes),
        (516, 100, 1)
    );
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut bench = Bench::new(&rough(seed), 128);
        for tag in 0..16 {
            bench.read(tag, BASE + 64 * u64::from(tag), 300);
        }
        bench.run(20_000);
        let order: Vec<_> = bench
            .got
            .iter()
            .map(|got| (got.cycle, got.completion.tag))
            .collect();
        (order, *bench.root.traffic())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_link_that_goes_down_forgets() {
    let mut bench = Bench::new(&Options::default(), 128);
    bench.read(1, BASE, 512);
    let access = bench.root.read(0, 0, 4);
    for _ in 0..100 {
        bench.cycle().expect("no broken rule");
    }
    let late = bench.root.read(0, 0, 4);
    bench.root.reset();
    assert!(bench.root.is_idle());
    assert_eq!(
        bench.root.finish(access, &mut []),
        Some(Ok(())),
        "it was over"
    );
    assert!(matches!(bench.root.finish(late, &mut []), Some(Err(_))));
    bench.read(1, BASE, 4);
    bench.run(1000);
    assert_eq!(bench.got.len(), 1);
}

#[test]
fn wrong_requests_are_found() {
    let good = request(1, BASE, 64);
    let write = |request: Request| {
        Tlp::new(Kind::MemoryWrite(
            request,
            vec![0; 4 * usize::from(request.dwords)],
        ))
    };
    let read = |request| Tlp::new(Kind::MemoryRead(request));
    let cases: Vec<(Vec<u32>, &str)> = vec![
        (
            read(Request {
                requester: Id(0x301),
                ..good
            })
            .encode(),
            "requester",
        ),
        (read(Request { tag: 32, ..good }).encode(), "5 bits"),
        (read(request(1, BASE + 0xfc0, 128)).encode(), "4 KiB"),
        (
            read(request(1, BASE, 516)).encode(),
            "Max_Read_Request_Size (512)",
        ),
        (
            write(request(1, BASE, 132)).encode(),
            "Max_Payload_Size (128)",
        ),
        (
            read(Request { last_be: 0, ..good }).encode(),
            "without a byte",
        ),
        (
            read(Request {
                first_be: 0,
                ..good
            })
            .encode(),
            "without a byte",
        ),
        (
            write(Request {
                first_be: 0b1010,
                ..good
            })
            .encode(),
            "holes",
        ),
        (
            write(Request {
                last_be: 0b0110,
                ..good
            })
            .encode(),
            "holes",
        ),
        (
            write(Request {
                first_be: 9,
                ..request(1, BASE + 4, 8)
            })
            .encode(),
            "holes",
        ),
        (
            write(Request {
                last_be: 1,
                ..request(1, BASE, 4)
            })
            .encode(),
            "single doubleword",
        ),
        (
            Tlp {
                poisoned: true,
                ..write(good)
            }
            .encode(),
            "no use",
        ),
        (
            Tlp {
                traffic_class: 1,
                ..read(good)
            }
            .encode(),
            "no use",
        ),
        (
            Tlp {
                attributes: 2,
                ..read(good)
            }
            .encode(),
            "no use",
        ),
        (vec![0x2000_0001, 0x0300_010f, 0, 0x1000], "4 GiB"),
        (vec![0x2000_0001, 0x0300_010f, 1, 0x1001], "hints"),
        (vec![0x0000_0401, 0x0300_010f, 0x1000], "no use"),
        (vec![0x0200_0001, 0x0300_010f, 0x1000], "unknown kind"),
        (vec![0x0400_0001, 0x0300_010f, 0x0100_0000], "unknown kind"),
        (vec![0x4000_0001, 0x0300_010f, 0x1000], "payload"),
        (vec![0x0000_0001, 0x0300_010f, 0x1000, 0], "payload"),
        (vec![0x0000_0001, 0x0300_010f], "within its header"),
        (vec![0x8000, 0, 0], "digest"),
        (vec![0; 1030], "longer than any"),
    ];
    for (words, text) in cases {
        let mut bench = Bench::new(&Options::default(), 128);
        bench.send_words(&words);
        let error = bench.broken();
        assert!(
            error.contains(text),
            "`{error}` should name `{text}` for {words:x?}"
        );
    }
    let mut bench = Bench::new(&Options::default(), 128);
    bench.read(7, BASE, 4);
    bench.read(7, BASE, 4);
    assert!(bench.broken().contains("tag 7"));
}

#[test]
fn what_was_cut_before_a_size_became_smaller_may_have_the_old_one() {
    let sizes = |max_payload, max_read| pcie::root::Settings {
        max_read,
        ..settings(max_payload)
    };
    let is_read_of = [true, false];
    for (is_read, many) in is_read_of.into_iter().flat_map(|it| [(it, 16), (it, 17)]) {
        let mut bench = Bench::new(&Options::default(), 512);
        let ask = |bench: &mut Bench, tag: u8, bytes: u64| match is_read {
            true => bench.read(tag, BASE, bytes),
            false => bench.write(BASE, &vec![1; bytes as usize]),
        };
        let set = |bench: &mut Bench, bytes| {
            let settings = sizes(bytes, bytes);
            bench.root.set_settings(settings).expect("good settings");
        };
        // Over the largest of the last sizes is wrong at once.
        let mut strict = Bench::new(&Options::default(), 512);
        set(&mut strict, 256);
        set(&mut strict, 128);
        ask(&mut strict, 1, 516);
        let error = strict.broken();
        assert!(error.contains("(512)"), "{error}");
        set(&mut bench, 256);
        set(&mut bench, 128);
        // Of the next 16 packets every one may have it, also the last one.
        for tag in 0..many - 1 {
            ask(&mut bench, tag, if tag % 2 == 0 { 512 } else { 64 });
        }
        bench.run(10_000);
        ask(&mut bench, 20, 512);
        match many {
            16 => bench.run(10_000),
            _ => assert!(bench.broken().contains("(128)")),
        }
    }
}

#[test]
fn a_reset_of_the_link_forgets_old_sizes_and_interrupts() {
    let mut bench = Bench::new(&Options::default(), 512);
    bench.write(0xfee0_0000, &[1, 0, 0, 0]);
    bench.run(100);
    bench
        .root
        .set_settings(settings(128))
        .expect("good settings");
    bench.root.reset();
    assert_eq!(bench.root.take_message(), None);
    bench.write(BASE, &[1; 132]);
    assert!(bench.broken().contains("(128)"));
}

#[test]
fn wrong_beats_are_found() {
    let beat = |keep, last| Beat {
        data: [0; 4],
        keep,
        last,
    };
    for (wrong, text) in [
        (beat(1, false), "inner"),
        (beat(0, false), "inner"),
        (beat(0, true), "last"),
        (beat(0b10, true), "last"),
        (beat(0b111, true), "last"),
    ] {
        let mut bench = Bench::new(&Options::default(), 128);
        bench.send_beat(wrong);
        let error = bench.broken();
        assert!(error.contains("keep") && error.contains(text), "{error}");
    }
}

#[test]
fn what_is_offered_must_stay() {
    let options = Options {
        random: Some(Random {
            stall: 0.9,
            ..Random::rough(1)
        }),
        ..Options::default()
    };
    for takes_back in [false, true] {
        let mut bench = Bench::new(&options, 128);
        let mut card = FromCard {
            valid: true,
            ..Default::default()
        };
        card.beat = Beat {
            data: [1, 0x0300_000f, 0, 0],
            keep: 3,
            last: false,
        };
        let mut cycle = |card: FromCard| {
            bench
                .root
                .cycle(&mut bench.memory, &card)
                .map(|to| to.ready)
        };
        assert_eq!(cycle(card), Ok(false));
        card.beat.data[1] += 1;
        card.valid = !takes_back;
        let error = cycle(card).expect_err("a broken rule").to_string();
        assert!(error.contains("not taken"), "{error}");
    }
}

#[test]
fn nothing_begins_while_it_may_not() {
    for (change, is_request, text) in [
        (0, true, "bus mastering is off"),
        (0, false, "nobody asked"),
        (1, true, "during a reset"),
        (1, false, "during a reset"),
    ] {
        let mut bench = Bench::new(&Options::default(), 128);
        let mut settings = settings(128);
        if change == 0 {
            settings.bus_master = false;
        } else {
            settings.resetting = true;
        }
        // What is under way may end.
        bench.write(BASE, &[5; 100]);
        for _ in 0..3 {
            bench.cycle().expect("no broken rule");
        }
        bench.root.set_settings(settings).expect("good settings");
        bench.run(100);
        assert_eq!(bench.bytes(BASE, 100), [5; 100]);
        if is_request {
            bench.read(1, BASE, 4);
        } else {
            bench.send(&Tlp::new(Kind::Completion(pcie::tlp::Completion {
                completer: ID,
                status: Status::Success,
                byte_count: 4,
                requester: Id(0),
                tag: 0,
                lower_address: 0,
            })));
        }
        let error = bench.broken();
        assert!(error.contains(text), "{error}");
    }
    let mut bench = Bench::new(&Options::default(), 128);
    let off = pcie::root::Settings {
        bus_master: false,
        ..settings(128)
    };
    bench.root.set_settings(off).expect("good settings");
    for _ in 0..50 {
        bench.cycle().expect("no broken rule");
    }
    bench
        .root
        .set_settings(settings(128))
        .expect("good settings");
    bench.read(1, BASE, 4);
    bench.run(1000);
    assert_eq!(bench.got.len(), 1, "on again");
}
