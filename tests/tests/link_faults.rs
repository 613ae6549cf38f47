//! Reads over the link that go wrong: the completion names the cause, nothing hangs, and the card
//! goes on.

use std::ops::Range;

use isa::config::Config;
use isa::error::ErrorCode;
use isa::regs;
use pcie::config_space::registers as config;
use pcie::root::{self, Fault, FaultKind, Random};
use sim::LinkOptions;
use sim::function::Function;
use systole_tests::bench::{DATA, Device, Host, PROGRAMS, put_words, words};
use systole_tests::link::Linked;
use systole_tests::program::{identity, widen, widened};
use systole_tests::rng::Rng;

/// Rows of the program that runs here.
const ROWS: u32 = 256;
const WEIGHTS: u64 = DATA;
const INPUT: u64 = DATA + 0x1000;
const OUTPUT: u64 = DATA + 0x4000;

/// Cycles after which a read fails in these tests.
const TIMEOUT: u32 = 3000;

fn shape() -> Config {
    Config {
        card_memory_mib: 0,
        ..Config::with_array(4, 4)
    }
}

fn options(random: Option<Random>) -> LinkOptions {
    LinkOptions {
        root: root::Options {
            // However soon answers are given up, as long as the card may take them to come.
            stale_tag: 2 * u64::from(regs::LINK_TIMEOUT_RESET),
            random,
            ..root::Options::default()
        },
        audit: true,
        ..LinkOptions::default()
    }
}

/// A card, a queue, and the data of the program.
struct Test {
    linked: Linked,
    host: Host,
    data: Vec<u8>,
    tag: u64,
}

impl Test {
    fn new(options: &LinkOptions, seed: u64) -> Self {
        let mut linked = Linked::new(&shape(), options);
        linked.write(regs::LINK_TIMEOUT, TIMEOUT);
        let host = Host::start(&mut linked, 3);
        let mut rng = Rng::new(seed);
        let data: Vec<u8> = (0..ROWS * shape().rows).map(|_| rng.bits() as u8).collect();
        let matrix = identity(&shape());
        linked.memory().at(WEIGHTS)[..matrix.len()].copy_from_slice(&matrix);
        linked.memory().at(INPUT)[..data.len()].copy_from_slice(&data);
        Self {
            linked,
            host,
            data,
            tag: 0,
        }
    }

    /// Submits the program; its completion has this tag.
    fn submit(&mut self) {
        let program = words(&widen(&shape(), INPUT, WEIGHTS, OUTPUT, ROWS));
        let entry = put_words(self.linked.memory(), PROGRAMS.start, &program, self.tag);
        self.linked.memory().at(OUTPUT)[..4 * self.data.len()].fill(0);
        self.host.submit(&mut self.linked, &entry, self.tag);
        self.host.ring(&mut self.linked);
    }

    /// Runs the program; the cause of its end, and the command that failed.
    fn run(&mut self) -> (ErrorCode, u16) {
        self.tag += 1;
        self.end()
    }

    /// Runs the program, whose submission the card cannot read: it knows no tag.
    fn run_unread(&mut self) -> ErrorCode {
        self.tag = 0;
        self.end().0
    }

    fn end(&mut self) -> (ErrorCode, u16) {
        self.submit();
        let done = self.host.take(&mut self.linked).expect("a completion");
        self.host.give_back(&mut self.linked);
        let error = ErrorCode::from_code(done.status).expect("a known cause");
        (error, done.command)
    }

    /// Runs the program, which must succeed.
    fn run_well(&mut self) {
        assert_eq!(self.run().0, ErrorCode::Success);
        let expected = widened(&self.data);
        assert!(self.linked.memory().at(OUTPUT)[..expected.len()] == expected);
    }

    fn set_fault(&mut self, addresses: Range<u64>, kind: FaultKind, times: Option<u32>) {
        self.linked.card.root().set_faults(vec![Fault {
            addresses,
            kind,
            times,
        }]);
    }
}

const KINDS: [(FaultKind, ErrorCode); 4] = [
    (FaultKind::Poisoned, ErrorCode::PoisonedCompletion),
    (FaultKind::Abort, ErrorCode::CompleterAbort),
    (FaultKind::Unsupported, ErrorCode::UnsupportedRequest),
    (FaultKind::Dropped, ErrorCode::CompletionTimeout),
];

#[test]
fn each_cause_is_named_wherever_it_strikes_and_the_card_goes_on() {
    for random in [None, Some(Random::rough(1))] {
        for (kind, error) in KINDS {
            let mut test = Test::new(&options(random), 3);
            test.run_well();
            // The data of the second command, in the middle; the program; the submission.
            let middle = INPUT + test.data.len() as u64 / 2;
            test.set_fault(middle..middle + 1, kind, None);
            assert_eq!(test.run(), (error, 1), "{kind:?} in data");
            test.set_fault(PROGRAMS.start + 64..PROGRAMS.start + 65, kind, None);
            assert_eq!(test.run().0, error, "{kind:?} in the program");
            let entry = test.host.next_entry();
            test.set_fault(entry..entry + 4, kind, None);
            assert_eq!(test.run_unread(), error, "{kind:?} in the submission");
            test.set_fault(0..0, kind, None);
            test.run_well();
            test.run_well();
        }
    }
}

#[test]
fn an_answer_that_comes_too_late_does_no_harm() {
    for seed in 0..6 {
        let random = (seed > 0).then(|| Random::rough(seed));
        let mut test = Test::new(&options(random), seed);
        // All of the input is late, and comes while the next programs use other tags.
        let (timeout, more) = (u64::from(TIMEOUT), seed * 400);
        let input = INPUT..INPUT + test.data.len() as u64;
        let kind = FaultKind::Late(timeout + more);
        test.set_fault(input, kind, Some(1 + seed as u32 % 2));
        assert_eq!(test.run(), (ErrorCode::CompletionTimeout, 1));
        test.set_fault(0..0, kind, None);
        for _ in 0..6 {
            test.run_well();
        }
    }
}

