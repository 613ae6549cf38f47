//! Function-level resets in every phase of a program: the link sees no broken rule, what is under
//! way comes to nothing, and the next program does what the functional model says.

use isa::command::CARD_MEMORY;
use isa::config::Config;
use isa::regs;
use pcie::config_space::registers as config;
use pcie::root::{self, Random};
use sim::LinkOptions;
use sim::function::{Function, FunctionError};
use sim::memory::{self, MemoryOptions};
use systole_tests::bench::{DATA, Device, Host, PROGRAMS, put_words, words};
use systole_tests::link::Linked;
use systole_tests::program::{Op, Space, build, identity, widen, widened};
use systole_tests::rng::Rng;

const ROWS: u32 = 256;
const WEIGHTS: u64 = DATA;
const INPUT: u64 = DATA + 0x1000;
const OUTPUT: u64 = DATA + 0x4000;

/// How a reset is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reset {
    /// By whoever serves the card.
    Call,
    /// By software, in the configuration space.
    Register,
}

/// The card after a reset: registers as at power-up, nothing under way.
fn restart(linked: &mut Linked, reset: Reset) -> Host {
    match reset {
        Reset::Call => linked.function_reset(),
        Reset::Register => {
            let value = config::DEVICE_CONTROL_RESET.to_le_bytes();
            linked.run(|card| {
                card.config_write(config::DEVICE_CONTROL, &value);
                Ok(())
            });
        }
    }
    let mut command = [0; 2];
    linked.card.config_read(config::COMMAND, &mut command);
    assert_eq!(command, [0; 2], "the configuration space is reset, too");
    linked.enable();
    for _ in 0..100_000 {
        if linked.read(regs::STATUS) == 0 {
            break;
        }
    }
    assert_eq!(linked.read(regs::STATUS), 0, "the card is at rest");
    for register in [
        regs::SQ_TAIL,
        regs::SQ_HEAD,
        regs::CQ_TAIL,
        regs::QUEUE_CONTROL,
    ] {
        assert_eq!(linked.read(regs::of_queue(0, register)), 0);
    }
    assert_eq!(linked.card.take_interrupts(), 0, "no interrupt waits");
    Host::start(linked, 2)
}

/// `resets` resets, evenly over the cycles of each of some random programs, with a good program
/// after each.
fn check(shape: Config, words_of_beat: usize, random: Option<Random>, rounds: u64, resets: u64) {
    let options = LinkOptions {
        root: root::Options {
            words: words_of_beat,
            random,
            ..root::Options::default()
        },
        memory: MemoryOptions {
            random: random.map(|random| memory::Random::rough(random.seed)),
            ..MemoryOptions::default()
        },
        audit: true,
        ..LinkOptions::default()
    };
    let mut linked = Linked::new(&shape, &options);
    let mut rng = Rng::new(17);
    let matrix = identity(&shape);
    let data: Vec<u8> = (0..ROWS * shape.rows).map(|_| rng.bits() as u8).collect();
    for round in 0..rounds {
        // One memory is the host's, one the card's; either may hold input or output.
        let place = |rng: &mut Rng, offset: u64| match rng.below(2) {
            0 => DATA + offset,
            _ => CARD_MEMORY + offset,
        };
        let (input, output) = (place(&mut rng, 0x2_0000), place(&mut rng, 0x4_0000));
        let space = Space {
            input: input..input + 0x2_0000,
            output: output..output + 0x2_0000,
        };
        let ops: Vec<Op> = (0..14).map(|_| Op::random(&mut rng)).collect();
        let broken = words(&build(&shape, &space, &ops));
        let start = |linked: &mut Linked, host: &mut Host| {
            let entry = put_words(linked.memory(), PROGRAMS.start, &broken, 7);
            host.submit(linked, &entry, 7);
            host.ring(linked);
        };
        let mut host = restart(&mut linked, Reset::Call);
        let before = linked.card.cycles().unwrap_or(0);
        start(&mut linked, &mut host);
        host.take(&mut linked).expect("the program ends");
        let duration = linked.card.cycles().unwrap_or(0) - before;
        let step = duration / resets + 1;
        for at in (rng.below(step)..duration).step_by(step as usize) {
            let reset = rng.pick(&[Reset::Call, Reset::Register]);
            let mut host = restart(&mut linked, reset);
            start(&mut linked, &mut host);
            linked.idle(at);
            let mut host = restart(&mut linked, reset);
            linked.memory().at(WEIGHTS)[..matrix.len()].copy_from_slice(&matrix);
            linked.memory().at(INPUT)[..data.len()].copy_from_slice(&data);
            let good = words(&widen(&shape, INPUT, WEIGHTS, OUTPUT, ROWS));
            let entry = put_words(linked.memory(), PROGRAMS.start, &good, 9);
            let done = host
                .run(&mut linked, &entry, 9)
                .expect("the next program ends");
            assert_eq!(done.status, 0, "round {round}");
            let expected = widened(&data);
            assert!(
                linked.memory().at(OUTPUT)[..expected.len()] == expected,
                "round {round}"
            );
        }
    }
}

