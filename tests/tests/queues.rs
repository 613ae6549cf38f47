//! Several queues: each gets what it would get alone, whatever the others do.
//!
//! `SYSTOLE_FULL=1` runs more of the random ones, `SYSTOLE_SEED=n` draws other ones.

use std::env;

use isa::command::Command;
use isa::config::Config;
use isa::error::{ErrorCode, FaultCause};
use isa::queue::Submission;
use isa::regs;
use sim::memory::{MemoryOptions, Random};
use systole_tests::bench::{self, BASE, DATA, Device, Host, Model, PROGRAMS, RINGS, Rtl};
use systole_tests::program::{Op, Space, build_alone};
use systole_tests::rng::Rng;

/// Memory of a queue's data.
const AREA: u64 = 0x1_0000;
/// Memory of a queue's programs.
const PROGRAM_BYTES: u64 = 0x1c00;
/// Commands of a program, at most.
const COMMANDS: u64 = 16;

/// Small memories, so that a program fills them in no time.
fn config(queues: u32) -> Config {
    Config {
        act_rows: 64,
        wgt_rows: 32,
        acc_rows: 16,
        column_rows: 16,
        row_scales: 64,
        queues,
        ..Config::with_array(4, 8)
    }
}

fn near() -> MemoryOptions {
    MemoryOptions {
        latency: 6,
        ..MemoryOptions::default()
    }
}

fn rough(seed: u64) -> MemoryOptions {
    let random = Some(Random {
        seed,
        stall: 0.3,
        jitter: 40,
        reorder: true,
    });
    MemoryOptions { random, ..near() }
}

