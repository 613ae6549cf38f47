//! Software changes the sizes of payloads and reads while programs run, as nothing keeps a client
//! of a server from doing: no rule of the link is broken, and the results stay the same.

use isa::config::Config;
use isa::pci;
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
/// Changes after which a program has lost its way.
const PATIENCE: u64 = 50_000;

/// Runs `cases` programs during which the sizes change after at most `calm` cycles, most often at
/// the moment at which the host begins to read card memory.
fn check(config: Config, root: root::Options, cases: u64, calm: u64) {
    let mut rng = Rng::new(calm);
    let options = LinkOptions {
        memory: MemoryOptions {
            random: root.random.map(|random| memory::Random::rough(random.seed)),
            ..MemoryOptions::default()
        },
        root,
        audit: true,
        ..LinkOptions::default()
    };
    let mut linked = Linked::new(&config, &options);
    let mut model = Model::new(&config);
    let space = Space {
        input: INPUT..OUTPUT,
        output: OUTPUT..BASE + BYTES as u64,
    };
    let data: Vec<u8> = (0..BASE as usize + BYTES - DATA as usize)
        .map(|_| rng.bits() as u8)
        .collect();
    let mut hosts = [Host::start(&mut linked, 3), Host::start(&mut model, 3)];
    let devices = [&mut linked as &mut dyn Device, &mut model];
    for (device, host) in devices.into_iter().zip(&mut hosts) {
        device.memory().at(DATA).copy_from_slice(&data);
        let fill = words(&program::fill(&config, DATA));
        let entry = put_words(device.memory(), PROGRAMS.start, &fill, 0);
        let done = host.run(device, &entry, 0).expect("the filling ends");
        assert_eq!(done.status, 0);
    }
    let own = linked.card.card_memory().expect("it has some").clone();
    assert!(own.write(0, &data[..4096]));
    let [ours, theirs] = &mut hosts;
    let mut changes = 0;
    for case in 0..cases {
        let ops: Vec<Op> = (0..24).map(|_| Op::random(&mut rng)).collect();
        let program = words(&program::build(&config, &space, &ops));
        let entry = put_words(model.memory(), PROGRAMS.start, &program, case);
        let expected = theirs.run(&mut model, &entry, case).expect("it ends");
        let entry = put_words(linked.memory(), PROGRAMS.start, &program, case);
        ours.submit(&mut linked, &entry, case);
        ours.ring(&mut linked);
        let mut left = PATIENCE;
        while linked.interrupts & 1 == 0 {
            left -= 1;
            assert!(left > 0, "case {case}: no interrupt");
            let (offset, bytes) = (rng.below(2048), 1 + rng.below(2048) as usize);
            let (payload, read) = (rng.below(3) as u16, rng.below(3) as u16);
            let (before, after) = (rng.below(60), rng.below(calm));
            let access = linked.run(|card| {
                let access = card.root().read(pci::MEMORY_BAR, offset, bytes);
                card.step(before)?;
                Ok(access)
            });
            linked.set_sizes(payload, read);
            let seen = linked.run(|card| {
                card.step(after)?;
                let mut seen = vec![0; bytes];
                for _ in 0..PATIENCE {
                    if let Some(end) = card.root().finish(access, &mut seen) {
                        end.expect("it is answered");
                        return Ok(seen);
                    }
                    card.step(1)?;
                }
                panic!("case {case}: a read of card memory does not end");
            });
            assert_eq!(seen, data[offset as usize..][..bytes], "case {case}");
            changes += 1;
        }
        linked.interrupts = 0;
        let done = ours.take(&mut linked).expect("the program has ended");
        ours.give_back(&mut linked);
        assert_eq!(
            (done.tag, done.status, done.command),
            (expected.tag, expected.status, expected.command),
            "case {case}"
        );
        let output = |device: &mut dyn Device| device.memory().at(OUTPUT).to_vec();
        assert!(output(&mut linked) == output(&mut model), "case {case}");
    }
    assert!(changes > 3 * cases, "{changes} changes");
}

fn rough(seed: u64, stall: f64) -> root::Options {
    root::Options {
        random: Some(Random {
            stall,
            ..Random::rough(seed)
        }),
        ..root::Options::default()
    }
}

#[test]
fn a_calm_link() {
    check(Config::with_array(4, 4), root::Options::default(), 30, 150);
}

#[test]
fn a_rough_link() {
    check(Config::with_array(4, 4), rough(3, 0.33), 30, 300);
}

/// What is cut stays where it is for long.
#[test]
fn a_link_that_hardly_takes_anything() {
    check(Config::with_array(4, 4), rough(4, 0.9), 10, 1000);
    let config = Config {
        port_bytes: 32,
        ..Config::with_array(8, 8)
    };
    let root = root::Options {
        words: 4,
        ..rough(5, 0.9)
    };
    check(config, root, 10, 300);
}
