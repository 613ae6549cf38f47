//! The read engine against a host that answers in any order, in any pieces, late, wrongly or not
//! at all.

mod bench;
#[path = "../common/mod.rs"]
mod common;
mod host;

use bench::{Reader, Run, SUN, Seen, Weather};
use common::Rng;
use host::Manners;

/// Cycles after which a request fails in most tests.
const TIMEOUT: u64 = 3000;

const HONEST: Manners = Manners {
    faults: 0,
    noise: 0,
    latency: 1,
    delay: 300,
    in_order: false,
    boundary: 64,
    cuts: 50,
};

const WEATHERS: [Weather; 5] = [
    SUN,
    Weather {
        tx_ready: 15,
        full: false,
        ..SUN
    },
    Weather { r_ready: 30, ..SUN },
    Weather {
        ar_valid: 5,
        cpl: 60,
        full: false,
        ..SUN
    },
    Weather {
        ar_valid: 60,
        tx_ready: 60,
        r_ready: 60,
        cpl: 60,
        full: false,
    },
];

fn random_run(rng: &mut Rng, line_bytes: u64) -> Run {
    let bytes = match rng.below(8) {
        0 => 1,
        1 => 1 + rng.below(8),
        2 => line_bytes,
        3 => 4096,
        4 => 4096 + 1 + rng.below(line_bytes),
        5 => 1 + rng.below(600),
        6 => line_bytes * (1 + rng.below(256 * 16 / line_bytes)),
        _ => 1 + rng.below(5000),
    };
    let near = match rng.below(5) {
        0 => 0,
        1 => 1 << 32,
        2 => (rng.next() >> 12 & !0xfff) + 0x1000,
        3 => rng.below(1 << 32),
        _ => rng.next() >> 9,
    };
    let addr = match rng.below(3) {
        0 => near.saturating_sub(rng.below(bytes + 40)),
        1 => near & !(line_bytes - 1),
        _ => near + rng.below(64),
    };
    Run {
        addr,
        bytes,
        id: rng.below(16),
    }
}

/// Many runs; resets and bus master as they come.
fn random(
    words: usize,
    line_bytes: usize,
    max_read: u64,
    manners: Manners,
    runs: u64,
    trouble: bool,
) -> Seen {
    let timeout = if manners.faults > 0 { TIMEOUT } else { 100_000 };
    let reader = Reader::new(words, line_bytes, max_read, timeout, manners);
    random_on(reader, line_bytes, runs, trouble)
}

fn random_on(mut reader: Reader, line_bytes: usize, runs: u64, trouble: bool) -> Seen {
    let mut to_come = runs;
    let mut ends_at = 0;
    while to_come > 0 || !reader.is_done() {
        assert!(reader.now < 2_000_000, "a run never ends");
        reader.weather = WEATHERS[(reader.now / 1500 % 5) as usize];
        if reader.runs.is_empty() && to_come > 0 {
            let mut run = random_run(&mut reader.rng, line_bytes as u64);
            if trouble {
                // No address comes twice, so that it is clear which requests are missing.
                run.addr = (run.addr & 0x7fff) + ((0x7f00 + to_come) << 17);
            }
            reader.runs.push_back(run);
            to_come -= 1;
        }
        if trouble {
            match reader.rng.below(12_000) {
                0..4 => reader.bus_master = false,
                4..60 => reader.bus_master = true,
                60..64 => {
                    ends_at = reader.now + 1 + reader.rng.below(4);
                }
                _ => {}
            }
            if reader.is_mid_packet() && reader.rng.below(20) == 0 {
                ends_at = reader.now + 1 + reader.rng.below(4);
            }
            reader.reset = reader.now < ends_at;
            reader.link_down = reader.reset && reader.rng.chance(30);
        }
        reader.step();
    }
    let seen = &reader.seen;
    assert_eq!(seen.ticks[0], seen.requests);
    assert_eq!(seen.ticks[1], seen.payload_beats);
    assert!(seen.lines[0] > runs, "most is well");
    assert!(seen.reused > 100);
    assert!(trouble || seen.lines[5] == 0, "refusals");
    seen.clone()
}

