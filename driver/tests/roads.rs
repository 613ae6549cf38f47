//! The same driver on every road that this machine has: a card in this process and one behind the
//! socket of a server.

#![cfg(feature = "sim")]

mod road;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use isa::config::Config;
use isa::regs;
use sim::FunctionalCard;
use sim::dma::DmaTable;
use sim::function::{CardMemory, Function as SimFunction, FunctionError};
use systole::backend::{Outcome, Place};
use systole::cpu::CpuBackend;
use systole::device::{DeviceBackend, Options, Waiting};
use systole::dma::{Backing, DmaMemory};
use systole::queue::{QueueError, reset};
use systole::transport::{
    Claim, Function, FunctionTransport, LocalFunction, Patience, Transport, TransportError,
    UserFunction, Wake,
};

use road::{Product, Server, backend, config, local, on_card};

#[track_caller]
fn on_cpu(outcome: &Outcome, why: &str) {
    let report = &outcome.report;
    assert_eq!(report.place, Place::Cpu);
    assert!(report.reason.contains(why), "{}", report.reason);
}

fn products_run<F: Function + 'static>(transport: FunctionTransport<F>) {
    for waiting in [Waiting::Interrupt, Waiting::Spinning] {
        let options = Options {
            waiting,
            ..Options::default()
        };
        let way = transport.queue(1).expect("a second queue");
        let mut backend = backend(way, options);
        for seed in 0..3 {
            let product = Product::new(seed);
            let before = transport.card_memory_free();
            on_card(&product.run(&mut backend));
            let kept = transport.card_memory_free();
            assert!(kept < before, "the weights are not in the card's memory");
            on_card(&product.run(&mut backend));
            assert_eq!(transport.card_memory_free(), kept, "they were packed again");
        }
        assert_eq!(backend.faults(), 0);
        drop(backend);
        assert_eq!(transport.card_memory_free(), 1 << 20);
        assert_eq!(transport.usage().used, 0);
    }
}

#[test]
fn products_run_on_a_card_in_this_process() {
    products_run(local());
}

#[test]
fn products_run_behind_a_socket() {
    let mut server = Server::start();
    products_run(server.open());
    // Several clients in a row.
    products_run(server.open());
    server.end();
}

fn queues_run_side_by_side<F: Function + 'static>(transport: FunctionTransport<F>) {
    std::thread::scope(|scope| {
        for queue in 0..config().queues {
            let way = transport.queue(queue).expect("a queue");
            scope.spawn(move || {
                let mut backend = backend(way, Options::default());
                for seed in 0..20 {
                    let product = Product::new(u64::from(queue) * 100 + seed);
                    on_card(&product.run(&mut backend));
                }
                assert_eq!(backend.faults(), 0);
            });
        }
    });
    assert!(transport.queue(config().queues).is_none());
}

#[test]
fn queues_run_side_by_side_in_this_process() {
    queues_run_side_by_side(local());
}

#[test]
fn queues_run_side_by_side_behind_a_socket() {
    let server = Server::start();
    queues_run_side_by_side(server.open());
}

fn neighbours_are_told<F: Function + 'static>(mut first: FunctionTransport<F>) {
    let second = first.queue(1).expect("a second queue");
    let product = Product::new(1);
    let mut backend = backend(second, Options::default());
    on_card(&product.run(&mut backend));
    // Its registers take no write before it has seen the reset.
    let early = first.write(regs::SQ_TAIL, 0);
    assert!(matches!(early, Err(TransportError::ResetElsewhere)));
    reset(&mut first).expect("nothing is left to reset");
    on_card(&product.run(&mut backend));
    // Nothing of the neighbour's was in flight, so it loses nothing.
    reset(&mut first).expect("a reset");
    on_card(&product.run(&mut backend));
    assert_eq!(backend.faults(), 0);
    first
        .write(regs::SQ_TAIL, 0)
        .expect("its neighbour had no need of a reset");
}

/// A way on which the neighbour resets the card once more whenever rings are asked for.
struct Restless<F: Function> {
    way: FunctionTransport<F>,
    neighbour: FunctionTransport<F>,
    /// Resets that are still to come.
    resets: Arc<AtomicU32>,
}