fn seed_of(own: u64) -> u64 {
    env::var("SYSTOLE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(own)
}

/// More rounds in the long tier.
fn rounds(count: u64) -> u64 {
    count * if systole_tests::full() { 20 } else { 1 }
}

/// The same queues on the RTL and on the model.
struct Pair {
    config: Config,
    rtl: Rtl,
    model: Model,
    /// Of each queue, on the RTL and on the model.
    hosts: Vec<[Host; 2]>,
    rng: Rng,
    seed: u64,
    tags: u64,
}

impl Pair {
    fn new(queues: u32, memory: MemoryOptions, seed: u64) -> Self {
        let seed = seed_of(seed);
        let config = config(queues);
        let mut pair = Self {
            config,
            rtl: Rtl::new(&config, memory),
            model: Model::new(&config),
            hosts: Vec::new(),
            rng: Rng::new(seed),
            seed,
            tags: 0,
        };
        for byte in pair.rtl.memory().at(DATA) {
            *byte = pair.rng.bits() as u8;
        }
        let data = pair.rtl.memory().bytes().to_vec();
        pair.model.memory().bytes().copy_from_slice(&data);
        for queue in 0..queues {
            let log2 = pair.rng.pick(&[1, 2, 3, 3]);
            let hosts = [
                Host::start_queue(&mut pair.rtl, queue, log2),
                Host::start_queue(&mut pair.model, queue, log2),
            ];
            pair.hosts.push(hosts);
        }
        pair
    }

    fn queues(&self) -> u32 {
        self.config.queues
    }

    fn any_queue(&mut self) -> u32 {
        self.rng.below(self.queues().into()) as u32
    }

    /// The queues in any order.
    fn shuffled(&mut self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.queues()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, self.rng.below(last as u64 + 1) as usize);
        }
        order
    }

    /// A program for a queue that needs nothing of others, and that harms none.
    fn program(&mut self, queue: u32) -> Vec<Command> {
        let area = DATA + u64::from(queue) * AREA;
        let space = Space {
            input: area..area + 0x7000,
            output: area + 0x7000..area + 0xf000,
        };
        let ops: Vec<Op> = (0..self.rng.below(9))
            .map(|_| Op::random(&mut self.rng))
            .collect();
        let program = build_alone(&self.config, &space, area + 0xf000, &ops);
        assert!(program.len() as u64 <= COMMANDS, "{}", program.len());
        program
    }

    fn slot(queue: u32, index: usize) -> u64 {
        PROGRAMS.start + u64::from(queue) * PROGRAM_BYTES + index as u64 * COMMANDS * 64
    }

    /// Submits program number `index` of those that the queue has under way, on both; the
    /// doorbells are not rung.
    fn submit(&mut self, queue: u32, index: usize, words: &[[u32; 16]]) {
        self.tags += 1;
        let tag = self.tags;
        let devices = [&mut self.rtl as &mut dyn Device, &mut self.model];
        for (device, host) in devices.into_iter().zip(&mut self.hosts[queue as usize]) {
            let entry = bench::put_words(device.memory(), Self::slot(queue, index), words, tag);
            host.submit(device, &entry, tag);
        }
    }

    /// Rings the doorbell of a queue on both, after some cycles.
    fn ring(&mut self, queue: u32, gap: u64) {
        let idle = self.rng.below(gap + 1);
        self.rtl.idle(idle);
        let hosts = &self.hosts[queue as usize];
        hosts[0].ring(&mut self.rtl);
        hosts[1].ring(&mut self.model);
    }

    /// The next completion of a queue: the same on both. Gives its status.
    fn take(&mut self, queue: u32) -> u16 {
        let mut ends = Vec::new();
        let devices = [&mut self.rtl as &mut dyn Device, &mut self.model];
        for (device, host) in devices.into_iter().zip(&mut self.hosts[queue as usize]) {
            let Some(done) = host.take(device) else {
                let registers = [regs::QUEUE_STATUS, regs::QUEUE_ERROR, regs::SQ_HEAD];
                let registers = registers.map(|register| host.read(device, register));
                panic!(
                    "SYSTOLE_SEED={}: queue {queue} waits: {registers:x?}",
                    self.seed
                );
            };
            ends.push((done.status, done.command, done.head, done.phase));
        }
        assert_eq!(
            ends[0], ends[1],
            "SYSTOLE_SEED={}, queue {queue}: RTL, model",
            self.seed
        );
        ends[0].0
    }

    fn give_back(&mut self, queue: u32) {
        let hosts = &self.hosts[queue as usize];
        hosts[0].give_back(&mut self.rtl);
        hosts[1].give_back(&mut self.model);
    }

    /// Submits good programs to a queue, rings, and gives their number.
    fn work(&mut self, queue: u32, gap: u64) -> usize {
        let room = self.hosts[queue as usize][0].room().min(7);
        let count = self.rng.below(room as u64 + 1) as usize;
        for index in 0..count {
            let words = bench::words(&self.program(queue));
            self.submit(queue, index, &words);
        }
        self.ring(queue, gap);
        count
    }

    /// All registers of a queue are the same on both. Whether the last interrupts were cleared or
    /// not needed any more is a matter of time.
    fn compare_queue(&mut self, queue: u32) {
        let irq_status = regs::of_queue(queue, regs::IRQ_STATUS);
        self.rtl.write(irq_status, regs::IRQ_COMPLETION);
        self.model.write(irq_status, regs::IRQ_COMPLETION);
        for register in regs::QUEUE_REGISTERS {
            let offset = regs::of_queue(queue, register.offset);
            let (ours, theirs) = (self.rtl.read(offset), self.model.read(offset));
            assert_eq!(
                ours, theirs,
                "SYSTOLE_SEED={}, {} of queue {queue}: RTL, model",
                self.seed, register.name
            );
        }
    }

    /// Rings, programs and data are the same on both, but for those of a queue that may do as it
    /// likes; there, the model gets what the RTL made.
    fn compare_memory(&mut self, but: Option<u32>) {
        let mut spared = Vec::new();
        if let Some(queue) = but {
            let queue = u64::from(queue);
            spared.push((queue * RINGS, RINGS));
            spared.push((DATA - BASE + queue * AREA, AREA));
        }
        let (ours, theirs) = (self.rtl.memory().bytes(), self.model.memory().bytes());
        for (start, len) in spared {
            let range = start as usize..(start + len) as usize;
            theirs[range.clone()].copy_from_slice(&ours[range]);
        }
        if ours != theirs {
            let at = ours.iter().zip(&*theirs).position(|(a, b)| a != b);
            panic!(
                "SYSTOLE_SEED={}: offset {at:x?} of memory differs",
                self.seed
            );
        }
    }

    /// Resets a queue on both and waits until it is over.
    fn reset_queue(&mut self, queue: u32) {
        let control = regs::of_queue(queue, regs::QUEUE_CONTROL);
        self.rtl.write(control, regs::QUEUE_RESET);
        self.model.write(control, regs::QUEUE_RESET);
        self.wait_for_queue(queue);
        self.compare_queue(queue);
    }

    fn wait_for_queue(&mut self, queue: u32) {
        let control = regs::of_queue(queue, regs::QUEUE_CONTROL);
        for _ in 0..20_000 {
            if self.rtl.read(control) == 0 {
                let status = self.rtl.read(regs::of_queue(queue, regs::QUEUE_STATUS));
                assert_eq!(status, 0, "the reset is over");
                return;
            }
        }
        panic!(
            "SYSTOLE_SEED={}: the reset of queue {queue} does not end",
            self.seed
        );
    }

    /// Sets a queue up whose indices are 0, on both.
    fn start_queue(&mut self, queue: u32) {
        let log2 = 1 + self.rng.below(3) as u32;
        self.hosts[queue as usize] = [
            Host::start_queue(&mut self.rtl, queue, log2),
            Host::start_queue(&mut self.model, queue, log2),
        ];
    }

    /// One good program on a queue, alone, with the right results.
    fn prove(&mut self, queue: u32) {
        let words = bench::words(&self.program(queue));
        self.submit(queue, 0, &words);
        self.ring(queue, 0);
        assert_eq!(self.take(queue), 0, "SYSTOLE_SEED={}", self.seed);
        self.give_back(queue);
    }
}