fn add(sum: &mut [u64; 8], counts: [u64; 8]) {
    for (sum, count) in sum.iter_mut().zip(counts) {
        *sum += count;
    }
}

#[test]
fn any_order_any_split() {
    for (words, line_bytes, max_read) in [(2, 16, 2), (4, 16, 0), (2, 32, 1), (4, 32, 5)] {
        random(words, line_bytes, max_read, HONEST, 150, false);
        let whole = Manners {
            boundary: 128,
            cuts: 100,
            delay: 40,
            ..HONEST
        };
        random(words, line_bytes, max_read, whole, 100, false);
    }
}

#[test]
fn faults_and_noise() {
    let bad = Manners {
        faults: 4,
        noise: 20,
        ..HONEST
    };
    let mut failures = [0; 8];
    for (words, line_bytes, max_read) in [(2, 16, 1), (4, 16, 2), (2, 32, 0), (4, 32, 2)] {
        let seen = random(words, line_bytes, max_read, bad, 250, false);
        add(&mut failures, seen.lines);
    }
    assert!(
        failures[1..5].iter().all(|count| *count > 10),
        "{failures:?}"
    );
}

#[test]
fn resets_and_bus_master() {
    let bad = Manners {
        faults: 2,
        noise: 20,
        ..HONEST
    };
    let mut failures = [0; 8];
    for (words, line_bytes, max_read) in [(2, 16, 2), (4, 32, 1), (2, 32, 0), (4, 16, 1)] {
        let seen = random(words, line_bytes, max_read, bad, 500, true);
        // Only a packet of two beats can be cut in two by a reset.
        assert_eq!((seen.orphans > 0, seen.torn > 0), (words == 2, words == 2));
        add(&mut failures, seen.lines);
    }
    assert!(
        failures[1..6].iter().all(|count| *count > 10),
        "{failures:?}"
    );
}

/// Tags that rest for a long time, up to all of them at once, resets and bus master as they come:
/// what is answered is right, and no tag is used while it may still be answered.
#[test]
fn many_debts() {
    let bad = Manners {
        faults: 50,
        noise: 20,
        ..HONEST
    };
    let mut resting = 0;
    for (words, line_bytes, max_read) in [(2, 16, 2), (4, 32, 1), (2, 32, 0), (4, 16, 2)] {
        for trouble in [false, true] {
            let reader = Reader::resting(words, line_bytes, max_read, TIMEOUT, bad, 15_000);
            let seen = random_on(reader, line_bytes, 120, trouble);
            resting = resting.max(seen.resting);
        }
    }
    assert_eq!(resting, 32);
}

/// An engine that has asked with all its tags and was reset when only `debts` were not answered.
fn indebted(words: usize, line_bytes: usize, max_read: u64, debts: &[u64]) -> Reader {
    let silent = Manners {
        latency: 1 << 50,
        ..HONEST
    };
    let mut reader = Reader::resting(words, line_bytes, max_read, 0, silent, 1 << 20);
    for run in 0..32 {
        let (addr, bytes) = (run * 64, 16);
        reader.runs.push_back(Run { addr, bytes, id: 1 });
    }
    while reader.seen.requests < 32 {
        reader.step();
    }
    for request in &mut reader.host.requests {
        if !debts.contains(&request.tag) {
            request.answers[0].0 = reader.now;
        }
    }
    for _ in 0..500 {
        reader.step();
    }
    reader.reset = true;
    reader.step();
    reader.reset = false;
    reader.step();
    reader.host.manners = HONEST;
    reader.seen = Seen::default();
    reader
}

