//! Resets in every cycle of a program: the bus sees no broken rule, and the next program does what
//! the functional model says.

use isa::command::Command;
use isa::config::Config;
use isa::regs;
use sim::memory::{MemoryOptions, Random};
use systole_tests::bench::{DATA, Device, Host, Model, PROGRAMS, Rtl, put_words, words};
use systole_tests::program::{Op, Space, build};
use systole_tests::rng::Rng;

/// How a program is interrupted.
#[derive(Clone, Copy, Debug)]
enum Reset {
    Register,
    Pin,
}

fn space() -> Space {
    Space {
        input: DATA..DATA + 0x2_0000,
        output: DATA + 0x2_0000..DATA + 0x4_0000,
    }
}

/// A program with work for every engine.
fn program(config: &Config, rng: &mut Rng) -> Vec<Command> {
    let ops: Vec<Op> = (0..14).map(|_| Op::random(rng)).collect();
    build(config, &space(), &ops)
}

/// Sets a card up and starts `program`.
fn start(device: &mut dyn Device, program: &[Command]) -> Host {
    let mut host = Host::start(device, 2);
    let entry = put_words(device.memory(), PROGRAMS.start, &words(program), 7);
    host.submit(device, &entry, 7);
    host.ring(device);
    host
}

/// Cycles that `program` takes.
fn duration(rtl: &mut Rtl, program: &[Command]) -> u64 {
    rtl.reset();
    let before = rtl.card.cycles();
    let mut host = start(rtl, program);
    host.take(rtl).expect("the program ends");
    rtl.card.cycles() - before
}

/// Waits until a reset by register is over.
fn wait(rtl: &mut Rtl) {
    for _ in 0..100_000 {
        if rtl.read(regs::STATUS) == 0 {
            assert_eq!(rtl.read(regs::CONTROL), 0, "the reset is over");
            return;
        }
    }
    panic!("the reset does not end");
}

/// Interrupts a program after each of some numbers of cycles and runs another one.
fn check(config: Config, memory: MemoryOptions, reset: Reset, seed: u64) {
    let mut rng = Rng::new(seed);
    let mut rtl = Rtl::new(&config, memory);
    let data: Vec<u8> = (0..0x2_0000).map(|_| rng.bits() as u8).collect();
    let (step, rounds) = if systole_tests::full() {
        (1, 3)
    } else {
        (11, 3)
    };
    for round in 0..rounds {
        let broken = program(&config, &mut rng);
        let good = program(&config, &mut rng);
        rtl.memory().at(DATA)[..data.len()].copy_from_slice(&data);
        let cycles = duration(&mut rtl, &broken);
        let first = rng.below(step as u64);
        for at in (first..cycles).step_by(step) {
            start(&mut rtl, &broken);
            rtl.idle(at);
            match reset {
                Reset::Register => {
                    rtl.write(regs::CONTROL, regs::CONTROL_RESET);
                    wait(&mut rtl);
                }
                Reset::Pin => rtl.reset(),
            }
            assert_eq!(rtl.read(regs::STATUS), 0);
            // What the interrupted program left in memory and on the chip is unknown: the next
            // one begins with the same contents on both sides.
            let mut model = Model::new(&config);
            for device in [&mut rtl as &mut dyn Device, &mut model] {
                device.memory().at(DATA).fill(0);
                device.memory().at(DATA)[..data.len()].copy_from_slice(&data);
            }
            let ends = [&mut rtl as &mut dyn Device, &mut model].map(|device| {
                let fill = systole_tests::program::fill(&config, DATA);
                let mut host = start(device, &fill);
                let filled = host.take(device).expect("the filling ends");
                host.give_back(device);
                let entry = put_words(device.memory(), PROGRAMS.start, &words(&good), 9);
                (
                    filled.status,
                    host.run(device, &entry, 9).map(|it| it.status),
                )
            });
            assert_eq!(ends[0], ends[1], "round {round}, reset in cycle {at}");
            assert!(
                rtl.memory().at(DATA) == model.memory().at(DATA),
                "round {round}, reset in cycle {at} of {cycles}: memory differs"
            );
            assert_eq!(rtl.read(regs::STATUS) & regs::STATUS_BUSY, 0);
            rtl.write(regs::CONTROL, regs::CONTROL_RESET);
            wait(&mut rtl);
        }
    }
}

/// Answers late, out of order and with pauses.
fn rough(seed: u64) -> MemoryOptions {
    let random = Some(Random {
        seed,
        stall: 0.33,
        jitter: 50,
        reorder: true,
    });
    MemoryOptions {
        random,
        ..MemoryOptions::default()
    }
}

#[test]
fn by_register() {
    check(
        Config::with_array(4, 4),
        MemoryOptions::default(),
        Reset::Register,
        1,
    );
}

#[test]
fn by_register_with_a_rough_memory() {
    check(Config::with_array(8, 8), rough(2), Reset::Register, 2);
}

#[test]
fn by_pin() {
    check(
        Config::with_array(4, 4),
        MemoryOptions::default(),
        Reset::Pin,
        3,
    );
}

#[test]
fn by_pin_with_a_rough_memory() {
    check(Config::with_array(8, 8), rough(4), Reset::Pin, 4);
}
