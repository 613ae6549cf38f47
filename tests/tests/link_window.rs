//! The window of the card's memory and the registers, accessed through packets.

use isa::command::CARD_MEMORY;
use isa::config::Config;
use isa::pci::{MEMORY_BAR, REGISTER_BAR, REGISTER_BAR_BYTES};
use isa::regs;
use pcie::config_space::registers as config;
use pcie::root::{self, Random};

use sim::function::{Function, FunctionError};
use sim::memory::{self, MemoryOptions};
use sim::{LinkOptions, RtlCard};
use systole_tests::bench::{DATA, Device, Host, PROGRAMS, put_words, words};
use systole_tests::link::{Linked, library};
use systole_tests::program::{identity, widen, widened};
use systole_tests::rng::Rng;

fn rough(seed: u64) -> LinkOptions {
    LinkOptions {
        root: root::Options {
            random: Some(Random::rough(seed)),
            ..root::Options::default()
        },
        memory: MemoryOptions {
            latency: 30,
            random: Some(memory::Random::rough(seed)),
            ..MemoryOptions::default()
        },
        audit: true,
        ..LinkOptions::default()
    }
}

fn small() -> Config {
    Config {
        card_memory_mib: 1,
        ..Config::with_array(4, 4)
    }
}

#[test]
fn every_byte_of_card_memory_is_read_and_written_at_any_length() {
    for options in [LinkOptions::default(), rough(1)] {
        let mut linked = Linked::new(&small(), &options);
        let own = linked.card.card_memory().cloned().expect("it has memory");
        let size = own.len();
        let mut rng = Rng::new(7);
        let mut expected = vec![0u8; size as usize];
        for round in 0..250u64 {
            let len = match round {
                0..160 => 1 + round % 40,
                _ => 1 + rng.below(3000),
            };
            let offset = match round % 5 {
                0 => size - len,
                1 => 4096 - len / 2,
                _ => rng.below(size - len),
            };
            let range = offset as usize..(offset + len) as usize;
            let data: Vec<u8> = range.clone().map(|_| rng.bits() as u8).collect();
            linked.run(|card| card.bar_write(MEMORY_BAR, offset, &data));
            expected[range.clone()].copy_from_slice(&data);
            // A read comes after the writes before it.
            let around = range.start.saturating_sub(9)..(range.end + 9).min(size as usize);
            let mut read = vec![0; around.len()];
            linked.run(|card| card.bar_read(MEMORY_BAR, around.start as u64, &mut read));
            assert_eq!(read, expected[around], "{len} bytes at {offset:#x}");
        }
        let mut all = vec![0; size as usize];
        assert!(own.read(0, &mut all));
        assert!(all == expected, "nothing else was touched");
    }
}