#[test]
fn a_debt_stops_no_other_tag() {
    for debts in [&[0][..], &[31], &[5, 6, 7, 20], &[0, 31]] {
        for (words, line_bytes) in [(2, 16), (4, 32)] {
            let mut reader = indebted(words, line_bytes, 2, debts);
            let (start, before) = (reader.now, reader.host.requests.len());
            for run in 0..400 {
                let (addr, bytes, id) = (run * 40 + 7, 40, run % 16);
                reader.runs.push_back(Run { addr, bytes, id });
            }
            while !reader.is_done() {
                reader.weather = WEATHERS[(reader.now / 500 % 5) as usize];
                assert!(reader.now < start + 20_000, "a run never ends");
                reader.step();
            }
            let mut uses = [0; 32];
            for request in &reader.host.requests[before..] {
                uses[request.tag as usize] += 1;
            }
            for (tag, uses) in uses.iter().enumerate() {
                let rests = debts.contains(&(tag as u64));
                assert_eq!(*uses > 9, !rests, "tag {tag} is used {uses} times");
                assert!(!rests || *uses == 0);
            }
        }
    }
}

/// Whole pages, answered without a gap as soon as sixteen tags allow: the stream of completions
/// never waits, and the last line is out as soon as its slot can be read. Also with `debts` tags
/// that rest.
fn full_rate(words: usize, line_bytes: usize, max_read: u64, debts: &[u64]) {
    let piece = 128 << max_read;
    let beats = piece / (4 * words as u64);
    let manners = Manners {
        latency: 15 * beats,
        delay: 0,
        in_order: true,
        cuts: 100,
        ..HONEST
    };
    let mut reader = match debts {
        [] => Reader::new(words, line_bytes, max_read, 0, manners),
        _ => indebted(words, line_bytes, max_read, debts),
    };
    reader.host.manners = manners;
    let start = reader.now;
    let pages = 12;
    for page in 0..pages {
        let (addr, id) = (page * 4096 + 0x7_0000_0000, page % 16);
        let bytes = 4096;
        reader.runs.push_back(Run { addr, bytes, id });
    }
    while !reader.is_done() {
        assert!(reader.now < start + 100_000, "a run never ends");
        reader.step();
    }
    let seen = &reader.seen;
    let all_beats = pages * 4096 / (4 * words as u64);
    let first = seen.first_payload.expect("payload has come");
    let text = format!("{words} words, lines of {line_bytes}, pieces of {piece}, {debts:?} rest");
    // A request takes the beats of its header; the first one stands there two cycles after its run.
    let header_beats = 4 / words as u64;
    assert_eq!(first - start, 1 + header_beats + manners.latency, "{text}");
    // Each lap takes a cycle for each tag that rests. It shows where lines are as wide as beats, so
    // that they cannot catch up.
    let rests = debts.len() as u64;
    let lost = (seen.requests / (32 - rests) + 1) * rests;
    let stream = seen.last_payload + 1 - first;
    assert!((all_beats..=all_beats + lost).contains(&stream), "{text}");
    let lines = piece / line_bytes as u64;
    let end = seen.last_payload + 4 + lines;
    assert!((end..=end + lost).contains(&seen.last_line), "{text}");
}

#[test]
fn sixteen_tags_keep_the_stream_busy() {
    for words in [2, 4] {
        for line_bytes in [16, 32] {
            for max_read in 0..3 {
                full_rate(words, line_bytes, max_read, &[]);
                full_rate(words, line_bytes, max_read, &[5]);
                full_rate(words, line_bytes, max_read, &[0, 3, 6, 7, 15, 22, 31]);
            }
        }
    }
}

/// An engine whose host never answers, after `cycles` with `runs` runs of 64 bytes.
fn unanswered(timeout: u64, runs: u64, cycles: u64) -> Reader {
    let silent = Manners {
        latency: 1 << 50,
        ..HONEST
    };
    let mut reader = Reader::new(2, 16, 2, timeout, silent);
    for run in 0..runs {
        let (addr, id) = (run * 4096, run % 16);
        let bytes = 64;
        reader.runs.push_back(Run { addr, bytes, id });
    }
    for _ in 0..cycles {
        reader.step();
    }
    reader
}

