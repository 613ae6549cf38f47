//! What goes wrong on the Verilated card behind PCIe, and what the ordinary driver makes of it, in
//! this process and behind a socket: the cause is named, the CPU does the work with the same bits,
//! once, and the card is used again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use isa::command::{CARD_MEMORY, COMMAND_BYTES, COMMAND_WORDS, Command, Load, Operation};
use isa::config::Config;
use isa::error::ErrorCode;
use isa::queue::{SUBMISSION_WORDS, Submission};
use isa::regs;
use pcie::config_space::registers::{DEVICE_CONTROL, DEVICE_CONTROL_RESET};
use pcie::root::{self, Fault, FaultKind};
use sim::function::Function as SimFunction;
use sim::{FunctionalCard, LinkOptions, RtlCard};
use systole::backend::Place;
use systole::device::{DeviceBackend, Options, Waiting};
use systole::dma::DmaMemory;
use systole::queue::{QueueError, reset, reset_queue};
use systole::transport::{Function, Patience, Transport};
use systole_tests::full;
use systole_tests::link::library;
use systole_tests::meddle::Plan;
use systole_tests::product::Product;
use systole_tests::rig::{Rig, Served, local};
use systole_tests::rng::Rng;

/// A product that takes some thousand cycles.
const SHORT: (usize, usize, usize) = (9, 40, 21);
/// One that takes long enough for something to happen in the middle of it.
const LONG: (usize, usize, usize) = (64, 96, 64);
/// Where nothing is mapped.
const NOWHERE: u64 = 0x7f_0000_0000;
/// Cycles after which a read fails.
const TIMEOUT: u32 = 3000;

fn card() -> RtlCard {
    let config = Config::with_array(4, 4);
    let options = LinkOptions {
        root: root::Options {
            stale_tag: 2 * u64::from(regs::LINK_TIMEOUT_RESET),
            ..root::Options::default()
        },
        ..LinkOptions::default()
    };
    let library = library(&config, options.root.words);
    RtlCard::with_library(&library, &config, &options).expect("good options")
}

fn options() -> Options {
    Options {
        // Whatever else this machine does, a program ends before.
        patience: Duration::from_secs(5),
        ..Options::default()
    }
}

/// A backend of queue 0 to which things can happen, and which gives up on reads early.
fn start<F: Function + 'static>(rig: &Rig<RtlCard, F>) -> (DeviceBackend, Plan) {
    let plan = Plan::default();
    let mut backend = rig.backend(0, &plan, options());
    let written = backend.transport().write(regs::LINK_TIMEOUT, TIMEOUT);
    written.expect("a write");
    (backend, plan)
}

/// Lets `change` change the first command that it wants to, of the program in this memory.
fn patch(memory: &DmaMemory, mut change: impl FnMut(&mut Operation) -> bool) {
    for index in 0.. {
        let at = index * COMMAND_BYTES;
        let mut words = [0; COMMAND_WORDS];
        memory.load_all(at / 4, &mut words);
        let mut command = Command::decode(&words).expect("the program ends without one");
        if change(&mut command.operation) {
            memory.store_all(at / 4, &command.encode());
            return;
        }
    }
}

/// Address of data that the program in this memory loads from the host.
fn input_of(memory: &DmaMemory) -> u64 {
    let mut found = 0;
    patch(memory, |operation| match operation {
        Operation::Load(load) if load.src < CARD_MEMORY => {
            found = load.src;
            true
        }
        _ => false,
    });
    found
}

fn program(memory: &[DmaMemory]) -> &DmaMemory {
    memory.last().expect("a program lies in memory")
}

