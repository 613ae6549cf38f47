//! Random programs over the card's PCIe link, against the functional model: whatever the root
//! complex does that it may do, completions and memory are the same.

use isa::command::CARD_MEMORY;
use isa::config::Config;
use isa::queue::Completion;
use isa::regs;
use pcie::root::{self, Random};
use sim::LinkOptions;
use sim::function::Function;
use sim::memory::{self, MemoryOptions};
use systole_tests::bench::{BASE, BYTES, DATA, Device, Host, Model, PROGRAMS, put_words, words};
use systole_tests::link::Linked;
use systole_tests::program::{self, Op, Space};
use systole_tests::rng::Rng;

/// Where the programs read, and where they write.
const INPUT: u64 = DATA;
const OUTPUT: u64 = DATA + 0x7_0000;

/// A root complex of this mood.
fn root(words: usize, mood: u64, seed: u64) -> root::Options {
    let options = root::Options {
        words,
        ..root::Options::default()
    };
    let random = Random::rough(seed);
    match mood % 6 {
        // As fast as may be.
        0 => root::Options {
            latency: 1,
            ..options
        },
        1 => options,
        2 => root::Options {
            boundary: 128,
            random: Some(random),
            ..options
        },
        // Small pieces in any order, late, without other disturbances.
        3 => root::Options {
            completion_bytes: 128,
            random: Some(Random {
                stall: 0.0,
                gap: 0.0,
                jitter: 600,
                ..random
            }),
            ..options
        },
        // A link that hardly moves.
        4 => root::Options {
            latency: 20,
            random: Some(Random {
                stall: 0.8,
                gap: 0.8,
                ..random
            }),
            ..options
        },
        _ => root::Options {
            latency: 60,
            random: Some(random),
            ..options
        },
    }
}

fn options(words: usize, mood: u64, seed: u64) -> LinkOptions {
    LinkOptions {
        root: root(words, mood, seed),
        memory: MemoryOptions {
            random: (mood % 2 == 1).then(|| memory::Random::rough(seed)),
            ..MemoryOptions::default()
        },
        audit: true,
        ..LinkOptions::default()
    }
}

/// Where a program finds its input and leaves its output: in the host's memory or in the card's.
#[derive(Clone, Copy, Debug)]
struct Places {
    input_in_card: bool,
    output_in_card: bool,
}

impl Places {
    fn space(self) -> Space {
        let at = |in_card: bool, address: u64| match in_card {
            true => CARD_MEMORY + (address - BASE),
            false => address,
        };
        let input = at(self.input_in_card, INPUT);
        let output = at(self.output_in_card, OUTPUT);
        Space {
            input: input..input + (OUTPUT - INPUT),
            output: output..output + (BASE + BYTES as u64 - OUTPUT),
        }
    }
}

/// What of a completion does not depend on time.
fn essence(done: Option<Completion>) -> Option<(u64, u16, u16)> {
    done.map(|done| (done.tag, done.status, done.command))
}

/// Runs programs on links of these moods; `cases` on each, in the long tier twenty times as many.
fn check(config: Config, words_of_beat: usize, moods: std::ops::Range<u64>, cases: u64) {
    let cases = if systole_tests::full() {
        20 * cases
    } else {
        cases
    };
    for mood in moods {
        let seed = mood * 1000 + u64::from(config.rows);
        let mut rng = Rng::new(seed);
        let options = options(words_of_beat, mood, seed);
        let mut linked = Linked::new(&config, &options);
        linked.set_sizes(rng.below(3) as u16, rng.below(3) as u16);
        let mut model = Model::new(&config);
        let data: Vec<u8> = (0..BASE as usize + BYTES - DATA as usize)
            .map(|_| rng.bits() as u8)
            .collect();
        let offset = (DATA - BASE) as usize;
        for device in [&mut linked as &mut dyn Device, &mut model] {
            device.memory().at(DATA).copy_from_slice(&data);
        }
        let own = linked.card.card_memory().cloned();
        if let Some(own) = &own {
            assert!(own.write(offset as u64, &data));
        }
        let mut hosts = [Host::start(&mut linked, 3), Host::start(&mut model, 3)];
        let plain = Places {
            input_in_card: false,
            output_in_card: false,
        };
        let devices = [&mut linked as &mut dyn Device, &mut model];
        for (device, host) in devices.into_iter().zip(&mut hosts) {
            let fill = words(&program::fill(&config, DATA));
            let entry = put_words(device.memory(), PROGRAMS.start, &fill, 0);
            let done = host.run(device, &entry, 0).expect("the filling ends");
            assert_eq!(done.status, 0);
        }
        for case in 0..cases {
            let places = match own {
                Some(_) => Places {
                    input_in_card: rng.below(2) == 0,
                    output_in_card: rng.below(2) == 0,
                },
                None => plain,
            };
            let ops: Vec<Op> = (0..=rng.below(24)).map(|_| Op::random(&mut rng)).collect();
            let ours = program::build(&config, &places.space(), &ops);
            let theirs = program::build(&config, &plain.space(), &ops);
            assert_eq!(ours.len(), theirs.len());
            // Both kinds of memory hold the same, so that it does not matter from where a program
            // reads what another wrote.
            let start = PROGRAMS.start + 64 * rng.below(200);
            let devices = [&mut linked as &mut dyn Device, &mut model];
            let mut ends = Vec::new();
            for ((device, host), program) in
                devices.into_iter().zip(&mut hosts).zip([&ours, &theirs])
            {
                let entry = put_words(device.memory(), start, &words(program), case);
                ends.push(essence(host.run(device, &entry, case)));
            }
            assert_eq!(ends[0], ends[1], "mood {mood}, case {case}: {ours:#?}");
            let (at, len) = ((OUTPUT - BASE) as usize, BYTES - (OUTPUT - BASE) as usize);
            if places.output_in_card
                && let Some(own) = &own
            {
                let mut written = vec![0; len];
                assert!(own.read(at as u64, &mut written));
                linked.memory().bytes()[at..].copy_from_slice(&written);
            } else if let Some(own) = &own {
                assert!(own.write(at as u64, &linked.memory().bytes()[at..]));
            }
            // All but the programs, whose addresses differ.
            for from in [BASE, PROGRAMS.end] {
                let to = if from == BASE {
                    PROGRAMS.start
                } else {
                    BASE + BYTES as u64
                };
                let len = (to - from) as usize;
                let ours = &linked.memory().at(from)[..len];
                let theirs = &model.memory().at(from)[..len];
                if ours != theirs {
                    let at = ours
                        .iter()
                        .zip(theirs)
                        .position(|(a, b)| a != b)
                        .unwrap_or(0);
                    let at = from + at as u64;
                    panic!("mood {mood}, case {case}: byte {at:#x} differs, {places:?}");
                }
            }
        }
        let status = linked.read(regs::STATUS);
        assert_eq!(status, 0);
    }
}

#[test]
fn card_4x4_with_beats_of_64_bits() {
    check(Config::with_array(4, 4), 2, 0..6, 8);
}

#[test]
fn card_8x8_with_beats_of_128_bits_and_lines_of_32_bytes() {
    let config = Config {
        port_bytes: 32,
        ..Config::with_array(8, 8)
    };
    check(config, 4, 0..6, 6);
}

#[test]
fn card_4x4_with_beats_of_128_bits_and_no_memory() {
    let config = Config {
        card_memory_mib: 0,
        ..Config::with_array(4, 4)
    };
    check(config, 4, 4..6, 5);
}

#[test]
fn default_card() {
    check(Config::default(), 2, 1..3, 4);
}