#[test]
fn all_tags_can_be_out() {
    let reader = unanswered(0, 40, 5000);
    assert_eq!(reader.seen.requests, 32);
    // The 33rd waits from the moment in which the 32nd is sent.
    let last = reader.host.requests[31].sent;
    assert_eq!(reader.seen.ticks[2], 4999 - last);
    assert_eq!(reader.seen.lines, [0; 8], "a timeout of 0 never comes");
}

#[test]
fn a_tag_without_an_answer_rests_for_a_second_timeout() {
    let timeout = 500;
    let mut reader = unanswered(timeout, 64, timeout - 10);
    assert_eq!((reader.seen.requests, reader.seen.lines[1]), (32, 0));
    while reader.now < timeout + 300 {
        reader.step();
    }
    // All have failed, four lines each, and no tag is free.
    assert_eq!((reader.seen.requests, reader.seen.lines[1]), (32, 32 * 4));
    while !reader.is_done() {
        assert!(reader.now < 5 * timeout, "tags come back");
        reader.step();
    }
    assert_eq!((reader.seen.requests, reader.seen.lines[1]), (64, 64 * 4));
    for (first, second) in reader.host.requests.iter().zip(&reader.host.requests[32..]) {
        assert_eq!(first.tag, second.tag);
        let rest = second.sent - first.sent;
        assert!(
            (2 * timeout..2 * timeout + 100).contains(&rest),
            "{rest} cycles"
        );
    }
}

/// Fills all tags with requests that nobody answers, and as many runs behind them; gives for how
/// long each tag rested.
fn rests(reader: &mut Reader) -> Vec<u64> {
    let silent = reader.host.requests.len();
    reader.host.manners.latency = 1 << 50;
    for run in 0..64 {
        let (addr, bytes) = (run * 4096, 16);
        reader.runs.push_back(Run { addr, bytes, id: 1 });
    }
    let end = reader.now + 20_000;
    while reader.host.requests.len() < silent + 64 {
        assert!(reader.now < end, "tags come back");
        reader.step();
    }
    while !reader.is_done() {
        reader.step();
    }
    let (first, second) = reader.host.requests[silent..].split_at(32);
    let pairs = first.iter().map(|first| {
        let again = second.iter().find(|second| second.tag == first.tag);
        again.expect("every tag is used again").sent - first.sent
    });
    pairs.collect()
}

/// Whether every one of these is at least `least` and not much more.
fn all_about(rests: &[u64], least: u64) {
    let range = least..least + 120;
    assert!(rests.iter().all(|rest| range.contains(rest)), "{rests:?}");
}

#[test]
fn a_short_timeout_does_not_shorten_the_rest() {
    let mut reader = Reader::resting(2, 16, 2, 100, HONEST, 700);
    all_about(&rests(&mut reader), 1400);
}

#[test]
fn an_answer_after_a_short_timeout_is_nobodys() {
    for after in [400, 900, 1250] {
        let mut reader = Reader::resting(2, 16, 2, 100, HONEST, 700);
        reader.host.manners.latency = 1 << 50;
        let run = Run {
            addr: 0x8000,
            bytes: 64,
            id: 4,
        };
        for _ in 0..32 {
            reader.runs.push_back(run);
        }
        while reader.now < after {
            reader.step();
        }
        assert_eq!(reader.seen.lines[1], 32 * 4, "all came too late");
        // The same again, whose answers would look just like these but for the bytes.
        let late: Vec<_> = reader.host.requests.iter_mut().collect();
        let late: Vec<_> = late.into_iter().map(|of| of.answers.remove(0).1).collect();
        reader.host.manners.latency = 20;
        reader.set_timeout(4000);
        for _ in 0..40 {
            reader.runs.push_back(run);
        }
        for (tag, mut answer) in late.into_iter().enumerate() {
            for word in &mut answer.words {
                *word = !*word;
            }
            while reader.host.inbound.is_some() {
                reader.step();
            }
            reader.host.send(answer);
            while reader.host.inbound.is_some() {
                reader.step();
            }
            // It was the last that its tag was owed.
            reader.host.requests[tag].complete = Some(reader.now);
        }
        while !reader.is_done() {
            assert!(reader.now < 5000, "the runs end");
            reader.step();
        }
        assert_eq!(reader.seen.lines[0], 40 * 4);
    }
}