/// Random programs on all queues, some of them bad.
fn interleaved(queues: u32, memory: MemoryOptions, seed: u64, count: u64) {
    let mut pair = Pair::new(queues, memory, seed);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..rounds(count) {
        let mut expected = Vec::new();
        for queue in pair.shuffled() {
            let room = pair.hosts[queue as usize][0].room().min(7);
            let count = pair.rng.below(room as u64 + 1) as usize;
            for index in 0..count {
                let mut words = bench::words(&pair.program(queue));
                // Fails before anything was handed out, so that memory stays as it was.
                if pair.rng.once_in(5) {
                    words[0][0] ^= 1 << pair.rng.below(32);
                }
                pair.submit(queue, index, &words);
            }
            expected.push((queue, count));
        }
        for queue in pair.shuffled() {
            pair.ring(queue, 300);
        }
        for (queue, count) in expected {
            for _ in 0..count {
                match pair.take(queue) {
                    0 => good += 1,
                    _ => bad += 1,
                }
                if pair.rng.once_in(2) {
                    pair.give_back(queue);
                }
            }
            pair.give_back(queue);
        }
        for queue in 0..queues {
            pair.compare_queue(queue);
        }
        assert_eq!(pair.rtl.read(regs::STATUS), 0);
        pair.compare_memory(None);
    }
    assert!(good > count / 2 && bad > count / 6, "{good} {bad}");
}

#[test]
fn one_queue_alone() {
    interleaved(1, near(), 1, 30);
}

#[test]
fn two_queues() {
    interleaved(2, near(), 2, 30);
}

#[test]
fn two_queues_and_a_rough_memory() {
    interleaved(2, rough(3), 3, 30);
}