fn an_address_that_is_not_mapped<F: Function + 'static>(rig: &Rig<RtlCard, F>, lost: &str) {
    let (mut backend, plan) = start(rig);
    let product = Product::new(1, SHORT);
    product.run_on_card(&mut backend);
    plan.at_doorbell(|memory| {
        patch(program(memory), |operation| match operation {
            Operation::Load(load) if load.src < CARD_MEMORY => {
                load.src = NOWHERE;
                true
            }
            _ => false,
        });
    });
    product.run_on_cpu(&mut backend, ErrorCode::UnsupportedRequest.describe());
    let faults = rig.with_card(|card| card.dma().faults());
    assert!(faults.reads > 0 && faults.writes == 0, "{faults:?}");
    product.run_on_card(&mut backend);
    plan.at_doorbell(|memory| {
        patch(program(memory), |operation| match operation {
            Operation::Store(store) => {
                store.dst = NOWHERE;
                true
            }
            _ => false,
        });
    });
    // Writes are posted: the card does not learn of it, and ends the program well.
    product.run_on_cpu(&mut backend, lost);
    assert!(rig.with_card(|card| card.dma().faults().writes) > 0);
    product.run_on_card(&mut backend);
    assert_eq!(backend.faults(), 2);
}

#[test]
fn an_address_that_is_not_mapped_in_this_process() {
    let lost = format!("a write of the card was lost: nothing is mapped at address {NOWHERE:#x}");
    an_address_that_is_not_mapped(&local(card()), &lost);
}

#[test]
fn an_address_that_is_not_mapped_behind_a_socket() {
    let server = Served::new(card());
    let lost = "the card wrote to memory that it was not given";
    an_address_that_is_not_mapped(&server.open(), lost);
    server.end();
}

/// Products so long that each is a program of its own, and short to compute.
const MANY: (usize, usize, usize) = (4, 4, 12_000);
/// The store of such a program whose data are lost: one in the midst of it.
const LOST_STORE: usize = 1000;

/// Lets `act` happen just before the doorbell of the program with this number, from 0 on.
fn at_doorbell_of(plan: &Plan, number: usize, act: impl FnOnce(&[DmaMemory]) + Send + 'static) {
    let again = plan.clone();
    plan.at_doorbell(move |memory| match number {
        0 => act(memory),
        _ => at_doorbell_of(&again, number - 1, act),
    });
}

#[test]
fn a_write_is_lost_while_several_programs_are_under_way() {
    let server = Served::new(card());
    let rig = server.open();
    let plan = Plan::default();
    for waiting in WAITINGS {
        let options = Options {
            in_flight: 4,
            ..patient(waiting)
        };
        let mut backend = rig.backend(0, &plan, options);
        let products: Vec<_> = (0..5).map(|seed| Product::new(seed, MANY)).collect();
        let lost_before = rig.with_card(|card| card.dma().faults().writes);
        at_doorbell_of(&plan, 1, |memory| {
            let mut stores = 0;
            patch(program(memory), |operation| match operation {
                Operation::Store(store) => {
                    stores += 1;
                    if stores == LOST_STORE {
                        store.dst = NOWHERE;
                    }
                    stores == LOST_STORE
                }
                _ => false,
            });
        });
        let reports = Product::run_all(&products, &mut backend);
        assert!(rig.with_card(|card| card.dma().faults().writes) > lost_before);
        // Whoever cannot rule out that the write was its own is done again.
        for (index, report) in reports.iter().enumerate() {
            let why = "the card wrote to memory that it was not given";
            match report.place {
                Place::Device => assert_eq!(index, 0, "its result is not whole"),
                Place::Cpu => assert!(report.reason.contains(why), "{}", report.reason),
            }
        }
        assert_eq!(backend.faults(), 1);
        // The first, the one with the loss, and two more were on the card then.
        let sent = backend.programs().count;
        assert!(sent >= 4, "{sent} programs were under way");
        for report in Product::run_all(&products[..2], &mut backend) {
            assert_eq!(report.place, Place::Device, "{}", report.reason);
        }
        assert_eq!(backend.faults(), 1);
    }
    server.end();
}

const KINDS: [(FaultKind, ErrorCode); 4] = [
    (FaultKind::Dropped, ErrorCode::CompletionTimeout),
    (FaultKind::Poisoned, ErrorCode::PoisonedCompletion),
    (FaultKind::Unsupported, ErrorCode::UnsupportedRequest),
    (FaultKind::Abort, ErrorCode::CompleterAbort),
];

