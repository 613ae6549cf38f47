//! Accesses of the host, against an endpoint in software.

mod common;

use common::{Bench, Mood, Rng, WINDOW_BYTES};
use pcie::root::{AccessError, Options, Random};
use pcie::tlp::{Completion, Id, Kind, Request, Status, Tlp};

fn benches() -> Vec<Bench> {
    let mut benches = Vec::new();
    for (words, max_payload) in [(2, 128), (4, 512)] {
        for random in [None, Some(Random::rough(3))] {
            let options = Options {
                words,
                random,
                tags: 3,
                ..Options::default()
            };
            let mut bench = Bench::new(&options, max_payload);
            bench.lazy = if random.is_some() { 30 } else { 0 };
            benches.push(bench);
        }
    }
    benches
}

#[test]
fn all_lengths_and_offsets_are_read_and_written() {
    for mut bench in benches() {
        let mut rng = Rng(5);
        let mut expected = bench.window.clone();
        for round in 0..400u64 {
            // Small ones at every offset, then long ones across pages.
            let (offset, bytes) = match round {
                0..256 => (4000 + round % 16, 1 + (round / 16) as usize),
                _ => (rng.below(8192), 1 + rng.below(6000) as usize),
            };
            let at = offset as usize;
            if round % 2 == 0 {
                let data: Vec<u8> = (0..bytes).map(|_| rng.next() as u8).collect();
                bench.host_write(offset, &data).expect("a write");
                expected[at..at + bytes].copy_from_slice(&data);
                bench.run(10_000);
                assert_eq!(bench.window, expected, "{offset:#x} {bytes}");
            } else {
                let data = bench.host_read(offset, bytes).expect("a read");
                assert_eq!(data, expected[at..at + bytes], "{offset:#x} {bytes}");
            }
        }
        assert!(bench.root.is_idle());
    }
}