#[test]
fn four_queues() {
    interleaved(4, MemoryOptions::default(), 4, 15);
}

#[test]
fn eight_queues_and_a_rough_memory() {
    interleaved(8, rough(5), 5, 12);
}

/// What a queue may do wrong.
#[derive(Clone, Copy, Debug)]
enum Misdeed {
    /// Submissions of random bits.
    Submissions,
    /// A completion ring that does not exist.
    Completions,
    /// A submission ring that does not exist.
    Ring,
    /// A completion ring that stays full.
    Full,
    /// Doorbells that mean nothing, again and again.
    Doorbells,
    /// A program that waits for a token that nobody gives.
    Token,
    /// A program that loads from nowhere.
    Load,
    /// Another size of the rings in the middle of everything.
    Size,
    /// Disabled and enabled in the middle of a program.
    Disable,
}

const MISDEEDS: [Misdeed; 9] = [
    Misdeed::Submissions,
    Misdeed::Completions,
    Misdeed::Ring,
    Misdeed::Full,
    Misdeed::Doorbells,
    Misdeed::Token,
    Misdeed::Load,
    Misdeed::Size,
    Misdeed::Disable,
];

impl Pair {
    /// Lets a queue of the RTL do something wrong. The model's does nothing.
    fn misbehave(&mut self, queue: u32, misdeed: Misdeed) {
        let host = &self.hosts[queue as usize][0];
        let (ring, room) = (host.submissions(), host.room() as u64);
        let mut words = bench::words(&self.program(queue));
        let register = |register| regs::of_queue(queue, register);
        let rtl = &mut self.rtl;
        match misdeed {
            Misdeed::Submissions => {
                for word in 0..16 * (room + 1) {
                    let bits = self.rng.bits() as u32;
                    rtl.memory().put(ring + 4 * word, &[bits]);
                }
            }
            Misdeed::Completions => rtl.write(register(regs::CQ_BASE_HI), 0),
            Misdeed::Ring => rtl.write(register(regs::SQ_BASE_HI), 0x1234),
            Misdeed::Full => rtl.write(register(regs::CQ_HEAD), 1),
            Misdeed::Token => words[0][1] |= 1 << 15,
            // Nothing is there.
            Misdeed::Load => words[0][3] |= 0x80,
            Misdeed::Doorbells | Misdeed::Size | Misdeed::Disable => {}
        }
        if !matches!(misdeed, Misdeed::Submissions) {
            for index in 0..=room {
                let slot = Self::slot(queue, 0);
                let entry = bench::put_words(self.rtl.memory(), slot, &words, index);
                self.rtl.memory().put(ring + 64 * index, &entry);
            }
        }
        let rtl = &mut self.rtl;
        rtl.write(register(regs::SQ_TAIL), 1 + self.rng.below(room) as u32);
        match misdeed {
            Misdeed::Doorbells => {
                for _ in 0..20 {
                    let doorbell = self.rng.pick(&[regs::SQ_TAIL, regs::CQ_HEAD]);
                    rtl.write(register(doorbell), self.rng.bits() as u32);
                    let gap = self.rng.below(100);
                    rtl.idle(gap);
                }
            }
            Misdeed::Size => {
                for _ in 0..10 {
                    let gap = self.rng.below(200);
                    rtl.idle(gap);
                    rtl.write(register(regs::QUEUE_CONTROL), 0);
                    let log2 = self.rng.below(4) as u32;
                    rtl.write(register(regs::QUEUE_LOG2), log2);
                    rtl.write(register(regs::QUEUE_CONTROL), regs::QUEUE_ENABLE);
                    rtl.write(register(regs::SQ_TAIL), self.rng.bits() as u32);
                }
            }
            Misdeed::Disable => {
                for enabled in [0, regs::QUEUE_ENABLE, 0] {
                    let gap = self.rng.below(200);
                    rtl.idle(gap);
                    rtl.write(register(regs::QUEUE_CONTROL), enabled);
                }
            }
            _ => {}
        }
    }