fn reads_that_go_wrong<F: Function + 'static>(rig: &Rig<RtlCard, F>) {
    let product = Product::new(2, SHORT);
    for (kind, error) in KINDS {
        let (mut backend, plan) = start(rig);
        // The submission, which has a ring of its own, the program, its data.
        for place in 0..3 {
            let card = Arc::clone(&rig.card);
            plan.at_doorbell(move |memory| {
                let address = match place {
                    // Of a queue that has just been started, the first memory is that ring.
                    0 => memory[0].address(),
                    1 => program(memory).address(),
                    _ => input_of(program(memory)),
                };
                let fault = Fault {
                    addresses: address..address + 1,
                    kind,
                    times: None,
                };
                let mut card = card.lock().unwrap_or_else(PoisonError::into_inner);
                card.root().set_faults(vec![fault]);
            });
            let report = product.run(&mut backend);
            rig.with_card(|card| card.root().set_faults(Vec::new()));
            let reason = &report.reason;
            assert!(
                reason.contains(error.describe()),
                "{kind:?}, {place}: {reason}"
            );
            assert_eq!(
                reason.contains("the submission itself"),
                place == 0,
                "{reason}"
            );
            assert_eq!(backend.faults(), place + 1);
            if place > 0 {
                product.run_on_card(&mut backend);
            }
        }
    }
}

#[test]
fn reads_that_go_wrong_in_this_process() {
    reads_that_go_wrong(&local(card()));
}

#[test]
fn reads_that_go_wrong_behind_a_socket() {
    let server = Served::new(card());
    reads_that_go_wrong(&server.open());
    server.end();
}

/// The two ways in which software resets a function.
#[derive(Clone, Copy, Debug)]
enum Reset {
    ByConfiguration,
    ByRequest,
}

impl Reset {
    fn strike(self, function: &impl Function) {
        let done = match self {
            Self::ByConfiguration => {
                let bit = DEVICE_CONTROL_RESET.to_le_bytes();
                function.config_write(DEVICE_CONTROL, &bit)
            }
            Self::ByRequest => function.reset(),
        };
        done.expect("a reset");
    }
}

/// A driver that would wait for longer than anybody watches a test.
fn patient(waiting: Waiting) -> Options {
    Options {
        waiting,
        patience: Duration::from_secs(3600),
        ..Options::default()
    }
}

const WAITINGS: [Waiting; 2] = [Waiting::Interrupt, Waiting::Spinning];

/// Somebody else resets the function after the driver has waited for so long; says whether that was
/// in the middle of a program. The driver finds out at once.
fn reset_after<F: Function + 'static>(
    rig: &Rig<RtlCard, F>,
    backend: &mut DeviceBackend,
    plan: &Plan,
    reset: Reset,
    after: Patience,
) -> bool {
    let product = Product::new(4, LONG);
    let other = rig.way.queue(1).expect("a second queue");
    let (struck, faults) = (plan.struck(), backend.faults());
    plan.in_program(after, move || reset.strike(other.function()));
    let report = product.run(backend);
    if plan.struck() == struck {
        assert_eq!(report.place, Place::Device, "{}", report.reason);
        return false;
    }
    assert_eq!(report.place, Place::Cpu, "{reset:?} after {after:?}");
    let reason = report.reason;
    assert!(reason.contains("somebody else has reset it"), "{reason}");
    assert_eq!(backend.faults(), faults + 1);
    Product::new(5, SHORT).run_on_card(backend);
    true
}

#[test]
fn resets_from_outside_in_this_process() {
    let rig = local(card());
    let product = Product::new(4, LONG);
    let now = || rig.way.clock().expect("it has one");
    let rounds = if full() { 60 } else { 8 };
    let mut rng = Rng::new(1);
    for waiting in WAITINGS {
        let plan = Plan::default();
        let mut backend = rig.backend(0, &plan, patient(waiting));
        let begin = now();
        product.run_on_card(&mut backend);
        let most = now() - begin;
        let mut struck = 0;
        for reset in [Reset::ByConfiguration, Reset::ByRequest] {
            for round in 0..rounds {
                let cycles = most * round / rounds + rng.below(most / rounds);
                let after = Patience {
                    cycles,
                    time: Duration::MAX,
                };
                struck += u64::from(reset_after(&rig, &mut backend, &plan, reset, after));
            }
        }
        // The program is shorter than the whole time.
        assert!(struck > rounds, "{waiting:?}: {struck} of {}", 2 * rounds);
    }
}

