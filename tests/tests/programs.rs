//! Random programs that no error stops: the RTL leaves the same completions, registers and memory
//! as the functional model, whatever the mood of the memory.
//!
//! `SYSTOLE_FULL=1` adds shapes and cases, `SYSTOLE_SEED=n` draws other ones; a failure prints the
//! smallest case that proptest finds.

use std::env;

use isa::config::Config;
use isa::regs;
use proptest::prelude::*;
use proptest::test_runner::{Config as Settings, RngSeed, TestCaseError, TestError, TestRunner};
use sim::memory::{MemoryOptions, Random};
use systole_tests::bench::{self, BASE, BYTES, DATA, Device, Host, Model, PROGRAMS, Rtl};
use systole_tests::program::{self, Op, Space};
use systole_tests::rng::Rng;

/// One simulation: batches of programs that are submitted at once.
#[derive(Clone, Debug)]
struct Case {
    mood: u8,
    seed: u64,
    /// Size of the rings as a power of two.
    log2: u32,
    /// A batch of programs, and how many completions the host leaves in their ring.
    batches: Vec<(Vec<Vec<Op>>, usize)>,
}

fn cases() -> impl Strategy<Value = Case> {
    let op = (any::<u8>(), any::<[u16; 8]>(), any::<u16>()).prop_map(|(kind, numbers, order)| Op {
        kind,
        numbers,
        order,
    });
    let program = prop_oneof![
        3 => prop::collection::vec(op.clone(), 1..10),
        1 => prop::collection::vec(op, 10..40),
    ];
    let batch = (prop::collection::vec(program, 1..5), 0..4usize);
    (
        0..8u8,
        any::<u64>(),
        1..4u32,
        prop::collection::vec(batch, 1..5),
    )
        .prop_map(|(mood, seed, log2, batches)| Case {
            mood,
            seed,
            log2,
            batches,
        })
}

/// The memory of a mood.
fn memory(mood: u8, seed: u64) -> MemoryOptions {
    let random = |stall, jitter, reorder| {
        let random = Some(Random {
            seed,
            stall,
            jitter,
            reorder,
        });
        MemoryOptions {
            random,
            ..MemoryOptions::default()
        }
    };
    match mood {
        0 => MemoryOptions::default(),
        1 => random(0.0, 200, false),
        2 => random(0.33, 0, false),
        3 => random(0.0, 50, true),
        4 => MemoryOptions {
            latency: 1,
            bandwidth: 64.0,
            ..MemoryOptions::default()
        },
        5 => MemoryOptions {
            bandwidth: 4.0,
            outstanding: 1,
            ..random(0.7, 20, true)
        },
        _ => random(0.33, 50, true),
    }
}

fn space() -> Space {
    Space {
        input: DATA..DATA + 0x7_0000,
        output: DATA + 0x7_0000..BASE + BYTES as u64,
    }
}

/// Data of one of three kinds: anything, extremes, small numbers.
fn data(seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let kind = rng.below(3);
    (0..BYTES - (DATA - BASE) as usize)
        .map(|_| match kind {
            0 => rng.bits() as u8,
            1 => rng.pick(&[0x80, 0x80, 0x7f, 0xff, 0]),
            _ => (rng.below(7) as u8).wrapping_sub(3),
        })
        .collect()
}