    /// What a queue that misbehaved shows once the others are served.
    fn told(&mut self, queue: u32, misdeed: Misdeed) {
        let host = &self.hosts[queue as usize][0];
        let rtl = &mut self.rtl;
        let status = host.read(rtl, regs::QUEUE_STATUS);
        let error = host.read(rtl, regs::QUEUE_ERROR);
        let named = ErrorCode::from_code(error as u16);
        match misdeed {
            Misdeed::Completions => {
                assert_eq!(status, regs::QUEUE_ENABLED | regs::QUEUE_FAILED);
                assert_eq!(named, Some(ErrorCode::WriteFault));
                assert!(rtl.card.queue_irq(queue), "it calls");
                let taken = host.read(rtl, regs::SQ_HEAD);
                rtl.idle(1000);
                assert_eq!(
                    host.read(rtl, regs::SQ_HEAD),
                    taken,
                    "nothing more is taken"
                );
                assert_eq!(host.read(rtl, regs::CQ_TAIL), 0);
            }
            Misdeed::Full => {
                assert_eq!((status, error), (regs::QUEUE_ENABLED, 0));
                assert_eq!(host.read(rtl, regs::SQ_HEAD), 0, "nothing is taken");
            }
            Misdeed::Submissions => assert_eq!(named, Some(ErrorCode::BadSubmission)),
            Misdeed::Ring | Misdeed::Load => assert_eq!(named, Some(ErrorCode::ReadFault)),
            Misdeed::Token => assert_eq!(named, Some(ErrorCode::TokenNeverGiven)),
            Misdeed::Doorbells | Misdeed::Size | Misdeed::Disable => {}
        }
    }
}

/// One queue misbehaves, the others get what is theirs; then it is reset and behaves.
fn isolation(queues: u32, memory: MemoryOptions, seed: u64, count: u64) {
    let mut pair = Pair::new(queues, memory, seed);
    let mut served = 0;
    for round in 0..rounds(count) {
        let misdeed = MISDEEDS[round as usize % MISDEEDS.len()];
        let culprit = pair.any_queue();
        // A queue that begins anew: its indices are 0.
        pair.reset_queue(culprit);
        pair.start_queue(culprit);
        let first = pair.rng.once_in(2);
        if first {
            pair.misbehave(culprit, misdeed);
        }
        let mut expected = Vec::new();
        for queue in pair.shuffled() {
            if queue != culprit {
                let count = pair.work(queue, 50);
                expected.push((queue, count));
            }
        }
        if !first {
            let gap = pair.rng.below(800);
            pair.rtl.idle(gap);
            pair.misbehave(culprit, misdeed);
        }
        for (queue, count) in expected {
            for _ in 0..count {
                let status = pair.take(queue);
                assert_eq!(status, 0, "{misdeed:?}, SYSTOLE_SEED={}", pair.seed);
                served += 1;
            }
            pair.give_back(queue);
            pair.compare_queue(queue);
        }
        // Long enough for all that the culprit has asked for.
        pair.rtl.idle(12_000);
        assert_eq!(pair.rtl.read(regs::STATUS), 0, "{misdeed:?}");
        pair.told(culprit, misdeed);
        // Its programs may lie anywhere among its own.
        let slot = (Pair::slot(culprit, 0) - BASE) as usize;
        let programs = slot..slot + PROGRAM_BYTES as usize;
        let copy = pair.rtl.memory().bytes()[programs.clone()].to_vec();
        pair.model.memory().bytes()[programs].copy_from_slice(&copy);
        pair.compare_memory(Some(culprit));
        pair.reset_queue(culprit);
        pair.start_queue(culprit);
        for queue in pair.shuffled() {
            pair.prove(queue);
        }
        pair.compare_memory(None);
    }
    assert!(served > count / 2, "{served}");
}