#[test]
fn whole_accesses_fall_into_as_few_packets_as_may_be() {
    let mut bench = Bench::new(&Options::default(), 256);
    let lengths = |bench: &mut Bench| -> Vec<(u64, u16)> {
        let taken = std::mem::take(&mut bench.requests);
        let pair = |request: &Request| (request.address & 0xffff, request.dwords);
        taken
            .iter()
            .map(|tlp| match &tlp.kind {
                Kind::MemoryRead(request) | Kind::MemoryWrite(request, _) => pair(request),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    bench.host_write(0xf03, &[1; 512]).expect("a write");
    bench.run(1000);
    assert_eq!(
        lengths(&mut bench),
        [(0xf00, 64), (0x1000, 64), (0x1100, 1)]
    );
    bench.host_read(0xf03, 1024).expect("a read");
    assert_eq!(
        lengths(&mut bench),
        [(0xf00, 64), (0x1000, 128), (0x1200, 65)]
    );
}

#[test]
fn nothing_is_read_and_written_at_once() {
    let mut bench = Bench::new(&Options::default(), 128);
    assert_eq!(bench.host_read(5, 0), Ok(vec![]));
    assert_eq!(bench.host_write(5, &[]), Ok(()));
    assert!(bench.requests.is_empty());
}

#[test]
fn a_write_is_over_when_the_card_has_it_and_the_order_stays() {
    for mut bench in benches() {
        let write = bench.root.write(0, 0x100, &[1, 2, 3, 4]);
        let read = bench.root.read(0, 0x100, 4);
        let mut out = [0; 4];
        assert_eq!(
            bench.root.finish(write, &mut []),
            None,
            "not before a cycle"
        );
        bench.end(read, &mut out).expect("a read");
        assert_eq!(out, [1, 2, 3, 4]);
        assert_eq!(bench.root.finish(write, &mut []), Some(Ok(())));
        assert_eq!(bench.root.finish(write, &mut []), None, "told once");
    }
}

#[test]
fn answers_that_are_no_data_are_errors() {
    for (mood, error) in [
        (Mood::Status(Status::Unsupported), AccessError::Unsupported),
        (Mood::Status(Status::Abort), AccessError::Abort),
        (Mood::Status(Status::Retry), AccessError::Retry),
        (Mood::Poisoned, AccessError::Poisoned),
        (Mood::Silent, AccessError::Timeout),
    ] {
        let options = Options {
            access_timeout: 5000,
            ..Options::default()
        };
        let mut bench = Bench::new(&options, 128);
        bench.mood = mood;
        assert_eq!(bench.host_read(0x80, 600), Err(error));
        bench.mood = Mood::Good;
        assert_eq!(
            bench.host_read(0x80, 600).map(|data| data.len()),
            Ok(600),
            "{mood:?}"
        );
    }
    let mut bench = Bench::new(&Options::default(), 128);
    let access = bench.root.read(2, 0, 4);
    assert_eq!(
        bench.root.finish(access, &mut []),
        Some(Err(AccessError::NoWindow))
    );
    assert_eq!(
        bench.host_write(u64::MAX, &[0; 8]),
        Err(AccessError::NoWindow)
    );
}

#[test]
fn a_late_answer_to_a_read_that_was_given_up_does_no_harm() {
    let options = Options {
        access_timeout: 400,
        tags: 1,
        ..Options::default()
    };
    let mut bench = Bench::new(&options, 128);
    bench.mood = Mood::Silent;
    assert_eq!(bench.host_read(0, 4), Err(AccessError::Timeout));
    let answer = |tag, byte| {
        Tlp::new(Kind::CompletionData(
            Completion {
                completer: common::ID,
                status: Status::Success,
                byte_count: 4,
                requester: Id(0),
                tag,
                lower_address: 0,
            },
            vec![byte; 4],
        ))
    };
    // The only tag is not used again before the answer is there.
    assert_eq!(bench.host_read(0, 4), Err(AccessError::Timeout));
    assert_eq!(bench.requests.len(), 1);
    bench.send(&answer(0, 1));
    bench.run(100);
    bench.mood = Mood::Good;
    assert_eq!(bench.host_read(0, 4), Ok(bench.window[..4].to_vec()));
    // One whose answer never comes is free again in the end.
    bench.mood = Mood::Silent;
    assert_eq!(bench.host_read(0, 4), Err(AccessError::Timeout));
    bench.mood = Mood::Good;
    let timeouts = (0..5)
        .take_while(|_| bench.host_read(0, 4).is_err())
        .count();
    // The second read still waits for the tag when that is free again.
    assert_eq!(timeouts, 1);
}

#[test]
fn a_card_that_takes_nothing_lets_a_write_time_out() {
    let options = Options {
        access_timeout: 300,
        ..Options::default()
    };
    let mut bench = Bench::new(&options, 128);
    bench.lazy = 100;
    assert_eq!(bench.host_write(0, &[0; 4]), Err(AccessError::Timeout));
    assert_eq!(bench.root.cycles(), 301);
}

/// Only what makes no progress is given up, however long the whole takes.
#[test]
fn long_accesses_outlast_the_timeout() {
    for random in [None, Some(Random::rough(17))] {
        let options = Options {
            access_timeout: 1000,
            tags: 1,
            random,
            ..Options::default()
        };
        let mut bench = Bench::new(&options, 128);
        let mut expected = vec![0; WINDOW_BYTES];
        let mut rng = Rng(23);
        expected.fill_with(|| rng.next() as u8);
        // The second write waits for all of the first, and the read for both.
        let half = WINDOW_BYTES / 2;
        let writes = [(0, &expected[..half]), (half as u64, &expected[half..])]
            .map(|(offset, data)| bench.root.write(0, offset, data));
        assert_eq!(
            bench.host_read(0, WINDOW_BYTES).as_ref(),
            Ok(&expected),
            "{random:?}"
        );
        for write in writes {
            assert_eq!(bench.root.finish(write, &mut []), Some(Ok(())));
        }
        assert_eq!(bench.window, expected);
        assert!(bench.root.cycles() > 4000, "{}", bench.root.cycles());
    }
}

#[test]
fn a_write_that_gets_stuck_on_its_way_times_out() {
    let options = Options {
        access_timeout: 1000,
        ..Options::default()
    };
    let mut bench = Bench::new(&options, 128);
    let write = bench.root.write(0, 0, &[1; WINDOW_BYTES]);
    let next = bench.root.write(0, 0, &[2; 4]);
    for _ in 0..1500 {
        bench.cycle().expect("no broken rule");
    }
    assert_eq!(bench.root.finish(write, &mut []), None);
    bench.lazy = 100;
    assert_eq!(bench.end(write, &mut []), Err(AccessError::Timeout));
    assert_eq!(
        bench.root.finish(next, &mut []),
        Some(Err(AccessError::Timeout))
    );
    // The packet that is under way still ends, and no other comes.
    let came = bench.requests.len();
    bench.lazy = 0;
    bench.run(1000);
    assert_eq!(bench.requests.len(), came + 1);
    assert_eq!(bench.host_write(0, &[3; 4]), Ok(()));
}

#[test]
fn tags_are_many_or_few() {
    for tags in [1, 2, 32, 256] {
        let options = Options {
            tags,
            max_read: 128,
            ..Options::default()
        };
        let mut bench = Bench::new(&options, 128);
        bench.mood = Mood::Silent;
        let access = bench.root.read(0, 0, WINDOW_BYTES);
        for _ in 0..2000 {
            bench.cycle().expect("no broken rule");
        }
        assert_eq!(bench.root.finish(access, &mut []), None);
        assert_eq!(
            bench.requests.len(),
            usize::from(tags).min(WINDOW_BYTES / 128)
        );
    }
}

#[test]
fn packets_of_any_kind_go_to_the_card_and_their_answers_come_back() {
    let mut bench = Bench::new(&Options::default(), 128);
    let read = Tlp::new(Kind::MemoryRead(Request {
        requester: Id(0),
        tag: 0x55,
        address: common::WINDOW,
        dwords: 1,
        first_be: 15,
        last_be: 0,
    }));
    let access = bench.root.send(&read.encode(), 1);
    bench.end(access, &mut []).expect("it is sent");
    assert_eq!(bench.requests, [read]);
    assert!(bench.broken().contains("nobody asked for"));

    let mut bench = Bench::new(&Options::default(), 128);
    let stray = Tlp::new(Kind::Completion(Completion {
        completer: common::ID,
        status: Status::Unsupported,
        byte_count: 4,
        requester: Id(0x1234),
        tag: 0x55,
        lower_address: 0,
    }));
    bench.send(&stray);
    bench.run(100);
    assert_eq!(bench.root.take_strays(), [stray]);
    assert!(bench.root.take_strays().is_empty());
}

/// An endpoint refuses a locked read with a completion of a kind of its own, whether it may send
/// requests or not.
#[test]
fn locked_reads_get_their_own_answer() {
    for bus_master in [true, false] {
        let mut bench = Bench::new(&Options::default(), 128);
        let settings = pcie::root::Settings {
            bus_master,
            ..common::settings(128)
        };
        bench.root.set_settings(settings).expect("good settings");
        bench.run(100);
        for _ in 0..10 {
            bench.cycle().expect("no broken rule");
        }
        let locked = [0x0100_0001, 0x1234_550f, common::WINDOW as u32];
        let access = bench.root.send(&locked, 1);
        bench.end(access, &mut []).expect("it is sent");
        bench.run(100);
        let answer = Completion {
            completer: common::ID,
            status: Status::Unsupported,
            byte_count: 4,
            requester: Id(0x1234),
            tag: 0x55,
            lower_address: 0,
        };
        assert_eq!(
            bench.root.take_strays(),
            [Tlp::new(Kind::LockedCompletion(answer))]
        );
        // The root complex sends none itself, and nobody may grant one.
        let own = Completion {
            requester: Id(0),
            ..answer
        };
        bench.send(&Tlp::new(Kind::LockedCompletion(own)));
        assert!(bench.broken().contains("nobody asked for"));
    }
    let mut bench = Bench::new(&Options::default(), 128);
    bench.send_words(&[0x4b00_0001, 0x0300_0004, 0x1234_5500, 7]);
    assert!(bench.broken().contains("unknown kind"));
}

#[test]
fn wrong_completions_are_found() {
    let good = Completion {
        completer: common::ID,
        status: Status::Success,
        byte_count: 300,
        requester: Id(0),
        tag: 0,
        lower_address: 0x10,
    };
    let unsupported = Completion {
        status: Status::Unsupported,
        ..good
    };
    let cases: Vec<(Kind, &str)> = vec![
        (
            Kind::CompletionData(Completion { tag: 1, ..good }, vec![0; 112]),
            "nobody asked",
        ),
        (
            Kind::CompletionData(
                Completion {
                    completer: Id(1),
                    ..good
                },
                vec![0; 112],
            ),
            "completer",
        ),
        (
            Kind::CompletionData(
                Completion {
                    byte_count: 304,
                    ..good
                },
                vec![0; 112],
            ),
            "300 bytes",
        ),
        (
            Kind::CompletionData(
                Completion {
                    lower_address: 0,
                    ..good
                },
                vec![0; 112],
            ),
            "next byte",
        ),
        (Kind::CompletionData(good, vec![0; 128]), "boundary"),
        (Kind::CompletionData(good, vec![0; 240]), "Max_Payload"),
        (Kind::Completion(good), "if and only if"),
        (
            Kind::CompletionData(unsupported, vec![0; 4]),
            "if and only if",
        ),
        (
            Kind::Completion(Completion {
                status: Status::Reserved(3),
                ..good
            }),
            "reserved",
        ),
    ];
    for (kind, text) in cases {
        let mut bench = Bench::new(&Options::default(), 128);
        bench.mood = Mood::Silent;
        bench.root.read(0, 0x10, 300);
        for _ in 0..20 {
            bench.cycle().expect("no broken rule");
        }
        bench.send(&Tlp::new(kind));
        let error = bench.broken();
        assert!(error.contains(text), "{error} should name {text}");
    }
    // More than was asked for, in a last piece that is long enough.
    let mut bench = Bench::new(&Options::default(), 512);
    bench.mood = Mood::Silent;
    bench.root.read(0, 0x10, 300);
    for _ in 0..20 {
        bench.cycle().expect("no broken rule");
    }
    bench.send(&Tlp::new(Kind::CompletionData(good, vec![0; 304])));
    assert!(bench.broken().contains("more data"));
}

#[test]
fn wrong_options_are_refused() {
    let good = Options::default();
    assert_eq!(good.check(), Ok(()));
    for (options, text) in [
        (
            Options {
                words: 3,
                ..good.clone()
            },
            "doublewords",
        ),
        (
            Options {
                latency: 0,
                ..good.clone()
            },
            "latency",
        ),
        (
            Options {
                boundary: 32,
                ..good.clone()
            },
            "boundary",
        ),
        (
            Options {
                completion_bytes: 32,
                ..good.clone()
            },
            "completion",
        ),
        (
            Options {
                completion_bytes: 96,
                ..good.clone()
            },
            "completion",
        ),
        (
            Options {
                tags: 0,
                ..good.clone()
            },
            "tags",
        ),
        (
            Options {
                tags: 257,
                ..good.clone()
            },
            "tags",
        ),
        (
            Options {
                max_read: 64,
                ..good.clone()
            },
            "host",
        ),
        (
            Options {
                access_timeout: 0,
                ..good.clone()
            },
            "timeout",
        ),
        (
            Options {
                random: Some(Random {
                    stall: 1.0,
                    ..Random::rough(1)
                }),
                ..good.clone()
            },
            "chances",
        ),
    ] {
        let error = options.check().expect_err(text);
        assert!(error.contains(text), "{error}");
    }
    let wrong = pcie::root::Settings {
        max_payload: 64,
        ..Default::default()
    };
    assert!(wrong.check().is_err());
    let wrong = pcie::root::Settings {
        max_read: 8192,
        ..Default::default()
    };
    assert!(wrong.check().is_err());
}
