//! The performance counters say what the programs say: every row, line and command is counted
//! once, and no engine counts more cycles than there were.

use isa::command::{Command, Operation};
use isa::config::Config;
use isa::format::OutputFormat;
use isa::queue::{COMPLETION_BYTES, SUBMISSION_BYTES};
use isa::regs;
use sim::memory::{MemoryOptions, Random};
use systole_tests::bench::{self, BASE, BYTES, DATA, Device, Host, PROGRAMS, Rtl};
use systole_tests::program::{self, Op, Space};
use systole_tests::rng::Rng;

/// All counters, read while they are frozen.
struct Counters(Vec<u64>);

impl Counters {
    fn read(rtl: &mut Rtl) -> Self {
        rtl.write(regs::COUNTER_CONTROL, regs::COUNTERS_FREEZE);
        let values = (0..regs::COUNTERS.len())
            .map(regs::counter_offset)
            .map(|offset| u64::from(rtl.read(offset)) | u64::from(rtl.read(offset + 4)) << 32);
        let values = values.collect();
        rtl.write(regs::COUNTER_CONTROL, 0);
        Self(values)
    }

    fn get(&self, name: &str) -> u64 {
        let index = regs::COUNTERS
            .iter()
            .position(|counter| counter.name == name);
        self.0[index.unwrap_or_else(|| panic!("no counter {name}"))]
    }
}

/// What a program asks for: rows of the array, lines loaded, lines stored.
fn work(config: &Config, program: &[Command]) -> [u64; 3] {
    let mut work = [0; 3];
    for command in program {
        match command.operation {
            Operation::Load(load) => work[1] += u64::from(load.rows) * u64::from(load.row_lines),
            Operation::Gemm(gemm) => work[0] += u64::from(gemm.m) * u64::from(gemm.k_tiles),
            Operation::Store(store) => {
                let format = OutputFormat::from_code(store.format).expect("a good format");
                let bytes = u32::from(store.m) * config.cols * format.bytes() as u32;
                work[2] += u64::from(bytes.div_ceil(config.port_bytes));
            }
        }
    }
    work
}

fn check(config: Config, random: Option<Random>, programs: u64) {
    let mut rtl = Rtl::new(
        &config,
        MemoryOptions {
            random,
            ..MemoryOptions::default()
        },
    );
    let space = Space {
        input: DATA..DATA + 0x7_0000,
        output: DATA + 0x7_0000..BASE + BYTES as u64,
    };
    let mut host = Host::start(&mut rtl, 2);
    let line = u64::from(config.port_bytes);
    for seed in 0..programs {
        let mut rng = Rng::new(seed);
        let ops: Vec<Op> = (0..=rng.below(30)).map(|_| Op::random(&mut rng)).collect();
        let program = program::build(&config, &space, &ops);
        rtl.write(regs::COUNTER_CONTROL, regs::COUNTERS_CLEAR);
        assert!(
            Counters::read(&mut rtl).0.iter().all(|count| *count == 0),
            "cleared"
        );
        let before = rtl.card.memory().traffic();
        let words = bench::words(&program);
        let entry = bench::put_words(rtl.memory(), PROGRAMS.start, &words, seed);
        let done = host.run(&mut rtl, &entry, seed).expect("a completion");
        assert_eq!(done.status, 0, "seed {seed}");
        let after = rtl.card.memory().traffic();
        let counters = Counters::read(&mut rtl);
        rtl.idle(100);
        assert_eq!(
            counters.0,
            Counters::read(&mut rtl).0,
            "nothing counts while nothing runs"
        );

        let label = format!("{config:?}, seed {seed}: {program:#?}");
        let [rows, loaded, stored] = work(&config, &program);
        let fetched = (SUBMISSION_BYTES + 64 * program.len()) as u64 / line;
        let answered = (COMPLETION_BYTES as u64).div_ceil(line);
        for (name, wanted) in [
            ("array.busy", rows),
            ("load.busy", loaded),
            ("store.busy", stored),
            ("fetch.busy", program.len() as u64),
            ("read.lines", loaded + fetched),
            ("write.lines", stored + answered),
            ("read.lines", after.read_beats - before.read_beats),
            ("write.lines", after.write_beats - before.write_beats),
            ("load.output", 0),
            ("array.output", 0),
        ] {
            assert_eq!(counters.get(name), wanted, "{name}; {label}");
        }
        let cycles = counters.get("cycles");
        // Writing the completion takes at least a latency of the memory, and not many.
        assert!(cycles > done.cycles, "{cycles} {}; {label}", done.cycles);
        assert!(
            cycles < done.cycles + 1000,
            "{cycles} {}; {label}",
            done.cycles
        );
        for engine in ["fetch", "load", "array", "store"] {
            let of = |event: &str| counters.get(&format!("{engine}.{event}"));
            let apart = of("busy") + of("input") + of("memory");
            assert!(
                apart <= cycles && of("output") <= cycles,
                "{engine}; {label}"
            );
        }
    }
}