#[test]
fn a_calm_link() {
    check(Config::with_array(4, 4), 2, None, 3, 60);
}

#[test]
fn a_rough_link() {
    check(Config::with_array(4, 4), 2, Some(Random::rough(5)), 3, 60);
    let config = Config {
        port_bytes: 32,
        ..Config::with_array(8, 8)
    };
    check(config, 4, Some(Random::rough(6)), 2, 30);
}

/// Resets while the host reads and writes both windows.
#[test]
fn accesses_that_meet_a_reset_end() {
    let options = LinkOptions {
        root: root::Options {
            random: Some(Random::rough(9)),
            access_timeout: 20_000,
            ..root::Options::default()
        },
        audit: true,
        ..LinkOptions::default()
    };
    let mut linked = Linked::new(&Config::with_array(4, 4), &options);
    let mut rng = Rng::new(4);
    let mut lost = 0;
    for _ in 0..40 {
        let wait = rng.below(400);
        let outcome = linked.run(|card| {
            let write = card.root().write(2, 0x100, &[7; 1500]);
            let read = card.root().read(2, 0x80, 700);
            let register = card.root().read(0, regs::ID.into(), 4);
            card.step(wait)?;
            card.reset()?;
            card.step(25_000)?;
            let mut data = [0; 700];
            let ends = [write, read, register].map(|access| card.root().finish(access, &mut data));
            Ok(ends)
        });
        assert!(
            outcome.iter().all(Option::is_some),
            "every access ends: {outcome:?}"
        );
        lost += outcome
            .iter()
            .filter(|end| matches!(end, Some(Err(_))))
            .count();
        linked.enable();
        assert_eq!(linked.read(regs::ID), regs::ID_VALUE);
    }
    assert!(lost > 10, "{lost}");
}

/// A card whose simulation cannot go on is of no use, and as new after a reset.
#[test]
fn a_broken_card_is_new_after_a_reset() {
    let shape = Config::with_array(4, 4);
    let mut linked = Linked::new(&shape, &LinkOptions::default());
    let mut rng = Rng::new(3);
    let matrix = identity(&shape);
    let data: Vec<u8> = (0..ROWS * shape.rows).map(|_| rng.bits() as u8).collect();
    let mut host = restart(&mut linked, Reset::Call);
    for (round, by) in [Reset::Call, Reset::Register, Reset::Call]
        .into_iter()
        .enumerate()
    {
        let own = linked.card.card_memory().expect("it has some").clone();
        assert!(own.write(0, &matrix) && own.write(0x1_0000, &data));
        linked.memory().at(WEIGHTS)[..matrix.len()].copy_from_slice(&matrix);
        linked.memory().at(INPUT)[..data.len()].copy_from_slice(&data);
        let program = words(&widen(
            &shape,
            CARD_MEMORY + 0x1_0000,
            WEIGHTS,
            OUTPUT,
            ROWS,
        ));
        let entry = put_words(linked.memory(), PROGRAMS.start, &program, 9);
        host.submit(&mut linked, &entry, 9);
        host.ring(&mut linked);
        // The root complex takes the card for another function.
        let id = pcie::tlp::Id(0x700 + round as u16);
        let root = linked.card.root();
        let settings = root::Settings {
            id,
            ..*root.settings()
        };
        root.set_settings(settings).expect("good settings");
        let error = linked.card.step(100_000).expect_err("a broken rule");
        assert!(error.to_string().contains("requester"), "{error}");
        let mut bytes = [0; 4];
        for _ in 0..2 {
            let read = linked.card.bar_read(0, 0, &mut bytes);
            assert!(matches!(read, Err(FunctionError::Broken(_))), "{read:?}");
            let ran = linked.card.run(1);
            assert!(matches!(ran, Err(FunctionError::Broken(_))), "{ran:?}");
        }
        host = restart(&mut linked, by);
        let mut seen = vec![0; data.len()];
        assert!(own.read(0x1_0000, &mut seen) && seen == data, "its memory");
        let entry = put_words(linked.memory(), PROGRAMS.start, &program, 10);
        let done = host.run(&mut linked, &entry, 10);
        assert_eq!(done.expect("the program ends").status, 0, "round {round}");
        let expected = widened(&data);
        assert!(linked.memory().at(OUTPUT)[..expected.len()] == expected);
    }
}