fn run(config: &Config, case: &Case) -> Result<(), TestCaseError> {
    let mut rtl = Rtl::new(config, memory(case.mood, case.seed));
    let mut model = Model::new(config);
    let data = data(case.seed);
    let mut hosts = Vec::new();
    for device in [&mut rtl as &mut dyn Device, &mut model] {
        device.memory().at(DATA).copy_from_slice(&data);
        let mut host = Host::start(device, case.log2);
        let fill = bench::words(&program::fill(config, DATA));
        let entry = bench::put_words(device.memory(), PROGRAMS.start, &fill, 0);
        let done = host.run(device, &entry, 0);
        prop_assert_eq!(done.map(|done| done.status), Some(0), "the first program");
        hosts.push(host);
    }
    let mut rng = Rng::new(case.seed);
    for (number, (batch, left)) in case.batches.iter().enumerate() {
        let batch = &batch[..batch.len().min(hosts[0].room())];
        let programs: Vec<_> = batch
            .iter()
            .map(|ops| program::build(config, &space(), ops))
            .collect();
        // Anywhere among the programs, so that reading them crosses pages.
        let starts: Vec<u64> = (0..)
            .map(|slot| PROGRAMS.start + 0x3000 * slot + 64 * rng.below(80))
            .take(4)
            .collect();
        let mut outcomes = Vec::new();
        let devices = [&mut rtl as &mut dyn Device, &mut model];
        for (device, host) in devices.into_iter().zip(&mut hosts) {
            let together = case.seed >> number & 1 == 0;
            for (index, program) in programs.iter().enumerate() {
                let tag = case.seed.rotate_left(index as u32 * 8);
                let words = bench::words(program);
                let entry = bench::put_words(device.memory(), starts[index], &words, tag);
                host.submit(device, &entry, tag);
                if !together {
                    host.ring(device);
                }
            }
            host.ring(device);
            let mut completions = Vec::new();
            for (index, program) in programs.iter().enumerate() {
                let Some(done) = host.take(device) else {
                    let error = device.read(regs::ERROR);
                    return Err(TestCaseError::fail(format!(
                        "batch {number}, program {index} does not complete, ERROR {error:#x}: {:#?}",
                        program
                    )));
                };
                completions.push((done.tag, done.status, done.head, done.command, done.phase));
                // A host that is slow to give back lets the ring fill up.
                if index >= *left {
                    host.give_back(device);
                }
            }
            host.give_back(device);
            let registers = [
                regs::STATUS,
                regs::QUEUE_STATUS,
                regs::ERROR,
                regs::QUEUE_ERROR,
                regs::SQ_HEAD,
                regs::CQ_TAIL,
            ]
            .map(|register| device.read(register));
            outcomes.push((completions, registers));
        }
        let good = outcomes[1].0.iter().all(|done| done.1 == 0);
        prop_assert!(good, "batch {} is no good program: {:#?}", number, programs);
        prop_assert_eq!(
            &outcomes[0],
            &outcomes[1],
            "RTL, model; batch {}: {:#?}",
            number,
            programs
        );
        let (ours, theirs) = (rtl.memory().bytes(), model.memory().bytes());
        if let Some(at) =
            (ours != theirs).then(|| ours.iter().zip(&*theirs).position(|(a, b)| a != b))
        {
            let at = at.unwrap_or(0);
            return Err(TestCaseError::fail(format!(
                "batch {number}: byte {:#x} is {:#x}, the model's {:#x}: {programs:#?}",
                BASE + at as u64,
                ours[at],
                theirs[at],
            )));
        }
    }
    Ok(())
}

/// Runs random cases on a card of this shape.
fn check(config: Config, cases_now: u32, cases_full: u32) {
    let seed = env::var("SYSTOLE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(1);
    let settings = Settings {
        cases: if systole_tests::full() {
            cases_full
        } else {
            cases_now
        },
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Settings::default()
    };
    let result = TestRunner::new(settings).run(&cases(), |case| run(&config, &case));
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, case)) => {
            panic!("SYSTOLE_SEED={seed}, {config:?}: {reason}\nsmallest case: {case:?}")
        }
        Err(TestError::Abort(reason)) => panic!("SYSTOLE_SEED={seed}: {reason}"),
    }
}

#[test]
fn card_4x4() {
    check(Config::with_array(4, 4), 80, 2000);
}

#[test]
fn card_8x8() {
    check(Config::with_array(8, 8), 40, 1000);
}

#[test]
fn card_8x16() {
    check(Config::with_array(8, 16), 30, 800);
}

#[test]
fn card_8x8_with_a_port_of_32_bytes() {
    check(
        Config {
            port_bytes: 32,
            ..Config::with_array(8, 8)
        },
        40,
        1000,
    );
}

#[test]
fn card_16x16() {
    check(Config::default(), 20, 500);
}

#[test]
fn other_cards() {
    if !systole_tests::full() {
        return;
    }
    check(Config::with_array(16, 4), 0, 300);
    check(Config::with_array(4, 32), 0, 300);
    check(
        Config {
            port_bytes: 32,
            ..Config::with_array(16, 16)
        },
        0,
        300,
    );
    check(Config::with_array(32, 32), 0, 100);
    let small = Config {
        act_rows: 64,
        wgt_rows: 32,
        acc_rows: 16,
        column_rows: 16,
        row_scales: 64,
        ..Config::with_array(4, 8)
    };
    check(small, 0, 1000);
}