#[test]
fn resets_from_outside_behind_a_socket() {
    let server = Served::new(card());
    let rig = server.open();
    for waiting in WAITINGS {
        let plan = Plan::default();
        let mut backend = rig.backend(0, &plan, patient(waiting));
        for reset in [Reset::ByConfiguration, Reset::ByRequest] {
            // At its beginning and further on; the program may be over before.
            let mut struck = 0;
            for millis in [0, 15, 0, 10, 5, 3, 0, 2, 1, 0] {
                let after = Patience {
                    cycles: u64::MAX,
                    time: Duration::from_millis(millis),
                };
                struck += u64::from(reset_after(&rig, &mut backend, &plan, reset, after));
                if struck == 2 {
                    break;
                }
            }
            assert_eq!(struck, 2, "{reset:?} did not come in time");
        }
    }
    server.end();
}

/// Somebody else resets the function just before a program is made known to it: its doorbell says
/// nothing to a queue that is off, so nothing ever comes of it.
fn a_reset_before_a_doorbell<C: SimFunction + 'static, F: Function + 'static>(rig: &Rig<C, F>) {
    let product = Product::new(7, SHORT);
    for waiting in WAITINGS {
        let plan = Plan::default();
        let mut backend = rig.backend(0, &plan, patient(waiting));
        for reset in [Reset::ByConfiguration, Reset::ByRequest] {
            product.run_on_card(&mut backend);
            let other = rig.way.queue(1).expect("a second queue");
            plan.at_doorbell(move |_| reset.strike(other.function()));
            product.run_on_cpu(&mut backend, "somebody else has reset it");
        }
        product.run_on_card(&mut backend);
        assert_eq!(backend.faults(), 2);
    }
}

fn functional() -> FunctionalCard {
    FunctionalCard::new(&Config::with_array(4, 4)).expect("a card")
}

#[test]
fn a_reset_before_a_doorbell_in_this_process() {
    a_reset_before_a_doorbell(&local(functional()));
    a_reset_before_a_doorbell(&local(card()));
}

#[test]
fn a_reset_before_a_doorbell_behind_a_socket() {
    let server = Served::new(functional());
    a_reset_before_a_doorbell(&server.open());
    server.end();
    let server = Served::new(card());
    a_reset_before_a_doorbell(&server.open());
    server.end();
}

/// A reset after which nobody brings the settings of the function back: its registers read all ones,
/// as when it is pulled out. The driver switches it on again.
fn a_function_left_switched_off<F: Function + 'static>(rig: &Rig<RtlCard, F>) {
    let (mut backend, plan) = start(rig);
    let product = Product::new(6, SHORT);
    product.run_on_card(&mut backend);
    for faults in 1..4 {
        let card = Arc::clone(&rig.card);
        plan.at_doorbell(move |_| {
            let mut card = card.lock().unwrap_or_else(PoisonError::into_inner);
            card.reset().expect("a reset");
        });
        product.run_on_cpu(&mut backend, "the device is gone");
        assert_eq!(backend.faults(), faults);
        product.run_on_card(&mut backend);
    }
}

#[test]
fn a_function_left_switched_off_in_this_process() {
    a_function_left_switched_off(&local(card()));
}

#[test]
fn a_function_left_switched_off_behind_a_socket() {
    let server = Served::new(card());
    a_function_left_switched_off(&server.open());
    server.end();
}

/// What a host can do wrong with a queue of its own.
#[derive(Clone, Copy, Debug)]
enum Misdeed {
    /// Submissions that mean nothing.
    Garbage,
    /// A ring of submissions where nothing is mapped.
    RingNowhere,
    /// A doorbell beyond the ring.
    Doorbell,
    /// Programs that fail, and completions that are never given back.
    FullRing,
    /// A reset of the queue while its program runs.
    Reset,
}