#[test]
fn the_longest_timeout_decides_the_rest() {
    let mut reader = Reader::resting(4, 32, 2, 900, HONEST, 50);
    reader.runs.push_back(Run {
        addr: 0x100,
        bytes: 64,
        id: 4,
    });
    while !reader.is_done() {
        reader.step();
    }
    reader.set_timeout(100);
    all_about(&rests(&mut reader), 1800);
    // Nor does a reset make it forget, but what no read has waited under does not count.
    let rest = reader.host.rest;
    reader.set_timeout(1_000_000);
    reader.reset = true;
    reader.step();
    reader.reset = false;
    reader.step();
    reader.set_timeout(100);
    reader.host.rest = rest;
    all_about(&rests(&mut reader), 1800);
    // A longer one while requests are out.
    for run in 0..20 {
        let (addr, bytes) = (run * 4096, 16);
        reader.runs.push_back(Run { addr, bytes, id: 1 });
    }
    let before = reader.seen.requests;
    while reader.seen.requests < before + 20 {
        reader.step();
    }
    reader.set_timeout(1500);
    reader.step();
    reader.set_timeout(100);
    while !reader.is_done() {
        reader.step();
    }
    for _ in 0..4000 {
        reader.step();
    }
    all_about(&rests(&mut reader), 3000);
}

#[test]
fn a_timeout_of_zero_keeps_no_tag_for_ever() {
    let silent = Manners {
        latency: 1 << 50,
        ..HONEST
    };
    let mut reader = Reader::resting(2, 16, 2, 0, silent, 600);
    for run in 0..32 {
        let (addr, bytes) = (run * 64, 16);
        reader.runs.push_back(Run { addr, bytes, id: 1 });
    }
    for _ in 0..300 {
        reader.step();
    }
    reader.reset = true;
    reader.step();
    reader.reset = false;
    for run in 0..32 {
        let (addr, bytes) = (run * 64, 16);
        reader.runs.push_back(Run { addr, bytes, id: 1 });
    }
    while reader.seen.requests < 64 {
        assert!(reader.now < 1500, "tags come back");
        reader.step();
    }
    // Requests that are awaited are so for ever.
    for _ in 0..5000 {
        reader.step();
    }
    assert_eq!((reader.seen.lines, reader.open()), ([0; 8], 32));
}

#[test]
fn a_reset_leaves_the_tags_with_their_debts() {
    let timeout = 500;
    let mut reader = unanswered(timeout, 20, 200);
    reader.reset = true;
    reader.step();
    reader.reset = false;
    // Twelve tags were never used; the others come back later.
    for run in 0..40 {
        let (addr, bytes) = (run * 64 + (1 << 40), 16);
        reader.runs.push_back(Run { addr, bytes, id: 1 });
    }
    while reader.seen.requests < 32 {
        reader.step();
    }
    assert!(reader.now < 250, "free tags are used at once");
    while reader.seen.requests < 33 {
        reader.step();
    }
    assert!(reader.now >= reader.host.requests[0].sent + 2 * timeout);
    assert_eq!(reader.host.requests[32].tag, reader.host.requests[0].tag);
}