#[test]
fn a_queue_that_misbehaves_beside_another() {
    isolation(2, near(), 11, 36);
}

#[test]
fn a_queue_that_misbehaves_among_eight_at_a_rough_memory() {
    isolation(8, rough(12), 12, 18);
}

/// Resets queue 1 after each of some numbers of cycles, while queue 0 has programs too.
fn resets(memory: MemoryOptions, seed: u64, step: usize) {
    let mut pair = Pair::new(2, memory, seed);
    let step = if systole_tests::full() { 1 } else { step };
    let (good, reset) = (0, 1);
    let words: [_; 3] = [good, reset, good].map(|queue| bench::words(&pair.program(queue)));
    for queue in [good, reset] {
        pair.reset_queue(queue);
        pair.hosts[queue as usize] = [
            Host::start_queue(&mut pair.rtl, queue, 2),
            Host::start_queue(&mut pair.model, queue, 2),
        ];
    }
    let submit = |pair: &mut Pair| {
        pair.submit(good, 0, &words[0]);
        pair.submit(good, 1, &words[2]);
        let tag = 7;
        let entry = bench::put_words(pair.rtl.memory(), Pair::slot(reset, 0), &words[1], tag);
        pair.hosts[1][0].submit(&mut pair.rtl, &entry, tag);
        pair.hosts[1][0].ring(&mut pair.rtl);
        pair.ring(good, 0);
    };
    let finish = |pair: &mut Pair| {
        for _ in 0..2 {
            assert_eq!(pair.take(good), 0, "SYSTOLE_SEED={}", pair.seed);
        }
        pair.give_back(good);
    };
    // How long all of it takes.
    submit(&mut pair);
    let start = pair.rtl.card.cycles();
    finish(&mut pair);
    pair.rtl.rest();
    let cycles = pair.rtl.card.cycles() - start;
    let mut completed = 0;
    for at in (0..cycles + 20).step_by(step) {
        pair.reset_queue(reset);
        pair.start_queue(reset);
        submit(&mut pair);
        pair.rtl.idle(at);
        let control = regs::of_queue(reset, regs::QUEUE_CONTROL);
        pair.rtl.write(control, regs::QUEUE_RESET);
        pair.model.write(control, regs::QUEUE_RESET);
        pair.wait_for_queue(reset);
        let ring = pair.hosts[1][0].completions() - BASE;
        completed += u64::from(pair.rtl.memory().bytes()[ring as usize + 28] & 1);
        // What it wrote is unknown; from now on it writes nothing.
        let area = (DATA - BASE + AREA) as usize;
        for device in [&mut pair.rtl as &mut dyn Device, &mut pair.model] {
            device.memory().bytes()[RINGS as usize..2 * RINGS as usize].fill(0xff);
            device.memory().bytes()[area + 0x7000..area + AREA as usize].fill(0xff);
            bench::put_words(device.memory(), Pair::slot(reset, 0), &words[1], 0);
        }
        finish(&mut pair);
        pair.rtl.idle(300);
        pair.compare_memory(None);
        for queue in [good, reset] {
            pair.compare_queue(queue);
        }
        assert_eq!(pair.rtl.read(regs::STATUS), 0, "reset in cycle {at}");
        assert_eq!(pair.rtl.read(regs::ERROR), 0, "reset in cycle {at}");
        pair.reset_queue(reset);
        pair.start_queue(reset);
        pair.prove(reset);
        pair.compare_memory(None);
    }
    assert!(completed > 0, "some resets come too late to stop anything");
    assert!(completed < cycles / step as u64, "most do not");
}

#[test]
fn a_reset_of_a_queue_in_every_cycle() {
    resets(near(), 21, 1);
}

#[test]
fn a_reset_of_a_queue_at_a_rough_memory() {
    resets(rough(22), 22, 9);
}