const MISDEEDS: [Misdeed; 5] = [
    Misdeed::Garbage,
    Misdeed::RingNowhere,
    Misdeed::Doorbell,
    Misdeed::FullRing,
    Misdeed::Reset,
];

/// Entries of the ring of one who misbehaves, as a power of two.
const LOG2: u32 = 2;

impl Misdeed {
    /// Does it once, on a queue that is started and reset for it.
    fn commit(self, way: &mut impl Transport, rng: &mut Rng) -> Result<(), QueueError> {
        let at = |register| regs::of_queue(1, register);
        let program = way.allocate(4096)?;
        let [submissions, completions] = [way.allocate(4096)?, way.allocate(4096)?];
        let mut load = Load {
            src: program.address(),
            row_lines: 1,
            rows: 64,
            ..Load::default()
        };
        if !matches!(self, Self::Reset) {
            load.src = NOWHERE;
        }
        program.store_all(0, &Command::new(Operation::Load(load)).encode());
        for entry in 0..1 << LOG2 {
            let words = match self {
                Self::Garbage => [(); SUBMISSION_WORDS].map(|()| rng.bits() as u32),
                _ => Submission {
                    program: program.address(),
                    commands: 1,
                    tag: 1,
                }
                .encode(),
            };
            submissions.store_all(entry * SUBMISSION_WORDS, &words);
        }
        let ring = match self {
            Self::RingNowhere => NOWHERE,
            _ => submissions.address(),
        };
        let tail = match self {
            Self::Doorbell => rng.bits() as u32 | 1 << LOG2,
            _ => (1 << LOG2) - 1,
        };
        for (register, value) in [
            (regs::SQ_BASE_LO, ring as u32),
            (regs::SQ_BASE_HI, (ring >> 32) as u32),
            (regs::CQ_BASE_LO, completions.address() as u32),
            (regs::CQ_BASE_HI, (completions.address() >> 32) as u32),
            (regs::QUEUE_LOG2, LOG2),
            (regs::QUEUE_CONTROL, regs::QUEUE_ENABLE),
            (regs::SQ_TAIL, tail),
        ] {
            way.write(at(register), value)?;
        }
        let moment = Patience {
            cycles: 200 + rng.below(1000),
            time: Duration::from_millis(rng.below(10)),
        };
        way.wait(moment)?;
        if let Self::FullRing = self {
            // Once more round the ring, whose completions were never given back.
            way.write(at(regs::SQ_TAIL), tail.wrapping_sub(1))?;
            way.wait(moment)?;
        }
        // Also whatever it was that is under way ends here.
        reset_queue(way).map(drop)
    }
}

fn two_queues<F: Function + 'static>(rig: &Rig<RtlCard, F>) {
    let (mut backend, _) = start(rig);
    let mut other = rig.way.queue(1).expect("a second queue");
    let done = AtomicBool::new(false);
    let rounds = if full() { 200 } else { 15 };
    std::thread::scope(|scope| {
        let culprit = scope.spawn(|| {
            reset(&mut other).expect("it has been reset with the card");
            let mut rng = Rng::new(9);
            let mut count = 0;
            while !done.load(Ordering::Relaxed) || count < MISDEEDS.len() {
                let misdeed = MISDEEDS[count % MISDEEDS.len()];
                let committed = misdeed.commit(&mut other, &mut rng);
                committed.unwrap_or_else(|error| panic!("{misdeed:?}: {error}"));
                count += 1;
            }
        });
        for seed in 0..rounds {
            Product::new(seed, SHORT).run_on_card(&mut backend);
        }
        done.store(true, Ordering::Relaxed);
        culprit.join().expect("no panic");
    });
    assert_eq!(backend.faults(), 0);
    Product::new(1, SHORT).run_on_card(&mut backend);
}

#[test]
fn a_queue_that_misbehaves_harms_no_other_in_this_process() {
    two_queues(&local(card()));
}

#[test]
fn a_queue_that_misbehaves_harms_no_other_behind_a_socket() {
    let server = Served::new(card());
    two_queues(&server.open());
    server.end();
}
