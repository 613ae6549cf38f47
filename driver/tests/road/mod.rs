//! Functional cards on the roads that this machine has, and products to run on them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use isa::config::Config;
use isa::numerics::gemm_i8;
use sim::function::Function as SimFunction;
use sim::{FunctionalCard, server};
use systole::backend::{Backend, Outcome, Place};
use systole::cpu::CpuBackend;
use systole::device::{DeviceBackend, Options};
use systole::matmul::{Finish, Layout, MatMul, Rhs, Values, Weights};
use systole::transport::{FunctionTransport, LocalFunction, Transport, UserFunction};

/// A small card.
pub fn config() -> Config {
    Config {
        card_memory_mib: 1,
        ..Config::with_array(8, 8)
    }
}

/// A card in this process.
pub fn local() -> FunctionTransport<LocalFunction> {
    let card = FunctionalCard::new(&config()).expect("a card");
    FunctionTransport::open(LocalFunction::new(card, "local card")).expect("it opens")
}

/// A server in a thread of this process.
pub struct Server {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Server {
    /// A server of a functional card.
    pub fn start() -> Self {
        Self::of(|| Box::new(FunctionalCard::new(&config()).expect("a card")))
    }

    /// A server of the card that `make` makes.
    pub fn of(make: impl FnOnce() -> Box<dyn SimFunction> + Send + 'static) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("card");
        let listener = server::listen(&path).expect("a socket");
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            server::serve(&listener, make(), &server::Options::default(), &told)
                .expect("it serves to the end");
        });
        Self {
            path,
            stop,
            thread: Some(thread),
            _folder: folder,
        }
    }

    /// The socket.
    #[allow(dead_code, reason = "not every test connects by itself")]
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    pub fn open(&self) -> FunctionTransport<UserFunction> {
        let function = UserFunction::connect(&self.path).expect("it connects");
        FunctionTransport::open(function).expect("it opens")
    }

    pub fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server ends without a panic");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A backend that moves what fails to the CPU.
pub fn backend(transport: impl Transport + 'static, options: Options) -> DeviceBackend {
    let cpu = Box::new(CpuBackend::new(1));
    DeviceBackend::new(Box::new(transport), cpu, options).expect("the card starts")
}

/// A product with weights that are kept, and what comes out.
pub struct Product {
    shape: (usize, usize, usize),
    a: Vec<i8>,
    b: Weights,
    expected: Vec<i32>,
}

/// Rows, inner dimension and columns of a product that is asked for without.
const SHAPE: (usize, usize, usize) = (9, 40, 21);

impl Product {
    pub fn new(seed: u64) -> Self {
        Self::of(seed, SHAPE)
    }

    /// A product of this shape.
    pub fn of(seed: u64, shape: (usize, usize, usize)) -> Self {
        let (m, k, n) = shape;
        let mut state = seed * 2 + 1;
        let mut values = |count| -> Vec<i8> {
            std::iter::repeat_with(|| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 56) as i8
            })
            .take(count)
            .collect()
        };
        let (a, b) = (values(m * k), values(k * n));
        let mut expected = vec![0; m * n];
        gemm_i8(m, k, n, &a, &b, &mut expected);
        Self {
            shape,
            a,
            b: Weights::new(k, n, Layout::RowMajor, b),
            expected,
        }
    }

    /// Runs it, which must give the right integers wherever that is.
    pub fn run(&self, backend: &mut DeviceBackend) -> Outcome {
        let (m, k, n) = self.shape;
        let job = MatMul {
            name: "product",
            m,
            k,
            n,
            a: &self.a,
            b: Rhs::Kept(&self.b),
            finish: Finish::Raw,
        };
        let mut outcomes = backend.run(&[job]).expect("it fits");
        let outcome = outcomes.remove(0);
        assert!(
            outcome.values == Values::I32(self.expected.clone()),
            "{}",
            outcome.report.reason
        );
        outcome
    }
}

#[track_caller]
pub fn on_card(outcome: &Outcome) {
    let report = &outcome.report;
    assert_eq!(report.place, Place::Device, "{}", report.reason);
}