impl<F: Function + 'static> Transport for Restless<F> {
    fn describe(&self) -> &str {
        self.way.describe()
    }
    fn read_raw(&mut self, offset: u32) -> Result<u32, TransportError> {
        self.way.read_raw(offset)
    }
    fn write(&mut self, offset: u32, value: u32) -> Result<(), TransportError> {
        self.way.write(offset, value)
    }
    fn allocate(&mut self, bytes: usize) -> Result<DmaMemory, TransportError> {
        let left = self.resets.load(Ordering::Relaxed);
        if left > 0 {
            self.resets.store(left - 1, Ordering::Relaxed);
            // The first may find that the card was reset for it.
            for _ in 0..2 {
                reset(&mut self.neighbour).expect("a reset");
            }
        }
        self.way.allocate(bytes)
    }
    fn wait(&mut self, patience: Patience) -> Result<Wake, TransportError> {
        self.way.wait(patience)
    }
    fn check(&mut self) -> Result<(), TransportError> {
        self.way.check()
    }
    fn progress(&mut self) -> Result<(), TransportError> {
        self.way.progress()
    }
    fn queue(&self) -> u32 {
        Transport::queue(&self.way)
    }
    fn claim_reset(&mut self) -> Claim {
        self.way.claim_reset()
    }
    fn function_reset(&mut self) -> Result<(), TransportError> {
        self.way.function_reset()
    }
}

#[test]
fn a_card_that_others_reset_again_and_again_is_not_given_up() {
    let way = local();
    let resets = Arc::new(AtomicU32::new(0));
    let restless = Restless {
        neighbour: way.queue(1).expect("a second queue"),
        way,
        resets: Arc::clone(&resets),
    };
    let mut backend = backend(restless, Options::default());
    let product = Product::new(3);
    on_card(&product.run(&mut backend));
    // The first costs a run, whose memory was asked for; the others come during the new start.
    resets.store(4, Ordering::Relaxed);
    on_cpu(&product.run(&mut backend), "another of its queues");
    on_card(&product.run(&mut backend));
    assert_eq!(backend.faults(), 1);
}

#[test]
fn a_card_that_others_reset_meanwhile_is_opened() {
    for times in 1..=4 {
        let way = local();
        let resets = Arc::new(AtomicU32::new(times));
        let restless = Restless {
            neighbour: way.queue(1).expect("a second queue"),
            way,
            resets: Arc::clone(&resets),
        };
        let mut backend = backend(restless, Options::default());
        assert_eq!(resets.load(Ordering::Relaxed), 0);
        on_card(&Product::new(3).run(&mut backend));
        assert_eq!(backend.faults(), 0);
    }
    // One that never stops is named.
    let way = local();
    let restless = Restless {
        neighbour: way.queue(1).expect("a second queue"),
        way,
        resets: Arc::new(AtomicU32::new(u32::MAX)),
    };
    let cpu = Box::new(CpuBackend::new(1));
    let refused = DeviceBackend::new(Box::new(restless), cpu, Options::default()).err();
    assert!(
        matches!(
            refused,
            Some(QueueError::Transport(TransportError::ResetElsewhere))
        ),
        "{refused:?}"
    );
}

fn messages_are_not_acknowledged<F: Function + 'static>(mut transport: FunctionTransport<F>) {
    let way = transport.queue(1).expect("a second queue");
    let mut backend = backend(way, Options::default());
    // More programs than interrupts without a completion are put up with.
    for seed in 0..100 {
        on_card(&Product::new(seed).run(&mut backend));
    }
    assert_eq!(backend.faults(), 0);
    let status = transport.read(regs::of_queue(1, regs::IRQ_STATUS));
    assert_eq!(status.expect("a status"), regs::IRQ_COMPLETION);
}

#[test]
fn interrupts_that_are_messages_cost_no_write() {
    messages_are_not_acknowledged(local());
    let server = Server::start();
    messages_are_not_acknowledged(server.open());
}

#[test]
fn neighbours_are_told_of_a_reset() {
    neighbours_are_told(local());
    let server = Server::start();
    neighbours_are_told(server.open());
}