#[test]
fn answers_that_come_twice_are_nobodys() {
    let mut reader = Reader::new(4, 16, 2, TIMEOUT, HONEST);
    let answers = |reader: &Reader| -> Vec<host::Answer> {
        let requests = reader.host.requests.iter();
        requests
            .flat_map(|request| request.answers.iter().map(|(_, answer)| answer.clone()))
            .collect()
    };
    let run = Run {
        addr: 0x1234,
        bytes: 1500,
        id: 3,
    };
    reader.runs.push_back(run);
    let mut doubles = vec![];
    while !reader.is_done() {
        if doubles.is_empty() {
            doubles = answers(&reader);
        }
        reader.step();
    }
    assert!(doubles.len() >= 4);
    let lines = reader.seen.lines[0];
    for double in doubles {
        reader.host.send(double);
        for _ in 0..40 {
            reader.step();
        }
    }
    assert_eq!(reader.seen.lines[0], lines, "nothing more comes out");
    reader.runs.push_back(run);
    while !reader.is_done() {
        assert!(reader.now < 3000, "the next run ends");
        reader.step();
    }
    assert_eq!(reader.seen.lines[0], 2 * lines);
}

#[test]
fn a_new_request_has_all_its_time() {
    // The deadline looks at a tag every 32 cycles: every cycle for a tag's second request.
    let timeout = 200;
    for phase in 0..32 {
        let silent = Manners {
            latency: 1 << 50,
            ..HONEST
        };
        let mut reader = Reader::new(4, 16, 2, timeout, silent);
        for round in 0..2 {
            for run in 0..32 {
                let (addr, bytes) = (run * 64, 16);
                reader.runs.push_back(Run { addr, bytes, id: 1 });
            }
            while reader.now < round * timeout + (round + 1) * (2 * timeout + 80) + phase {
                reader.step();
            }
        }
        assert_eq!(
            reader.seen.lines[1], 64,
            "all come too late, none too early"
        );
    }
}

/// Answers that come at every cycle around the deadline, `offset` cycles more between them. They
/// end as `cause` (0: well) or as too late.
fn at_the_deadline(cause: u64, offset: u64) {
    let timeout = 300;
    let silent = Manners {
        latency: 1 << 50,
        delay: 0,
        ..HONEST
    };
    let mut reader = Reader::new(2, 16, 2, timeout, silent);
    let (mut in_time, mut late) = (vec![], vec![]);
    for after in timeout - 20..timeout + 60 {
        let index = reader.host.requests.len();
        reader.runs.push_back(Run {
            addr: 0x8000,
            bytes: 64,
            id: 2,
        });
        while reader.host.requests.len() == index {
            reader.step();
        }
        let request = &mut reader.host.requests[index];
        request.open = vec![cause, 1];
        let (sent, (_, mut answer)) = (request.sent, request.answers.remove(0));
        answer.poison = cause == 2;
        // Eight beats, the last of them this long after the request.
        while reader.now < sent + after - 7 {
            reader.step();
        }
        reader.host.send(answer);
        let before = reader.seen.lines;
        for _ in 0..80 + offset {
            reader.step();
        }
        reader.host.requests[index].complete = Some(reader.now);
        let lines = reader.seen.lines;
        match (lines[cause as usize] - before[cause as usize], lines[1]) {
            (4, _) => in_time.push(after),
            (0, total) if total == 4 * (late.len() as u64 + 1) => late.push(after),
            other => panic!("{other:?} lines"),
        }
    }
    assert!(
        in_time.iter().all(|after| *after < timeout + 36),
        "{in_time:?}"
    );
    assert!(late.iter().all(|after| *after >= timeout), "{late:?}");
    assert!(in_time.len() >= 20 && late.len() >= 20);
}

#[test]
fn an_answer_at_the_deadline_is_in_time_or_late() {
    for offset in 0..10 {
        at_the_deadline(0, offset);
        at_the_deadline(2, offset);
    }
}