#[test]
fn a_reset_of_the_card_while_a_queue_is_reset() {
    let mut pair = Pair::new(4, MemoryOptions::default(), 23);
    for round in 0..60 {
        let queue = pair.any_queue();
        let words = bench::words(&pair.program(queue));
        pair.submit(queue, 0, &words);
        pair.hosts[queue as usize][0].ring(&mut pair.rtl);
        pair.rtl.idle(23 * round);
        let control = regs::of_queue(queue, regs::QUEUE_CONTROL);
        pair.rtl.write(control, regs::QUEUE_RESET);
        pair.rtl.idle(round % 5);
        for device in [&mut pair.rtl as &mut dyn Device, &mut pair.model] {
            device.write(regs::CONTROL, regs::CONTROL_RESET);
        }
        let over = (0..10_000).any(|_| pair.rtl.read(regs::STATUS) == 0);
        assert!(over, "round {round}");
        for queue in 0..4 {
            pair.compare_queue(queue);
            pair.start_queue(queue);
        }
        for queue in pair.shuffled() {
            pair.prove(queue);
        }
        for queue in 0..4 {
            pair.compare_queue(queue);
        }
    }
}

#[test]
fn a_queue_reset_does_not_mend_a_memory_that_hangs() {
    let mut pair = Pair::new(2, near(), 24);
    for round in 0..12 {
        for queue in 0..2 {
            pair.start_queue(queue);
        }
        pair.rtl.write(regs::WATCHDOG, 300);
        let words = bench::words(&pair.program(1));
        pair.submit(1, 0, &words);
        pair.hosts[1][0].ring(&mut pair.rtl);
        pair.rtl.idle(5 + 11 * round);
        pair.rtl.card.memory().hang(true);
        pair.rtl.idle(5);
        let control = regs::of_queue(1, regs::QUEUE_CONTROL);
        if round % 2 == 0 {
            pair.rtl.write(control, regs::QUEUE_RESET);
        }
        pair.rtl.idle(1000);
        assert_eq!(pair.rtl.read(regs::STATUS), regs::STATUS_FATAL);
        assert_eq!(
            pair.rtl.read(regs::ERROR) & 0xffff,
            ErrorCode::Watchdog as u32
        );
        let error = pair.rtl.read(regs::of_queue(1, regs::QUEUE_ERROR));
        assert_eq!(error & 0xffff, ErrorCode::Watchdog as u32);
        assert!(pair.rtl.card.queue_irq(0), "every queue is called");
        assert_eq!(pair.rtl.card.queue_irq(1), round % 2 == 1);
        pair.rtl.write(control, regs::QUEUE_RESET);
        pair.rtl.card.memory().hang(false);
        pair.rtl.idle(1000);
        assert_eq!(
            pair.rtl.read(regs::STATUS),
            regs::STATUS_FATAL,
            "only the card's"
        );
        assert_ne!(pair.rtl.read(control), 0, "it is not over");
        for device in [&mut pair.rtl as &mut dyn Device, &mut pair.model] {
            device.write(regs::CONTROL, regs::CONTROL_RESET);
        }
        let over = (0..10_000).any(|_| pair.rtl.read(regs::STATUS) == 0);
        assert!(over, "round {round}");
        for queue in 0..2 {
            pair.compare_queue(queue);
            pair.start_queue(queue);
            pair.prove(queue);
        }
        for device in [&mut pair.rtl as &mut dyn Device, &mut pair.model] {
            device.write(regs::CONTROL, regs::CONTROL_RESET);
        }
        pair.rtl.idle(500);
    }
}