#[test]
fn late_but_in_time_is_in_time() {
    let mut test = Test::new(&options(None), 1);
    let input = INPUT..INPUT + test.data.len() as u64;
    // 250 cycles of latency, the bound's own grain, and what waits in front.
    test.set_fault(input, FaultKind::Late(u64::from(TIMEOUT) - 700), None);
    test.run_well();
}

#[test]
fn a_timeout_of_zero_never_comes() {
    let mut test = Test::new(&options(None), 1);
    test.linked.write(regs::LINK_TIMEOUT, 0);
    let input = INPUT..INPUT + test.data.len() as u64;
    test.set_fault(input, FaultKind::Late(100_000), Some(1));
    test.run_well();
}

#[test]
fn all_tags_may_be_lost() {
    let mut test = Test::new(&options(None), 1);
    let everything = 0..u64::MAX;
    test.set_fault(INPUT..INPUT + 0x1000, FaultKind::Dropped, None);
    for _ in 0..12 {
        assert_eq!(test.run().0, ErrorCode::CompletionTimeout);
    }
    // Nothing answers at all: the submission cannot be read, but the completion can be written.
    test.set_fault(everything, FaultKind::Dropped, None);
    for _ in 0..3 {
        assert_eq!(test.run_unread(), ErrorCode::CompletionTimeout);
    }
    test.set_fault(0..0, FaultKind::Dropped, None);
    test.run_well();
}

#[test]
fn memory_that_is_not_mapped_is_unsupported_and_lost_writes_are_counted() {
    let mut test = Test::new(&options(None), 1);
    let cases = [
        (0x9_0000_0000, OUTPUT, ErrorCode::UnsupportedRequest),
        (INPUT, 0x9_0000_0000, ErrorCode::Success),
        // An address of interrupts is no memory, and data there is no interrupt.
        (INPUT, 0xfee0_0000, ErrorCode::Success),
    ];
    for (src, dst, error) in cases {
        test.tag += 1;
        let program = words(&widen(&shape(), src, WEIGHTS, dst, ROWS));
        let entry = put_words(test.linked.memory(), PROGRAMS.start, &program, test.tag);
        let done = test.host.run(&mut test.linked, &entry, test.tag);
        let status = done.map(|done| done.status);
        assert_eq!(status, Some(error as u16), "{src:#x} to {dst:#x}");
    }
    let lost = 4 * test.data.len() as u64 / 128;
    let traffic = *test.linked.card.root().traffic();
    assert_eq!(traffic.refused_writes, 2 * lost);
    let faults = test.linked.card.dma().faults();
    assert_eq!(faults.writes, 2 * lost);
    assert!(faults.reads > 0);
    test.run_well();
}

/// Bus mastering ends in every phase of a program: the program ends with that cause, or its
/// completion cannot be written; no request leaves the card, and a reset makes all well.
#[test]
fn bus_mastering_ends_in_mid_program() {
    for random in [None, Some(Random::rough(8))] {
        let mut test = Test::new(&options(random), 3);
        let start = test.linked.card.cycles().unwrap_or(0);
        test.run_well();
        let duration = test.linked.card.cycles().unwrap_or(0) - start;
        let step = duration / 25;
        let mut failed = 0;
        for at in (1..duration).step_by(step as usize) {
            test.submit();
            test.linked.idle(at);
            test.linked.command(config::COMMAND_MEMORY);
            // The answers that are under way come; then the link is silent.
            test.linked.idle(2 * u64::from(TIMEOUT));
            let sent = test.linked.card.root().traffic().from_card.packets;
            test.linked.idle(1000);
            assert_eq!(test.linked.card.root().traffic().from_card.packets, sent);
            let status = test.host.read(&mut test.linked, regs::QUEUE_STATUS);
            if status & regs::QUEUE_FAILED != 0 {
                failed += 1;
                let error = test.host.read(&mut test.linked, regs::QUEUE_ERROR);
                assert_eq!(error as u16, ErrorCode::BusMasterOff as u16);
            }
            test.linked.reset();
            let at_rest = (0..100_000).any(|_| test.linked.read(regs::STATUS) == 0);
            assert!(at_rest, "the card is not at rest after its reset");
            test.linked.write(regs::LINK_TIMEOUT, TIMEOUT);
            test.host = Host::start(&mut test.linked, 3);
            test.run_well();
        }
        assert!(failed >= 10, "{failed}");
    }
}

/// One queue's reads fail in every way while another queue works: it never notices.
#[test]
fn a_queue_whose_memory_fails_does_not_touch_another() {
    for (kind, error) in KINDS {
        let mut test = Test::new(&options(Some(Random::rough(5))), 4);
        let mut bad = Host::start_queue(&mut test.linked, 1, 3);
        let nowhere = DATA + 0x8_0000;
        let program = words(&widen(&shape(), nowhere, WEIGHTS, nowhere, ROWS));
        test.set_fault(nowhere..nowhere + 0x1000, kind, None);
        for tag in 100..106 {
            let place = PROGRAMS.start + 0x1000;
            let entry = put_words(test.linked.memory(), place, &program, tag);
            bad.submit(&mut test.linked, &entry, tag);
            bad.ring(&mut test.linked);
            test.run_well();
            let done = bad.take(&mut test.linked).expect("it ends");
            assert_eq!(done.status, error as u16, "{kind:?}");
            bad.give_back(&mut test.linked);
        }
    }
}