fn strays_are_noticed<F: Function + 'static>(first: FunctionTransport<F>) {
    let mut stray = first.queue(2).expect("a third queue");
    let mut backend = backend(first, Options::default());
    let product = Product::new(1);
    on_card(&product.run(&mut backend));
    // A queue whose rings lie where nothing is mapped.
    reset(&mut stray).expect("it was reset with the card");
    let at = |register| regs::of_queue(2, register);
    for (register, value) in [
        (regs::SQ_BASE_HI, 0x70_0000),
        (regs::CQ_BASE_HI, 0x70_0000),
        (regs::QUEUE_CONTROL, regs::QUEUE_ENABLE),
        (regs::SQ_TAIL, 1),
    ] {
        stray.write(at(register), value).expect("a write");
    }
    for _ in 0..100 {
        // It has nothing to tell that the status does not.
        let _ = stray.progress();
        if stray.read(at(regs::QUEUE_STATUS)).expect("a status") & regs::QUEUE_FAILED != 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    // A lost write may have been any queue's: what runs is done again by the CPU, once.
    on_cpu(&product.run(&mut backend), "card");
    on_card(&product.run(&mut backend));
    assert_eq!(backend.faults(), 1);
}

#[test]
fn writes_that_go_astray_are_noticed() {
    strays_are_noticed(local());
    let server = Server::start();
    strays_are_noticed(server.open());
}

/// A way whose memory for results is, where the card looks for it, nowhere.
struct Astray<T> {
    way: T,
    /// Allocations so far: two rings, then a result and a program in turn.
    allocated: usize,
    /// Bytes of a result.
    result: usize,
}

impl<T: Transport> Transport for Astray<T> {
    fn describe(&self) -> &str {
        self.way.describe()
    }
    fn read_raw(&mut self, offset: u32) -> Result<u32, TransportError> {
        self.way.read_raw(offset)
    }
    fn write(&mut self, offset: u32, value: u32) -> Result<(), TransportError> {
        self.way.write(offset, value)
    }
    fn allocate(&mut self, bytes: usize) -> Result<DmaMemory, TransportError> {
        let memory = self.way.allocate(bytes)?;
        self.allocated += 1;
        match self.allocated {
            // The first run is as it should be.
            3 => self.result = bytes,
            5.. if bytes == self.result => {
                let words = (0..bytes.div_ceil(4)).map(|_| AtomicU32::new(0)).collect();
                return Ok(DmaMemory::new(Arc::new(Elsewhere(words)), NOWHERE));
            }
            _ => {}
        }
        Ok(memory)
    }
    fn allocate_on_card(&mut self, bytes: usize) -> Option<DmaMemory> {
        self.way.allocate_on_card(bytes)
    }
    fn wait(&mut self, patience: Patience) -> Result<Wake, TransportError> {
        self.way.wait(patience)
    }
    fn check(&mut self) -> Result<(), TransportError> {
        self.way.check()
    }
    fn progress(&mut self) -> Result<(), TransportError> {
        self.way.progress()
    }
    fn queue(&self) -> u32 {
        self.way.queue()
    }
    fn claim_reset(&mut self) -> Claim {
        self.way.claim_reset()
    }
    fn function_reset(&mut self) -> Result<(), TransportError> {
        self.way.function_reset()
    }
}

/// An address at which nothing is mapped.
const NOWHERE: u64 = 0x7000_0000_0000;

/// Memory of the host that the card is told a wrong address of.
struct Elsewhere(Vec<AtomicU32>);

impl Backing for Elsewhere {
    fn words(&self) -> &[AtomicU32] {
        &self.0
    }
}

fn lost_results_are_not_believed<F: Function + 'static>(
    open: impl Fn() -> FunctionTransport<F>,
    why: &str,
) {
    for waiting in [Waiting::Interrupt, Waiting::Spinning] {
        let options = Options {
            waiting,
            ..Options::default()
        };
        let way = Astray {
            way: open(),
            allocated: 0,
            result: 0,
        };
        let mut backend = backend(way, options);
        let product = Product::new(1);
        on_card(&product.run(&mut backend));
        // The rings are where they should be, so completions come, and say that all is well.
        for _ in 0..20 {
            on_cpu(&product.run(&mut backend), why);
        }
    }
}

