//! Wrong commands, wrong submissions and wrong memory: the RTL names the same cause and the same
//! command as the functional model, and the next good program gives right results.
//!
//! `SYSTOLE_FULL=1` runs more of the random ones, `SYSTOLE_SEED=n` draws other ones.

use std::env;
use std::ops::Range;

use isa::command::{
    Buffer, Command, ENGINE_QUEUE, Gemm, HEADER_FIELDS, Load, Opcode, Operation, Store, TOKEN_MAX,
};
use isa::config::Config;
use isa::error::{ErrorCode, FaultCause};
use isa::format::OutputFormat;
use isa::queue::{Completion, SUBMISSION_FIELDS, Submission};
use isa::record::Field;
use isa::regs;
use isa::weights::StreamFormat;
use sim::memory::{MemoryOptions, Random};
use systole_tests::bench::{self, BASE, BYTES, DATA, Device, Fault, Host, Model, PROGRAMS, Rtl};
use systole_tests::program::{self, Op, SPARE_TOKENS, Space};
use systole_tests::rng::Rng;

/// What the good programs read.
const GOOD_IN: u64 = DATA;
/// What they write.
const GOOD_OUT: u64 = DATA + 0xc000;
/// Nothing but the card's completions and the good programs may write below this.
const WILD: u64 = DATA + 0x1_0000;

/// Commands as words.
type Words = Vec<[u32; 16]>;

/// What to submit: a program, and what to do with its submission.
struct Job {
    program: Words,
    /// Bits of the submission to flip.
    spoil: [u32; 16],
    /// For the message of a failure.
    what: String,
}

impl Job {
    fn new(program: Words, what: String) -> Self {
        Self {
            program,
            spoil: [0; 16],
            what,
        }
    }
}

/// The same programs on the RTL and on the model.
struct Pair {
    config: Config,
    rtl: Rtl,
    model: Model,
    hosts: [Host; 2],
    rng: Rng,
    seed: u64,
    jobs: u64,
}

impl Pair {
    fn new(config: Config, memory: MemoryOptions, seed: u64) -> Self {
        let seed = seed_of(seed);
        let mut rng = Rng::new(seed);
        let mut rtl = Rtl::new(&config, memory);
        let mut model = Model::new(&config);
        for byte in rtl.memory().at(DATA) {
            *byte = rng.bits() as u8;
        }
        let data = rtl.memory().at(DATA).to_vec();
        model.memory().at(DATA).copy_from_slice(&data);
        let hosts = [Host::start(&mut rtl, 3), Host::start(&mut model, 3)];
        let mut pair = Self {
            config,
            rtl,
            model,
            hosts,
            rng,
            seed,
            jobs: 0,
        };
        let fill = bench::words(&program::fill(&config, DATA));
        pair.expect(&[Job::new(fill, "first values".into())], ErrorCode::Success);
        pair
    }