#[test]
fn the_rest_of_a_packet_is_not_for_the_next_request() {
    let timeout = 400;
    let silent = Manners {
        latency: 1 << 50,
        delay: 0,
        cuts: 0,
        ..HONEST
    };
    let mut reader = Reader::new(2, 16, 2, timeout, silent);
    for run in 0..32 {
        let bytes = if run == 0 { 512 } else { 16 };
        reader.runs.push_back(Run {
            addr: 0x4000,
            bytes,
            id: 7,
        });
    }
    while reader.seen.requests < 32 {
        reader.step();
    }
    let mut old = reader.host.requests[0].answers.remove(0).1;
    for word in &mut old.words {
        *word = !*word;
    }
    reader.host.send(old);
    for _ in 0..10 {
        reader.step();
    }
    // Its tag is given up and used again while the packet stands still.
    reader.weather.cpl = 0;
    while reader.now < 2 * timeout + 200 {
        reader.step();
    }
    reader.runs.push_back(Run {
        addr: 0x4000,
        bytes: 512,
        id: 8,
    });
    while reader.seen.requests < 33 {
        reader.step();
    }
    assert_eq!(reader.host.requests[32].tag, 0);
    // Half of the new answer would be there already if the old packet were believed.
    reader.weather.cpl = 100;
    while reader.host.inbound.is_some() {
        reader.step();
    }
    for _ in 0..50 {
        reader.step();
    }
    assert_eq!(
        (reader.seen.lines[0], reader.open()),
        (0, 1),
        "nothing has come out"
    );
    reader.host.requests[32].answers[0].0 = 0;
    reader.host.timeout = 10 * timeout;
    while !reader.is_done() {
        assert!(reader.now < 5 * timeout, "the run ends");
        reader.step();
    }
    assert_eq!(reader.seen.lines[0], 32);
}

#[test]
fn a_packet_that_ends_too_late_is_late() {
    let timeout = 2500;
    let manners = Manners {
        cuts: 0,
        delay: 1,
        ..HONEST
    };
    let mut reader = Reader::new(4, 16, 2, timeout, manners);
    // The host would not dare to.
    reader.host.timeout = 5000;
    reader.runs.push_back(Run {
        addr: 0x1000,
        bytes: 512,
        id: 0,
    });
    while reader.seen.requests == 0 {
        reader.step();
    }
    reader.weather.full = false;
    while reader
        .host
        .inbound
        .as_ref()
        .is_none_or(|packet| packet.at < 64)
    {
        reader.step();
    }
    // Half of the packet is there; the other half comes after the deadline.
    reader.host.timeout = timeout;
    reader.weather.cpl = 0;
    while reader.now < reader.host.requests[0].sent + timeout + 100 {
        reader.step();
    }
    assert_eq!(reader.seen.lines[1], 32, "every line fails");
    // The tag is owed, so that these go to other slots, and so does the one that waits.
    for page in 2..33 {
        reader.runs.push_back(Run {
            addr: page * 4096,
            bytes: 512,
            id: 0,
        });
    }
    reader.host.manners.latency = 300;
    for _ in 0..200 {
        reader.step();
    }
    assert_eq!(reader.seen.requests, 32);
    reader.runs.push_back(Run {
        addr: 0x9_9000,
        bytes: 512,
        id: 0,
    });
    reader.weather = SUN;
    while !reader.is_done() {
        assert!(reader.now < 1_000 + timeout * 5, "a run never ends");
        reader.step();
    }
    assert_eq!(reader.seen.lines[0], 32 * 32);
    // Its completion has set it free.
    for page in 0..32 {
        reader.runs.push_back(Run {
            addr: page * 4096,
            bytes: 512,
            id: 0,
        });
    }
    while reader.seen.requests < 65 {
        reader.step();
    }
    let again = reader.host.requests[32..].iter().find(|of| of.tag == 0);
    let again = again.expect("it is used again").sent;
    assert!(again < reader.host.requests[0].sent + 2 * timeout);
}