#[test]
fn results_that_were_lost_are_not_believed() {
    lost_results_are_not_believed(local, "a write of the card was lost");
    let server = Server::start();
    lost_results_are_not_believed(
        || server.open(),
        "the card wrote to memory that it was not given",
    );
}

#[test]
fn a_server_that_ends_is_a_card_that_is_gone() {
    let mut server = Server::start();
    let mut backend = backend(server.open(), Options::default());
    let product = Product::new(1);
    on_card(&product.run(&mut backend));
    server.end();
    on_cpu(&product.run(&mut backend), "the device is gone");
    on_cpu(&product.run(&mut backend), "out of use");
    assert_eq!(backend.faults(), 1);
}

#[test]
fn a_server_that_stops_answering_is_a_card_that_is_gone() {
    let (card, stuck) = stuck();
    let server = Server::of(|| Box::new(card));
    let function = UserFunction::connect_with(server.path(), Duration::from_millis(500));
    let transport = FunctionTransport::open(function.expect("it connects"));
    let mut transport = transport.expect("it opens");
    let mut other = transport.queue(1).expect("a second queue");
    reset(&mut transport).expect("a reset");
    let held = stuck.lock().expect("no panic");
    let silent = transport.read(regs::STATUS);
    assert!(
        matches!(silent, Err(TransportError::Gone { .. })),
        "{silent:?}"
    );
    // That is final, for all who use the card, and nobody waits for an answer again: one would
    // come now.
    drop(held);
    for way in [&mut transport, &mut other] {
        let refused = way.read(regs::STATUS);
        assert!(
            matches!(refused, Err(TransportError::Gone { .. })),
            "{refused:?}"
        );
        assert!(way.allocate(64 << 20).is_err(), "it maps memory");
    }
}

#[test]
fn a_server_that_ends_wakes_who_waits() {
    let mut server = Server::start();
    let mut transport = server.open();
    reset(&mut transport).expect("a reset");
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            // A wait that does not see it does not end.
            let patience = Patience {
                cycles: u64::MAX,
                time: Duration::MAX,
            };
            transport.wait(patience)
        });
        server.end();
        let woken = waiter.join().expect("no panic");
        assert!(
            matches!(woken, Err(TransportError::Gone { .. })),
            "{woken:?}"
        );
    });
}

/// A card whose windows answer no read while the lock is held.
fn stuck() -> (Odd, Arc<Mutex<()>>) {
    let gate = Arc::new(Mutex::new(()));
    let card = Odd {
        card: FunctionalCard::new(&config()).expect("a card"),
        pulled: Arc::default(),
        gate: Arc::clone(&gate),
        vendor: 0,
    };
    (card, gate)
}

/// A card that can be pulled out, get stuck, or be another device.
struct Odd {
    card: FunctionalCard,
    /// Everything reads all ones.
    pulled: Arc<AtomicBool>,
    /// Reads of windows wait for it.
    gate: Arc<Mutex<()>>,
    vendor: u8,
}

impl SimFunction for Odd {
    fn config_read(&mut self, offset: u16, data: &mut [u8]) {
        self.card.config_read(offset, data);
        if self.pulled.load(Ordering::Relaxed) {
            data.fill(0xff);
        } else if offset == 0 {
            data[0] ^= self.vendor;
        }
    }

    fn config_write(&mut self, offset: u16, data: &[u8]) {
        self.card.config_write(offset, data);
    }

    fn bar_size(&self, bar: u8) -> u64 {
        self.card.bar_size(bar)
    }

    fn bar_read(&mut self, bar: u8, offset: u64, data: &mut [u8]) -> Result<(), FunctionError> {
        drop(self.gate.lock().expect("no panic"));
        self.card.bar_read(bar, offset, data)?;
        if self.pulled.load(Ordering::Relaxed) {
            data.fill(0xff);
        }
        Ok(())
    }

    fn bar_write(&mut self, bar: u8, offset: u64, data: &[u8]) -> Result<(), FunctionError> {
        match self.pulled.load(Ordering::Relaxed) {
            true => Ok(()),
            false => self.card.bar_write(bar, offset, data),
        }
    }

    fn reset(&mut self) -> Result<(), FunctionError> {
        self.card.reset()
    }