#[test]
fn counters_of_a_4x4_card() {
    check(Config::with_array(4, 4), None, 60);
}

#[test]
fn counters_of_an_8x8_card_with_a_wide_port_and_a_rough_memory() {
    let config = Config {
        port_bytes: 32,
        ..Config::with_array(8, 8)
    };
    check(config, Some(Random::rough(1)), 60);
}

#[test]
fn frozen_counters_stand_still() {
    let config = Config::with_array(4, 4);
    let mut rtl = Rtl::new(&config, MemoryOptions::default());
    let mut host = Host::start(&mut rtl, 2);
    rtl.write(regs::COUNTER_CONTROL, regs::COUNTERS_FREEZE);
    let words = bench::words(&program::fill(&config, DATA));
    let entry = bench::put_words(rtl.memory(), PROGRAMS.start, &words, 1);
    let done = host.run(&mut rtl, &entry, 1).expect("a completion");
    assert_eq!(done.status, 0);
    assert!(Counters::read(&mut rtl).0.iter().all(|count| *count == 0));
}

/// The counters of the PCIe link count what the endpoint says, each its own bit.
#[test]
fn ticks_of_the_link_are_counted() {
    let library = bench::library(&Config::with_array(4, 4));
    let mut card = library.instantiate();
    let [reset, ticks, addr, read, rdata, write, wdata, strobes] = [
        "reset",
        "link_ticks",
        "reg_addr",
        "reg_read",
        "reg_rdata",
        "reg_write",
        "reg_wdata",
        "reg_strobes",
    ]
    .map(|name| card.port(name).expect("a pin of the card"));
    card.set(reset, 1);
    card.cycle();
    card.set(reset, 0);
    // The counters are cleared in the cycle after, and count nothing of that cycle.
    card.cycle();
    card.cycle();
    let link = regs::COUNTERS.iter().enumerate();
    let link: Vec<usize> = link
        .filter(|(_, counter)| counter.name.starts_with("pcie."))
        .map(|(index, _)| index)
        .collect();
    assert_eq!(link.len(), 6);
    let mut rng = Rng::new(9);
    let mut counts = [0u64; 6];
    for _ in 0..5000 {
        let now = rng.bits() & rng.bits() & 0x3f;
        card.set(ticks, now);
        card.cycle();
        for (bit, count) in counts.iter_mut().enumerate() {
            *count += now >> bit & 1;
        }
    }
    // An event is counted a cycle late.
    card.set(ticks, 0);
    card.cycle();
    card.set(read, 1);
    for (index, count) in link.iter().zip(counts) {
        card.set(addr, regs::counter_offset(*index).into());
        card.cycle();
        assert_eq!(card.get(rdata), count, "{}", regs::COUNTERS[*index].name);
        assert!(count > 1000);
    }
    // The other way: how long the endpoint waits.
    let timeout = card.port("link_timeout").expect("a pin of the card");
    assert_eq!(card.get(timeout), u64::from(regs::LINK_TIMEOUT_RESET));
    card.set(read, 0);
    card.set(write, 1);
    card.set(addr, regs::LINK_TIMEOUT.into());
    card.set(wdata, 0x1234_5678);
    card.set(strobes, 0xf);
    card.cycle();
    assert_eq!(card.get(timeout), 0x1234_5678);
}