/// Nothing that the host can see changes while the card says that it has nothing to do.
#[test]
fn a_card_that_is_not_active_stands_still() {
    let mut pair = Pair::new(4, rough(25), 25);
    let mut stops = 0;
    for round in 0..60 {
        let queue = pair.any_queue();
        let host = &pair.hosts[queue as usize][0];
        let register = |register| regs::of_queue(queue, register);
        match round % 6 {
            0 => pair
                .rtl
                .write(register(regs::QUEUE_CONTROL), regs::QUEUE_RESET),
            1 => pair.rtl.write(regs::CONTROL, regs::CONTROL_RESET),
            2 => pair.rtl.write(register(regs::CQ_BASE_HI), 0),
            _ => {}
        }
        if round % 6 > 1 {
            let entry = Submission {
                program: host.submissions(),
                commands: 1,
                tag: 1,
            };
            let ring = host.submissions();
            pair.rtl.memory().put(ring, &entry.encode());
            pair.rtl.write(register(regs::SQ_TAIL), 1);
        }
        assert!(pair.rtl.card.active(), "there is something to do");
        pair.rtl.rest();
        let look = |pair: &mut Pair| {
            let irqs: Vec<bool> = (0..4).map(|queue| pair.rtl.card.queue_irq(queue)).collect();
            (irqs, pair.rtl.memory().bytes().to_vec())
        };
        let before = look(&mut pair);
        pair.rtl.idle(2_000);
        assert!(before == look(&mut pair), "round {round}");
        assert!(!pair.rtl.card.active());
        assert_eq!(pair.rtl.read(regs::STATUS), 0);
        let called = match round % 6 {
            0 | 1 => false,
            _ => pair.rtl.read(register(regs::QUEUE_CONTROL)) != 0,
        };
        assert_eq!(before.0[queue as usize], called, "round {round}");
        stops += 1;
        pair.rtl.reset();
        for queue in 0..4 {
            pair.start_queue(queue);
        }
    }
    assert_eq!(stops, 60);
}

/// The error of a program, or of a queue, is that of the cause that memory names.
#[test]
fn causes_that_memory_names() {
    for (round, cause) in FaultCause::ALL.into_iter().cycle().take(24).enumerate() {
        let mut pair = Pair::new(1, near(), 30 + round as u64);
        for device in [&mut pair.rtl as &mut dyn Device, &mut pair.model] {
            device.memory().cause = cause;
        }
        let mut words = bench::words(&pair.program(0));
        let expected = match round / 6 {
            0 => {
                words[0][3] |= 0x80;
                cause.of_read()
            }
            1 => {
                let store = words.iter_mut().find(|words| words[0] == 3);
                store.expect("there is a STORE")[3] |= 0x80;
                cause.of_write()
            }
            2 => {
                pair.submit(0, 0, &words);
                let host = &pair.hosts[0][0];
                let entry = host.submissions();
                let nowhere = Submission {
                    program: 0x80_0000_0000,
                    commands: 3,
                    tag: pair.tags,
                };
                for device in [&mut pair.rtl as &mut dyn Device, &mut pair.model] {
                    device.memory().put(entry, &nowhere.encode());
                }
                cause.of_read()
            }
            _ => {
                for device in [&mut pair.rtl as &mut dyn Device, &mut pair.model] {
                    device.write(regs::CQ_BASE_HI, 0x80);
                }
                cause.of_write()
            }
        };
        if round / 6 != 2 {
            pair.submit(0, 0, &words);
        }
        pair.ring(0, 0);
        pair.rtl.idle(2_000);
        pair.model.idle(0);
        if round / 6 < 3 {
            assert_eq!(pair.take(0), expected as u16, "{cause:?}");
        }
        for device in [&mut pair.rtl as &mut dyn Device, &mut pair.model] {
            let error = device.read(regs::QUEUE_ERROR);
            assert_eq!(error & 0xffff, expected as u32, "{cause:?}, round {round}");
            assert_eq!(device.read(regs::ERROR), error);
            let failed = device.read(regs::QUEUE_STATUS) & regs::QUEUE_FAILED != 0;
            assert_eq!(failed, round / 6 == 3);
        }
    }
}