    fn run(&mut self, cycles: u64) -> Result<bool, FunctionError> {
        match self.pulled.load(Ordering::Relaxed) {
            true => Ok(false),
            false => self.card.run(cycles),
        }
    }

    fn take_interrupts(&mut self) -> u64 {
        self.card.take_interrupts()
    }

    fn dma(&self) -> &Arc<DmaTable> {
        self.card.dma()
    }

    fn card_memory(&self) -> Option<&Arc<CardMemory>> {
        self.card.card_memory()
    }

    fn cycles(&self) -> Option<u64> {
        self.card.cycles()
    }
}

fn odd(vendor: u8) -> (LocalFunction, Arc<AtomicBool>) {
    let pulled = Arc::new(AtomicBool::new(false));
    let card = Odd {
        card: FunctionalCard::new(&config()).expect("a card"),
        pulled: Arc::clone(&pulled),
        gate: Arc::default(),
        vendor,
    };
    (LocalFunction::new(card, "odd card"), pulled)
}

#[test]
fn a_card_that_is_pulled_out_is_gone() {
    let (function, pulled) = odd(0);
    let transport = FunctionTransport::open(function).expect("it opens");
    let dma = Arc::clone(transport.function().dma());
    let mut backend = backend(transport, Options::default());
    let product = Product::new(5);
    on_card(&product.run(&mut backend));
    pulled.store(true, Ordering::Relaxed);
    on_cpu(&product.run(&mut backend), "the device is gone");
    on_cpu(&product.run(&mut backend), "out of use");
    // It was let go, so that whoever pulled it out can go on.
    assert!(dma.is_empty());
}

#[test]
fn only_cards_are_opened() {
    let (function, _) = odd(1);
    let refused = FunctionTransport::open(function)
        .err()
        .expect("another vendor");
    let text = refused.to_string();
    assert!(
        text.contains("10ef:5359") && text.contains("10ee:5359"),
        "{text}"
    );
    let (function, pulled) = odd(0);
    pulled.store(true, Ordering::Relaxed);
    let refused = FunctionTransport::open(function).err();
    assert!(
        matches!(refused, Some(TransportError::Gone { .. })),
        "{refused:?}"
    );
    let nobody = UserFunction::connect("/nowhere/at/all".as_ref()).err();
    let text = nobody.expect("nobody is there").to_string();
    assert!(text.contains("/nowhere/at/all"), "{text}");
}

#[test]
fn a_card_with_one_queue_has_no_second() {
    let card = FunctionalCard::new(&Config {
        queues: 1,
        card_memory_mib: 0,
        ..config()
    });
    let function = LocalFunction::new(card.expect("a card"), "small card");
    let mut transport = FunctionTransport::open(function).expect("it opens");
    assert!(transport.queue(1).is_none());
    assert!(transport.allocate_on_card(4).is_none());
    let mut backend = backend(transport, Options::default());
    on_card(&Product::new(7).run(&mut backend));
    // A way that does not know how many queues the card has.
    struct Second(systole::transport::ModelTransport);
    impl Transport for Second {
        fn describe(&self) -> &str {
            "second queue"
        }
        fn read_raw(&mut self, offset: u32) -> Result<u32, TransportError> {
            self.0.read_raw(offset)
        }
        fn write(&mut self, offset: u32, value: u32) -> Result<(), TransportError> {
            self.0.write(offset, value)
        }
        fn allocate(&mut self, bytes: usize) -> Result<DmaMemory, TransportError> {
            self.0.allocate(bytes)
        }
        fn wait(&mut self, patience: Patience) -> Result<Wake, TransportError> {
            self.0.wait(patience)
        }
        fn function_reset(&mut self) -> Result<(), TransportError> {
            self.0.function_reset()
        }
        fn queue(&self) -> u32 {
            4
        }
    }
    let model = systole::transport::ModelTransport::new(config()).expect("a shape");
    let cpu = Box::new(CpuBackend::new(1));
    let refused = DeviceBackend::new(Box::new(Second(model)), cpu, Options::default()).err();
    let wrong = Some((4, 4));
    let found = match refused {
        Some(QueueError::NoQueue { queue, queues }) => Some((queue, queues)),
        _ => None,
    };
    assert_eq!(found, wrong);
}
