//! What faults leave behind in this process: nothing. A test of its own, because it counts what the
//! whole process holds. The cards are functional, which are quick; the driver is the same.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use isa::command::{CARD_MEMORY, COMMAND_WORDS, Command, Operation};
use isa::config::Config;
use isa::error::ErrorCode;
use sim::FunctionalCard;
use sim::function::Function as _;
use systole::device::Options;
use systole::dma::DmaMemory;
use systole::transport::Function;
use systole_tests::full;
use systole_tests::meddle::Plan;
use systole_tests::product::Product;
use systole_tests::rig::{Rig, Served, local};

const SHAPE: (usize, usize, usize) = (9, 40, 21);
/// Where nothing is mapped.
const NOWHERE: u64 = 0x7f_0000_0000;

fn card() -> FunctionalCard {
    let config = Config {
        card_memory_mib: 1,
        ..Config::with_array(4, 4)
    };
    FunctionalCard::new(&config).expect("a card")
}

/// Sends the first access of a kind of a program to where nothing is mapped.
fn send_astray(program: &DmaMemory, write: bool) {
    for first in (0..).step_by(COMMAND_WORDS) {
        let mut words = [0; COMMAND_WORDS];
        program.load_all(first, &mut words);
        let mut command = Command::decode(&words).expect("the program ends without one");
        match &mut command.operation {
            Operation::Load(load) if !write && load.src < CARD_MEMORY => load.src = NOWHERE,
            Operation::Store(store) if write => store.dst = NOWHERE,
            _ => continue,
        }
        program.store_all(first, &command.encode());
        return;
    }
}

/// Three faults on one card, after which it is as it was.
fn round<F: Function + 'static>(rig: &Rig<FunctionalCard, F>, product: &Product) {
    let plan = Plan::default();
    let options = Options {
        patience: Duration::from_millis(20),
        ..Options::default()
    };
    let mut backend = rig.backend(0, &plan, options);
    for write in [false, true] {
        plan.at_doorbell(move |memory| {
            send_astray(memory.last().expect("the program"), write);
        });
        let why = match write {
            false => ErrorCode::UnsupportedRequest.describe(),
            true => "the card",
        };
        product.run_on_cpu(&mut backend, why);
        product.run_on_card(&mut backend);
    }
    // The function is reset behind the driver's back, and stays switched off.
    let card = Arc::clone(&rig.card);
    plan.at_doorbell(move |_| {
        let mut card = card.lock().unwrap_or_else(PoisonError::into_inner);
        card.reset().expect("a reset");
    });
    product.run_on_cpu(&mut backend, "the device is gone");
    product.run_on_card(&mut backend);
    drop(backend);
    assert_eq!(rig.way.usage().used, 0);
    assert_eq!(rig.way.card_memory_free(), 1 << 20);
}

/// Open descriptors, mappings and threads of this process.
fn held() -> [usize; 3] {
    let entries = |path| std::fs::read_dir(path).expect("Linux").count();
    let mappings = std::fs::read_to_string("/proc/self/maps").expect("Linux");
    [
        entries("/proc/self/fd"),
        mappings.lines().count(),
        entries("/proc/self/task"),
    ]
}

#[test]
fn a_thousand_faults_leave_nothing_behind() {
    let product = Product::new(3, SHAPE);
    let kept = local(card());
    let server = Served::new(card());
    let all = || {
        // A card that stays, one that goes, a client that goes.
        round(&kept, &product);
        round(&local(card()), &product);
        round(&server.open(), &product);
        // A server that ends while its client has a program under way.
        let short = Served::new(card());
        let plan = Plan::default();
        let mut backend = short.open().backend(0, &plan, Options::default());
        product.run_on_card(&mut backend);
        plan.at_doorbell(move |_| short.end());
        product.run_on_cpu(&mut backend, "the device is gone");
        product.run_on_cpu(&mut backend, "out of use");
    };
    // Ten faults each.
    let rounds = if full() { 1000 } else { 100 };
    (0..10).for_each(|_| all());
    let before = held();
    (0..rounds).for_each(|_| all());
    let after = held();
    let [files, mappings, threads] = [0, 1, 2].map(|kind| (before[kind], after[kind]));
    assert!(files.1 <= files.0, "descriptors: {files:?}");
    assert!(threads.1 <= threads.0, "threads: {threads:?}");
    // The allocator and threads that end may hold a few more or less.
    assert!(mappings.1 < mappings.0 + 50, "mappings: {mappings:?}");
    server.end();
}
