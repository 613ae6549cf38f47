//! A card that its owner wants back while a program has it: whoever works learns it at once, and
//! whoever idles when it looks.

#![cfg(feature = "sim")]

#[expect(dead_code, reason = "completions are no matter here")]
mod null;
#[allow(dead_code, reason = "a card in this process will do")]
mod road;

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use systole::backend::Place;
use systole::device::{DeviceBackend, Options, Waiting};
use systole::dma::DmaMemory;
use systole::transport::{
    Claim, FunctionTransport, LocalFunction, Patience, Transport, TransportError, Wake,
};

use null::Bench;
use road::{Product, backend, local, on_card};

const PATIENCE: Patience = Patience {
    cycles: 1,
    time: Duration::from_secs(60),
};

#[test]
fn every_question_tells_of_the_wish() {
    let mut bench = Bench::new(3);
    let way = &mut bench.transport;
    way.check().expect("nobody wants it");
    way.progress().expect("nobody wants it");
    way.function().wanted.store(true, Ordering::Release);
    // Its `wait` must not be reached: nothing would end it.
    let answers = [way.check(), way.progress(), way.wait(PATIENCE).map(drop)];
    for answer in answers {
        let error = answer.expect_err("it is wanted");
        assert!(matches!(error, TransportError::Gone { .. }), "{error}");
    }
    // Who looks for a completion does not wait for it.
    let commands = Arc::clone(&bench.commands);
    let submitted = bench.queue.submit(&mut bench.transport, 0x40, commands);
    submitted.expect("there is room");
    let error = bench.queue.spin(&mut bench.transport, PATIENCE);
    let text = error.expect_err("it is wanted").to_string();
    assert!(text.contains("its owner wants it back"), "{text}");
}

/// A way to a card that can be wanted back.
struct Wanted {
    way: FunctionTransport<LocalFunction>,
    wanted: Arc<AtomicBool>,
    /// A submission makes it wanted.
    by_doorbell: bool,
}

impl Transport for Wanted {
    fn describe(&self) -> &str {
        self.way.describe()
    }
    fn read_raw(&mut self, offset: u32) -> Result<u32, TransportError> {
        self.way.read_raw(offset)
    }
    fn write(&mut self, offset: u32, value: u32) -> Result<(), TransportError> {
        self.way.write(offset, value)?;
        if self.by_doorbell && offset == isa::regs::SQ_TAIL {
            self.wanted.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
    fn allocate(&mut self, bytes: usize) -> Result<DmaMemory, TransportError> {
        self.way.allocate(bytes)
    }
    fn allocate_on_card(&mut self, bytes: usize) -> Option<DmaMemory> {
        self.way.allocate_on_card(bytes)
    }
    fn keep(&mut self, memory: Box<dyn Any + Send>) {
        self.way.keep(memory);
    }
    fn wait(&mut self, patience: Patience) -> Result<Wake, TransportError> {
        self.check()?;
        let wake = self.way.wait(patience)?;
        self.check()?;
        Ok(wake)
    }
    fn check(&mut self) -> Result<(), TransportError> {
        match self.wanted.load(Ordering::Relaxed) {
            true => Err(TransportError::Gone {
                why: "its owner wants it back".into(),
            }),
            false => self.way.check(),
        }
    }
    fn progress(&mut self) -> Result<(), TransportError> {
        self.check()?;
        self.way.progress()
    }
    fn claim_reset(&mut self) -> Claim {
        self.way.claim_reset()
    }
    fn function_reset(&mut self) -> Result<(), TransportError> {
        self.way.function_reset()
    }
}

/// A backend with a card, the wish to have it back, and whether the card is still held.
fn held(
    waiting: Waiting,
    by_doorbell: bool,
) -> (DeviceBackend, Arc<AtomicBool>, impl Fn() -> bool) {
    let way = local();
    let dma = Arc::clone(way.function().dma());
    let wanted = Arc::new(AtomicBool::new(false));
    let way = Wanted {
        way,
        wanted: Arc::clone(&wanted),
        by_doorbell,
    };
    let options = Options {
        waiting,
        ..Options::default()
    };
    (backend(way, options), wanted, move || !dma.is_empty())
}

#[track_caller]
fn on_cpu(product: &Product, backend: &mut DeviceBackend, why: &str) {
    let report = product.run(backend).report;
    assert_eq!(report.place, Place::Cpu);
    assert!(report.reason.contains(why), "{}", report.reason);
}

#[test]
fn an_idle_program_lets_go_when_it_looks() {
    let (mut backend, wanted, is_held) = held(Waiting::Interrupt, false);
    assert!(backend.tend() && backend.tend());
    let product = Product::new(1);
    on_card(&product.run(&mut backend));
    assert!(backend.tend());
    assert_eq!(backend.faults(), 0);
    wanted.store(true, Ordering::Relaxed);
    assert!(is_held());
    assert!(!backend.tend());
    assert!(!is_held(), "whoever waits for the card waits on");
    assert!(!backend.tend());
    assert_eq!(backend.faults(), 1);
    on_cpu(&product, &mut backend, "its owner wants it back");
}

#[test]
fn work_that_comes_after_the_wish_goes_to_the_cpu() {
    let (mut backend, wanted, is_held) = held(Waiting::Interrupt, false);
    let product = Product::new(2);
    on_card(&product.run(&mut backend));
    wanted.store(true, Ordering::Relaxed);
    on_cpu(&product, &mut backend, "its owner wants it back");
    assert!(!is_held());
    on_cpu(&product, &mut backend, "out of use");
    assert_eq!(backend.faults(), 1);
}

#[test]
fn work_under_way_goes_to_the_cpu() {
    for waiting in [Waiting::Interrupt, Waiting::Spinning] {
        let (mut backend, _, is_held) = held(waiting, true);
        on_cpu(&Product::new(3), &mut backend, "its owner wants it back");
        assert!(!is_held());
    }
}