    /// Submits all at once and compares what becomes of them; gives the completions.
    fn run(&mut self, jobs: &[Job]) -> Vec<Completion> {
        self.jobs += jobs.len() as u64;
        let what: Vec<&str> = jobs.iter().map(|job| job.what.as_str()).collect();
        let label = format!(
            "SYSTOLE_SEED={}, submission {}: {what:#?}",
            self.seed, self.jobs
        );
        let mut outcomes = Vec::new();
        let devices = [&mut self.rtl as &mut dyn Device, &mut self.model];
        for (device, host) in devices.into_iter().zip(&mut self.hosts) {
            let mut start = PROGRAMS.start;
            for (job, tag) in jobs.iter().zip(self.jobs << 32 | 1..) {
                let memory = device.memory();
                let mut entry = bench::put_words(memory, start, &job.program, tag);
                for (word, spoil) in entry.iter_mut().zip(job.spoil) {
                    *word ^= spoil;
                }
                start += (job.program.len() * 64) as u64;
                let unreadable = job.what == UNREADABLE;
                let tag = if unreadable {
                    0
                } else {
                    Submission::from_words(&entry).tag
                };
                host.submit(device, &entry, tag);
            }
            host.ring(device);
            let mut completions = Vec::new();
            for _ in jobs {
                let Some(done) = host.take(device) else {
                    panic!(
                        "no completion; ERROR {:#x}; {label}",
                        device.read(regs::ERROR)
                    );
                };
                completions.push(Completion { cycles: 0, ..done });
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
        assert_eq!(outcomes[0], outcomes[1], "RTL, model; {label}");
        self.compare(&label);
        outcomes.swap_remove(0).0
    }

    /// What no bad program may have written is the same; the rest becomes the same.
    fn compare(&mut self, label: &str) {
        let own = (WILD - BASE) as usize;
        let (ours, theirs) = (self.rtl.memory().bytes(), self.model.memory().bytes());
        let differs = (ours[..own] != theirs[..own]).then(|| {
            ours.iter()
                .zip(&*theirs)
                .position(|(ours, theirs)| ours != theirs)
        });
        assert_eq!(differs, None, "offset of a byte that differs; {label}");
        theirs[own..].copy_from_slice(&ours[own..]);
    }

    /// Runs jobs of which each ends with this cause.
    fn expect(&mut self, jobs: &[Job], cause: ErrorCode) {
        for (done, job) in self.run(jobs).iter().zip(jobs) {
            assert_eq!(
                ErrorCode::from_code(done.status),
                Some(cause),
                "{}",
                job.what
            );
        }
    }

    /// A product, a few ways, that depends on nothing that was before.
    fn good(&mut self) -> Job {
        let Config {
            rows,
            cols,
            port_bytes,
            ..
        } = self.config;
        let rng = &mut self.rng;
        let m = 1 + rng.below(9) as u32;
        let tiles = 1 + rng.below(3) as u32;
        let lines = |bytes: u32| bytes.div_ceil(port_bytes);
        let places =
            |rng: &mut Rng, lines: u32, total: u32| rng.below(u64::from(total - lines)) as u32;
        let mut program = Vec::new();
        let mut first = [0; 4];
        let sizes = [m * tiles * rows, tiles * rows * cols, cols * 8, m * 4];
        for (buffer, bytes) in Buffer::ALL.into_iter().zip(sizes) {
            let count = lines(bytes);
            // The line in which a row begins that is also the first of a line.
            let row = match buffer {
                Buffer::Activations => rows,
                Buffer::Weights => 2 * cols,
                Buffer::Columns => cols * 8,
                Buffer::Rows => 4,
            };
            let step = lines(row);
            let line = places(rng, count, self.config.lines(buffer)) / step * step;
            first[buffer as usize] = line * port_bytes / row;
            let src = GOOD_IN + rng.below(0x4000 / u64::from(port_bytes)) * u64::from(port_bytes);
            program.push(Command::new(Operation::Load(Load {
                src,
                buffer: buffer as u8,
                dst_line: line,
                row_lines: count as u16,
                rows: 1,
                stride: 0,
            })));
        }
        program[3].signal = 1;
        let acc_row = rng.below(u64::from(self.config.acc_rows - m)) as u16;
        let gemm = Gemm {
            act_row: first[0],
            act_stride: m as u16,
            wgt_row: first[1],
            acc_row,
            m: m as u16,
            k_tiles: tiles as u16,
            wgt_rows: tiles * rows / 2,
            ..Gemm::default()
        };
        let gemm = Operation::Gemm(gemm.with_stream(StreamFormat::PLAIN));
        program.push(Command {
            wait: 1,
            signal: 2,
            operation: gemm,
        });
        for format in 0..3 {
            let store = Operation::Store(Store {
                dst: GOOD_OUT + 0x1000 * format,
                acc_row,
                m: m as u16,
                format: format as u8,
                release: rng.below(2) as u8,
                column_row: first[2] as u16,
                row_index: first[3] as u16,
                ..Store::default()
            });
            program.push(Command {
                wait: if format == 0 { 2 } else { 0 },
                signal: 0,
                operation: store,
            });
        }
        Job::new(bench::words(&program), "a good program".into())
    }

    fn run_good(&mut self) {
        let good = self.good();
        self.expect(&[good], ErrorCode::Success);
    }

    /// A random program that runs.
    fn program(&mut self, most: u64) -> Words {
        let ops: Vec<Op> = (0..=self.rng.below(most))
            .map(|_| Op::random(&mut self.rng))
            .collect();
        bench::words(&program::build(&self.config, &space(), &ops))
    }

    /// Runs jobs, in groups, each group followed by a good program.
    fn run_all(&mut self, jobs: impl IntoIterator<Item = Job>) {
        let mut jobs = jobs.into_iter().peekable();
        while jobs.peek().is_some() {
            let mut group: Vec<Job> = jobs.by_ref().take(6).collect();
            group.push(self.good());
            let done = self.run(&group);
            assert_eq!(done.last().map(|done| done.status), Some(0));
        }
    }

    /// Resets both, the RTL by its pin, and sets them up again, with the same memory.
    fn reset(&mut self) {
        self.model
            .memory()
            .bytes()
            .copy_from_slice(self.rtl.memory().bytes());
        self.rtl.reset();
        self.model.reset();
        assert_eq!(self.rtl.read(regs::ERROR), 0);
        assert_eq!(self.rtl.read(regs::STATUS), 0);
        self.hosts = [
            Host::start(&mut self.rtl, 3),
            Host::start(&mut self.model, 3),
        ];
    }
}

/// [`Job::what`] of a submission that memory does not give away.
const UNREADABLE: &str = "an entry that cannot be read";

fn space() -> Space {
    Space {
        input: WILD..DATA + 0x8_0000,
        output: DATA + 0x8_0000..BASE + BYTES as u64,
    }
}

fn seed_of(own: u64) -> u64 {
    env::var("SYSTOLE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(own)
}

/// Errors need no long waits.
fn near() -> MemoryOptions {
    MemoryOptions {
        latency: 6,
        ..MemoryOptions::default()
    }
}

fn rough(seed: u64) -> MemoryOptions {
    let random = Some(Random {
        seed,
        stall: 0.25,
        jitter: 15,
        reorder: true,
    });
    MemoryOptions { random, ..near() }
}

fn small() -> Config {
    Config::with_array(4, 4)
}

fn wide() -> Config {
    Config {
        port_bytes: 32,
        ..Config::with_array(8, 8)
    }
}

/// Where a command would write to memory.
fn target(config: &Config, words: &[u32; 16]) -> Option<Range<u64>> {
    match Command::decode(words).ok()?.operation {
        Operation::Store(store) => {
            let bytes = OutputFormat::from_code(store.format).map_or(4, OutputFormat::bytes) as u64;
            let bytes = u64::from(store.m) * u64::from(config.cols) * bytes;
            Some(store.dst..store.dst.saturating_add(bytes))
        }
        _ => None,
    }
}

/// Whether a command leaves alone what the tests compare.
fn harmless(config: &Config, words: &[u32; 16]) -> bool {
    target(config, words).is_none_or(|range| range.end <= BASE || range.start >= WILD)
}

/// Values of a field that are worth a try: the ends of its range and of everything on the card.
fn boundaries(config: &Config, field: &Field) -> Vec<u64> {
    let max = if field.bits == 64 {
        u64::MAX
    } else {
        (1 << field.bits) - 1
    };
    let mut values = vec![0, 1, 2, 3, 4, 8, max, max - 1, max >> 1, (max >> 1) + 1];
    let lines = Buffer::ALL.map(|buffer| config.lines(buffer));
    let limits = [
        config.port_bytes,
        config.act_rows,
        config.wgt_rows,
        config.wgt_rows / config.rows,
        config.acc_rows,
        config.column_rows,
        config.row_scales,
    ];
    let addresses = [1 << 55, 1 << 56, 1 << 57, BASE, BASE + BYTES as u64, WILD];
    let limits = lines
        .into_iter()
        .chain(limits)
        .map(u64::from)
        .chain(addresses);
    let line = u64::from(config.port_bytes);
    for limit in limits {
        values.extend([limit - line, limit - 1, limit, limit + 1, limit + line]);
    }
    values.retain(|value| *value <= max);
    values.sort_unstable();
    values.dedup();
    values
}

fn set(words: &mut [u32; 16], field: &Field, value: u64) {
    let mut flips = [0; 16];
    field.put(&mut flips, field.get(words) ^ value);
    for (word, flip) in words.iter_mut().zip(flips) {
        *word ^= flip;
    }
}

/// Every field of every command, alone, at its boundaries.
fn fields_at_boundaries(config: Config, memory: MemoryOptions) {
    let mut pair = Pair::new(config, memory, 1);
    let mut jobs = Vec::new();
    for opcode in Opcode::ALL {
        // Operation codes here; tokens have their own test.
        for field in HEADER_FIELDS[..1].iter().chain(opcode.fields()) {
            for value in boundaries(&config, field) {
                let mut program = pair.good().program;
                for words in &mut program {
                    if words[0] == Opcode::Store as u32 {
                        // Away from what is compared.
                        words[2] += (WILD - GOOD_OUT) as u32;
                    }
                }
                let index = program.iter().position(|words| words[0] == opcode as u32);
                let Some(words) = index.and_then(|index| program.get_mut(index)) else {
                    continue;
                };
                set(words, field, value);
                if harmless(&config, words) {
                    let what = format!("{opcode:?} with `{}` = {value:#x}", field.name);
                    jobs.push(Job::new(program, what));
                }
            }
        }
    }
    assert!(jobs.len() > 500, "{}", jobs.len());
    pair.run_all(jobs);
}

#[test]
fn every_field_at_its_boundaries() {
    fields_at_boundaries(small(), near());
}

#[test]
fn every_field_at_its_boundaries_with_a_wide_port() {
    fields_at_boundaries(wide(), rough(1));
}

#[test]
fn every_reserved_bit() {
    let mut pair = Pair::new(small(), near(), 2);
    let mut jobs = Vec::new();
    let used = |tables: &[&[Field]], bit: usize| {
        tables.iter().copied().flatten().any(|field| {
            let start = field.word * 32 + field.lo;
            (start..start + field.bits).contains(&bit)
        })
    };
    for opcode in Opcode::ALL {
        let good = pair.good().program;
        let index = good
            .iter()
            .position(|words| words[0] == opcode as u32)
            .expect("all kinds");
        for bit in (0..512).filter(|bit| !used(&[HEADER_FIELDS, opcode.fields()], *bit)) {
            let mut program = good.clone();
            program[index][bit / 32] ^= 1 << (bit % 32);
            jobs.push((
                Job::new(program, format!("{opcode:?}, reserved bit {bit}")),
                index,
            ));
        }
    }
    for (job, index) in jobs {
        let good = pair.good();
        let done = pair.run(&[job, good]);
        assert_eq!(
            (done[0].status, done[0].command),
            (ErrorCode::ReservedBits as u16, index as u16)
        );
    }
    for bit in (0..512).filter(|bit| !used(&[SUBMISSION_FIELDS], *bit)) {
        let mut job = pair.good();
        job.spoil[bit / 32] = 1 << (bit % 32);
        job.what = format!("submission, reserved bit {bit}");
        let good = pair.good();
        let done = pair.run(&[job, good]);
        assert_eq!(
            (done[0].status, done[0].command),
            (ErrorCode::BadSubmission as u16, 0)
        );
    }
}

/// A random command, or a field of a good one set to something else.
fn spoil(pair: &mut Pair, program: &mut Words) -> String {
    loop {
        let rng = &mut pair.rng;
        let index = rng.below(program.len() as u64) as usize;
        let mut words = program[index];
        let what = match rng.below(8) {
            0 => {
                words = std::array::from_fn(|_| rng.bits() as u32);
                "random words".into()
            }
            1 => {
                // Good but for its operands, most of which are 0 or small.
                let opcode = rng.pick(&Opcode::ALL);
                words = [0; 16];
                words[0] = opcode as u32;
                for field in opcode.fields() {
                    let bits = rng.bits() >> rng.below(64);
                    set(&mut words, field, bits & (u64::MAX >> (64 - field.bits)));
                }
                if rng.once_in(4) {
                    words[1] = 1 << (SPARE_TOKENS.start as u64 + rng.below(4));
                }
                "random operands".into()
            }
            2 => {
                let bit = rng.below(512) as usize;
                // Tokens have their own kind below.
                if bit / 32 == 1 {
                    continue;
                }
                words[bit / 32] ^= 1 << (bit % 32);
                format!("bit {bit}")
            }
            3 => {
                // A token more or less. Only one engine may wait for a token.
                let token = rng.below(16) as usize;
                let own =
                    program::waiter(token).is_none_or(|engine| engine + 1 == words[0] as usize);
                if rng.once_in(2) && own {
                    words[1] ^= 1 << token;
                    format!("wait bit {token}")
                } else {
                    words[1] ^= 1 << (16 + token);
                    format!("signal bit {token}")
                }
            }
            _ => {
                let opcode = Opcode::from_code(words[0] as u8).expect("it was good");
                let field = rng.pick(opcode.fields());
                let value = match rng.below(3) {
                    0 => rng.bits() & (u64::MAX >> (64 - field.bits)),
                    1 => field.get(&words) ^ 1 << rng.below(field.bits as u64),
                    _ => {
                        let values = boundaries(&pair.config, &field);
                        rng.pick(&values)
                    }
                };
                set(&mut words, &field, value);
                format!("{opcode:?} `{}` = {value:#x}", field.name)
            }
        };
        if words != program[index] && harmless(&pair.config, &words) {
            program[index] = words;
            return format!("command {index}: {what}: {words:x?}");
        }
    }
}

/// A submission of which some bits are wrong.
fn spoil_submission(pair: &mut Pair, job: &mut Job) {
    let rng = &mut pair.rng;
    match rng.below(3) {
        0 => job.spoil = std::array::from_fn(|_| rng.bits() as u32),
        1 => {
            let bit = rng.below(512) as usize;
            job.spoil[bit / 32] = 1 << (bit % 32);
        }
        _ => {
            let field = rng.pick(SUBMISSION_FIELDS);
            let bits = rng.bits() & (u64::MAX >> (64 - field.bits));
            field.put(&mut job.spoil, bits);
        }
    }
    // More commands than there are would run what lies behind them; another place, anything.
    let counts = job.spoil[2] & 0xffff != 0;
    let near = job.spoil[0] & !63 != 0 && job.spoil[0] & 63 == 0 && job.spoil[0] < BYTES as u32;
    if counts {
        job.spoil[2] = job.spoil[2] & !0xffff | job.program.len() as u32;
    }
    if near && job.spoil[1] == 0 {
        job.spoil[0] |= 1;
    }
    job.what = format!("submission {:x?}", job.spoil);
}

fn fuzz(config: Config, memory: MemoryOptions, seed: u64, rounds: u64) {
    let mut pair = Pair::new(config, memory, seed);
    let mut failed = 0;
    for _ in 0..rounds * if systole_tests::full() { 20 } else { 1 } {
        let mut jobs = Vec::new();
        for _ in 0..6 {
            let mut job = Job::new(pair.program(7), String::new());
            if pair.rng.once_in(6) {
                spoil_submission(&mut pair, &mut job);
            } else {
                job.what = spoil(&mut pair, &mut job.program);
            }
            jobs.push(job);
        }
        jobs.push(pair.good());
        let done = pair.run(&jobs);
        failed += done.iter().filter(|done| done.status != 0).count() as u64;
        assert_eq!(done.last().map(|done| done.status), Some(0));
    }
    assert!(failed > rounds * 3, "only {failed} of them failed");
}

#[test]
fn random_malformed_programs() {
    fuzz(small(), near(), 3, 250);
}

#[test]
fn random_malformed_programs_with_a_wide_port_and_a_rough_memory() {
    fuzz(wide(), rough(4), 4, 150);
}

#[test]
fn tokens_that_nothing_gives() {
    for memory in [near(), rough(5), MemoryOptions::default()] {
        let mut pair = Pair::new(small(), memory, 5);
        let mut jobs = Vec::new();
        for _ in 0..60 {
            let mut program = pair.program(24);
            // The tokens of a random command wait for one more, or one of them is not given.
            let words = pair.rng.below(program.len() as u64) as usize;
            if pair.rng.once_in(2) {
                program[words][1] |= 1 << (SPARE_TOKENS.start as u64 + pair.rng.below(4));
            } else {
                program[words][1] &= 0xffff;
            }
            jobs.push(Job::new(program, format!("tokens of command {words}")));
        }
        pair.run_all(jobs);
        // More commands than fit into the queue of one engine, behind one that never starts.
        for count in 1..12 {
            let mut program = pair.good().program;
            let load = program[0];
            program[0][1] = 0x8000;
            program.splice(1..1, vec![load; count]);
            let job = Job::new(
                program,
                format!("{count} commands behind one that never starts"),
            );
            pair.expect(&[job], ErrorCode::TokenNeverGiven);
            pair.run_good();
        }
        // A command is checked when its turn comes, even if it finds the queue full.
        for count in 1..=ENGINE_QUEUE {
            let mut program = pair.good().program;
            let load = program[0];
            program[0][1] = 0x8000;
            program.splice(1..1, vec![load; count - 1]);
            program[count][0] = 0xee;
            let what = format!("a wrong command behind {count} that never start");
            pair.expect(&[Job::new(program, what)], ErrorCode::UnknownOpcode);
            pair.run_good();
        }
    }
}

#[test]
fn tokens_given_too_often() {
    let mut pair = Pair::new(small(), near(), 6);
    for opcode in Opcode::ALL {
        let good = pair.good().program;
        let mut giver = *good
            .iter()
            .find(|words| words[0] == opcode as u32)
            .expect("all kinds");
        for (gives, cause) in [
            (u32::from(TOKEN_MAX), ErrorCode::Success),
            (u32::from(TOKEN_MAX) + 1, ErrorCode::TokenOverflow),
        ] {
            let mut program: Words = Vec::new();
            let mut last = 0;
            giver[1] = 0;
            let mut silent = giver;
            silent[0] = giver[0];
            for _ in 0..gives {
                if pair.rng.once_in(8) {
                    program.push(silent);
                }
                giver[1] = 0x8000_0000;
                last = program.len();
                program.push(giver);
            }
            program.push(silent);
            let what = format!("{opcode:?} gives a token {gives} times");
            let done = pair.run(&[Job::new(program, what)]);
            let index = if cause == ErrorCode::Success { 0 } else { last };
            assert_eq!(
                (done[0].status, usize::from(done[0].command)),
                (cause as u16, index)
            );
            pair.run_good();
        }
    }
}

/// Errors of the bus at one object of one program.
fn bus_errors(config: Config, memory: MemoryOptions, seed: u64, rounds: u64) {
    let mut pair = Pair::new(config, memory, seed);
    let mut met = [0; 5];
    for round in 0..rounds * if systole_tests::full() { 20 } else { 1 } {
        let mut job = Job::new(pair.program(12), String::new());
        pair.rng.bits();
        let line = u64::from(config.port_bytes);
        let kind = round % 4;
        let (start, writes) = match kind {
            0 => (
                space().input.start + pair.rng.below(0x7_0000 / line) * line,
                false,
            ),
            1 => {
                let targets: Vec<_> = job
                    .program
                    .iter()
                    .filter_map(|words| target(&config, words))
                    .collect();
                if targets.is_empty() {
                    continue;
                }
                let target = targets[pair.rng.below(targets.len() as u64) as usize].clone();
                let lines = (target.end - target.start).div_ceil(line);
                (target.start + pair.rng.below(lines) * line, true)
            }
            2 => {
                let lines = job.program.len() as u64 * 64 / line;
                (PROGRAMS.start + pair.rng.below(lines) * line, false)
            }
            _ => {
                job.what = UNREADABLE.into();
                (
                    pair.hosts[0].next_entry() + pair.rng.below(64 / line) * line,
                    false,
                )
            }
        };
        let fault = start..start + line;
        // One error in a program: exactly one command may meet it.
        if kind < 2 {
            let meets = |words: &&[u32; 16]| match Command::decode(words).map(|c| c.operation) {
                Ok(Operation::Load(load)) if !writes => (0..u64::from(load.rows)).any(|row| {
                    let src = load.src + row * u64::from(load.stride);
                    src < fault.end && fault.start < src + u64::from(load.row_lines) * line
                }),
                Ok(Operation::Store(_)) if writes => target(&config, words)
                    .is_some_and(|target| target.start < fault.end && fault.start < target.end),
                _ => false,
            };
            if job.program.iter().filter(meets).count() > 1 {
                continue;
            }
        }
        if kind < 3 {
            let access = if writes { "writes" } else { "reads" };
            job.what = format!("{access} at {start:#x} fail; {:#x?}", job.program);
        }
        pair.rtl.slverr = pair.rng.once_in(2);
        // The faults of the simulated memory itself name no cause.
        let cause = match pair.rtl.slverr {
            true => FaultCause::Plain,
            false => pair.rng.pick(&FaultCause::ALL),
        };
        pair.rtl.memory().cause = cause;
        pair.model.memory().cause = cause;
        let faults = [Fault {
            addresses: fault,
            writes,
        }];
        pair.rtl.set_faults(&faults);
        pair.model.set_faults(&faults);
        let done = pair.run(&[job])[0];
        let expected = [cause.of_read(), cause.of_write()][usize::from(writes)];
        assert!([0, expected as u16].contains(&done.status), "{cause:?}");
        met[kind as usize] += u64::from(done.status != 0);
        pair.rtl.set_faults(&[]);
        pair.model.set_faults(&[]);
        pair.run_good();
    }
    assert!(met[1..4].iter().all(|met| *met > rounds / 16), "{met:?}");
}

#[test]
fn errors_of_the_bus() {
    bus_errors(small(), near(), 7, 600);
}

#[test]
fn errors_of_a_wide_and_rough_bus() {
    bus_errors(wide(), rough(8), 8, 400);
}

#[test]
fn a_completion_that_cannot_be_written_fails_the_queue_until_a_reset() {
    for (config, slverr) in [(small(), false), (wide(), true)] {
        let mut pair = Pair::new(config, near(), 9);
        for round in 0..8 {
            pair.rtl.slverr = slverr;
            for _ in 0..round {
                pair.run_good();
            }
            let start = pair.hosts[0].next_completion();
            let beat = start + if round % 2 == 0 { 0 } else { 16 };
            let faults = [Fault {
                addresses: beat..beat + 16,
                writes: true,
            }];
            let good = pair.good().program;
            let mut seen = Vec::new();
            let devices = [&mut pair.rtl as &mut dyn Device, &mut pair.model];
            for (device, host) in devices.into_iter().zip(&mut pair.hosts) {
                device.set_faults(&faults);
                let entry = bench::put_words(device.memory(), PROGRAMS.start, &good, 1);
                host.submit(device, &entry, 1);
                host.submit(device, &entry, 2);
                host.ring(device);
                device.idle(5_000);
                device.set_faults(&[]);
                device.idle(1_000);
                let registers = [
                    regs::QUEUE_STATUS,
                    regs::STATUS,
                    regs::ERROR,
                    regs::QUEUE_ERROR,
                    regs::IRQ_STATUS,
                    regs::SQ_HEAD,
                    regs::CQ_TAIL,
                ];
                seen.push(registers.map(|register| device.read(register)));
            }
            assert_eq!(
                seen[0], seen[1],
                "QUEUE_STATUS, STATUS, ERROR, QUEUE_ERROR, IRQ_STATUS, SQ_HEAD, CQ_TAIL"
            );
            assert_ne!(seen[0][0] & regs::QUEUE_FAILED, 0);
            assert_eq!(seen[0][1], 0, "the card goes on");
            assert_eq!(seen[0][2], ErrorCode::WriteFault as u32);
            pair.reset();
            pair.run_good();
        }
    }
}

#[test]
fn a_memory_that_hangs_is_fatal_until_a_reset() {
    let mut pair = Pair::new(small(), MemoryOptions::default(), 10);
    pair.reset();
    let watchdog = 300;
    let mut fatal = 0;
    for round in 0..40 {
        let good = pair.good().program;
        let entry = bench::put_words(pair.rtl.memory(), PROGRAMS.start, &good, 7);
        pair.rtl.write(regs::WATCHDOG, watchdog);
        pair.hosts[0].submit(&mut pair.rtl, &entry, 7);
        pair.hosts[0].ring(&mut pair.rtl);
        // Through all phases of a program.
        pair.rtl.idle(10 + 17 * round);
        pair.rtl.card.memory().hang(true);
        pair.rtl.idle(3 * u64::from(watchdog));
        let [status, error, done] =
            [regs::STATUS, regs::ERROR, regs::CQ_TAIL].map(|register| pair.rtl.read(register));
        if done == 0 {
            fatal += 1;
            assert_ne!(status & regs::STATUS_FATAL, 0, "round {round}: {status:#x}");
            assert_eq!(error & 0xffff, ErrorCode::Watchdog as u32, "round {round}");
        } else {
            // The program ended before.
            assert_eq!((status, error), (0, 0), "round {round}");
        }
        pair.rtl.card.memory().hang(false);
        pair.reset();
        pair.run_good();
        pair.reset();
    }
    assert!(fatal > 30, "{fatal}");
}

#[test]
fn a_memory_that_comes_back_ends_the_program_with_the_watchdog() {
    let mut pair = Pair::new(small(), MemoryOptions::default(), 11);
    pair.reset();
    for round in 0..20 {
        let jobs = [pair.good().program, pair.good().program];
        pair.rtl.write(regs::WATCHDOG, 400);
        let entry = bench::put_words(pair.rtl.memory(), PROGRAMS.start, &jobs[0], 7);
        pair.hosts[0].submit(&mut pair.rtl, &entry, 7);
        pair.hosts[0].ring(&mut pair.rtl);
        // Past the submission: a program runs that can be completed.
        pair.rtl.idle(160 + 13 * round);
        pair.rtl.card.memory().hang(true);
        pair.rtl.idle(600);
        pair.rtl.card.memory().hang(false);
        let done = pair.hosts[0].take(&mut pair.rtl).expect("a completion");
        assert_eq!(done.status, ErrorCode::Watchdog as u16, "round {round}");
        assert_eq!(
            pair.rtl.read(regs::ERROR) & 0xffff,
            ErrorCode::Watchdog as u32
        );
        assert_eq!(pair.rtl.read(regs::STATUS), 0);
        // Without a reset.
        let devices = [&mut pair.rtl as &mut dyn Device, &mut pair.model];
        for (device, host) in devices.into_iter().zip(&mut pair.hosts) {
            device.memory().at(GOOD_OUT)[..(WILD - GOOD_OUT) as usize].fill(0);
            let entry = bench::put_words(device.memory(), PROGRAMS.start, &jobs[1], 8);
            let done = host.run(device, &entry, 8).expect("a completion");
            assert_eq!(done.status, 0, "round {round}");
        }
        let results =
            |ram: &mut bench::Ram| ram.at(GOOD_OUT)[..(WILD - GOOD_OUT) as usize].to_vec();
        let (ours, theirs) = (results(pair.rtl.memory()), results(pair.model.memory()));
        assert!(ours == theirs, "round {round}: results");
        pair.reset();
    }
}