#[test]
fn registers_are_read_and_written_byte_by_byte() {
    for options in [LinkOptions::default(), rough(2)] {
        let mut linked = Linked::new(&small(), &options);
        let value = |linked: &mut Linked| linked.read(regs::WATCHDOG);
        assert_eq!(linked.read(regs::ID), regs::ID_VALUE);
        assert_eq!(linked.read(regs::VERSION), regs::VERSION_VALUE);
        linked.write(regs::WATCHDOG, 0x1122_3344);
        for byte in 0..4u64 {
            let offset = u64::from(regs::WATCHDOG) + byte;
            linked.run(|card| card.bar_write(REGISTER_BAR, offset, &[0xa0 + byte as u8]));
        }
        assert_eq!(value(&mut linked), 0xa3a2_a1a0);
        let mut middle = [0; 2];
        let offset = u64::from(regs::WATCHDOG) + 1;
        linked.run(|card| card.bar_read(REGISTER_BAR, offset, &mut middle));
        assert_eq!(middle, [0xa1, 0xa2]);
        // The whole window answers, also where nothing is.
        let mut all = vec![0xff; REGISTER_BAR_BYTES as usize];
        linked.run(|card| card.bar_read(REGISTER_BAR, 0, &mut all));
        assert_eq!(all[..4], regs::ID_VALUE.to_le_bytes());
        assert!(all[0x2000..0x8000].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn accesses_beyond_a_window_are_refused_and_a_sleeping_card_reads_as_ones() {
    let mut linked = Linked::new(&small(), &LinkOptions::default());
    let mut data = [0; 8];
    for (bar, offset) in [
        (REGISTER_BAR, REGISTER_BAR_BYTES - 4),
        (MEMORY_BAR, 1 << 20),
        (1, 0),
    ] {
        let error = linked.card.bar_read(bar, offset, &mut data);
        assert!(
            matches!(error, Err(FunctionError::Outside { .. })),
            "{error:?}"
        );
        let error = linked.card.bar_write(bar, offset, &data);
        assert!(
            matches!(error, Err(FunctionError::Outside { .. })),
            "{error:?}"
        );
    }
    linked.command(config::COMMAND_BUS_MASTER);
    assert_eq!(linked.read(regs::ID), u32::MAX);
    linked.write(regs::WATCHDOG, 5);
    linked.command(config::COMMAND_MEMORY);
    assert_eq!(linked.read(regs::WATCHDOG), regs::WATCHDOG_RESET);
}

/// A doorbell never overtakes what was written to card memory before it: the program works on the
/// new data.
#[test]
fn a_program_sees_what_was_written_before_its_doorbell() {
    let shape = small();
    let (rows, weights, output) = (256, DATA, DATA + 0x1000);
    for seed in 0..12 {
        let mut linked = Linked::new(&shape, &rough(seed));
        let mut host = Host::start(&mut linked, 2);
        let mut rng = Rng::new(seed);
        let matrix = identity(&shape);
        linked.memory().at(weights)[..matrix.len()].copy_from_slice(&matrix);
        let program = widen(&shape, CARD_MEMORY, weights, output, rows);
        let entry = put_words(linked.memory(), PROGRAMS.start, &words(&program), 1);
        host.submit(&mut linked, &entry, 1);
        let data: Vec<u8> = (0..rows * shape.rows).map(|_| rng.bits() as u8).collect();
        let doorbell = u64::from(regs::of_queue(0, regs::SQ_TAIL));
        linked.run(|card| {
            let write = card.root().write(MEMORY_BAR, 0, &data);
            let ring = card
                .root()
                .write(REGISTER_BAR, doorbell, &1u32.to_le_bytes());
            card.step(30_000)?;
            assert_eq!(card.root().finish(write, &mut []), Some(Ok(())));
            assert_eq!(card.root().finish(ring, &mut []), Some(Ok(())));
            Ok(())
        });
        let done = host.take(&mut linked).expect("it ends");
        assert_eq!(done.status, 0);
        let expected = widened(&data);
        assert!(
            linked.memory().at(output)[..expected.len()] == expected,
            "seed {seed}"
        );
    }
}

/// A write that takes longer than the card waits for an answer, and than the host waits for a
/// card that takes nothing.
#[test]
fn a_program_reads_host_memory_during_a_long_write() {
    let shape = Config {
        card_memory_mib: 2,
        ..Config::with_array(4, 4)
    };
    let (rows, weights, input, output) = (256, DATA, DATA + 0x1000, DATA + 0x4000);
    let mut linked = Linked::new(&shape, &LinkOptions::default());
    let own = linked.card.card_memory().cloned().expect("it has memory");
    let mut host = Host::start(&mut linked, 2);
    let mut rng = Rng::new(3);
    let matrix = identity(&shape);
    linked.memory().at(weights)[..matrix.len()].copy_from_slice(&matrix);
    let data: Vec<u8> = (0..rows * shape.rows).map(|_| rng.bits() as u8).collect();
    linked.memory().at(input)[..data.len()].copy_from_slice(&data);
    let program = widen(&shape, input, weights, output, rows);
    let entry = put_words(linked.memory(), PROGRAMS.start, &words(&program), 1);
    host.submit(&mut linked, &entry, 1);
    host.ring(&mut linked);
    let long: Vec<u8> = (0..own.len()).map(|_| rng.bits() as u8).collect();
    let before = linked.card.cycles();
    linked.run(|card| card.bar_write(MEMORY_BAR, 0, &long));
    let after = linked.card.cycles();
    let cycles = after.zip(before).map(|(after, before)| after - before);
    assert!(
        cycles > Some(u64::from(regs::LINK_TIMEOUT_RESET)),
        "{cycles:?}"
    );
    let mut all = vec![0; long.len()];
    linked.run(|card| card.bar_read(MEMORY_BAR, 0, &mut all));
    assert!(all == long, "all of it was written");
    let done = host.take(&mut linked).expect("it ends");
    assert_eq!(done.status, 0);
    let expected = widened(&data);
    assert!(linked.memory().at(output)[..expected.len()] == expected);
}

#[test]
fn a_write_that_is_not_taken_in_time_is_an_error() {
    // A packet has more than one beat.
    let options = LinkOptions {
        root: root::Options {
            access_timeout: 1,
            ..root::Options::default()
        },
        ..LinkOptions::default()
    };
    let mut card =
        RtlCard::with_library(&library(&small(), 2), &small(), &options).expect("good options");
    // While the function sleeps nothing is sent.
    assert!(card.bar_write(REGISTER_BAR, 0, &[0; 4]).is_ok());
    card.config_write(config::COMMAND, &config::COMMAND_MEMORY.to_le_bytes());
    let error = card.bar_write(REGISTER_BAR, regs::WATCHDOG.into(), &[0; 4]);
    assert!(
        matches!(error, Err(FunctionError::Timeout { len: 4, .. })),
        "{error:?}"
    );
}

#[test]
fn time_stands_still_when_there_is_nothing_to_do() {
    let mut linked = Linked::new(&small(), &LinkOptions::default());
    let before = linked.card.cycles();
    assert!(!linked.run(|card| card.run(100_000)));
    let after = linked.card.cycles();
    assert!(
        after
            .zip(before)
            .is_some_and(|(after, before)| after - before < 300)
    );
}
