//! The backend against the functional card: the golden integers, whatever goes wrong.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use isa::config::Config;
use isa::format::OutputFormat;
use isa::numerics::{ColumnParam, Dyadic, gemm_i8, requantize};
use proptest::prelude::*;

use super::{DeviceBackend, Options, Policy};
use crate::backend::{Backend, BackendError, NodeReport, Outcome, Place};
use crate::compile::tests::configs;
use crate::dma::{Access, DmaMemory, ProcessMemory, Tamper};
use crate::matmul::{Finish, Layout, MatMul, Rhs, Values, Weights};
use crate::sched::Rates;
use crate::transport::{ModelTransport, Patience, Transport, TransportError, Wake};

/// The definition itself as a backend.
struct Golden;

impl Backend for Golden {
    fn run(&mut self, jobs: &[MatMul<'_>]) -> Result<Vec<Outcome>, BackendError> {
        Ok(jobs
            .iter()
            .map(|job| Outcome {
                values: golden(job),
                report: NodeReport::new(job, Place::Cpu, "", 0.0),
            })
            .collect())
    }

    fn name(&self) -> &str {
        "golden"
    }
}

fn golden(job: &MatMul<'_>) -> Values {
    let MatMul { m, k, n, .. } = *job;
    let (layout, values) = job.b.parts();
    let b: Vec<i8> = match layout {
        Layout::RowMajor => values.to_vec(),
        Layout::Transposed => (0..k * n)
            .map(|index| values[index % n * k + index / n])
            .collect(),
    };
    let mut sums = vec![0; m * n];
    gemm_i8(m, k, n, job.a, &b, &mut sums);
    let Finish::Requantize {
        rows,
        columns,
        format,
    } = job.finish
    else {
        return Values::I32(sums);
    };
    let out = sums
        .iter()
        .enumerate()
        .map(|(index, sum)| requantize(*sum, rows[index / n], columns[index % n], format));
    match format {
        OutputFormat::I32 => Values::I32(sums),
        OutputFormat::I16 => Values::I16(out.map(|value| value as i16).collect()),
        OutputFormat::I8 => Values::I8(out.map(|value| value as i8).collect()),
    }
}

/// Data of one product; all of it follows from the seed.
struct Case {
    shape: (usize, usize, usize),
    format: Option<OutputFormat>,
    a: Vec<i8>,
    b: Weights,
    kept: bool,
    rows: Vec<Dyadic>,
    columns: Vec<ColumnParam>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            shape,
            format,
            kept,
            ..
        } = self;
        write!(
            f,
            "{shape:?} {format:?} {:?}, kept: {kept}",
            self.b.layout()
        )
    }
}

impl Case {
    fn new(
        shape: (usize, usize, usize),
        format: Option<OutputFormat>,
        transposed: bool,
        kept: bool,
        seed: u64,
    ) -> Self {
        let (m, k, n) = shape;
        let mut state = seed | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as u32
        };
        let mut a: Vec<i8> = (0..m * k)
            .map(|_| {
                if seed.is_multiple_of(5) {
                    -128
                } else {
                    next() as i8
                }
            })
            .collect();
        // A product of zeros never sees the card.
        if let Some(first) = a.first_mut() {
            *first |= 1;
        }
        let b = (0..k * n).map(|_| next() as i8).collect();
        let layout = if transposed {
            Layout::Transposed
        } else {
            Layout::RowMajor
        };
        let mut dyadic = || Dyadic {
            multiplier: next() as u16,
            shift: (14 + next() % 12) as u8,
        };
        let rows = (0..m).map(|_| dyadic()).collect();
        let columns = (0..n)
            .map(|column| ColumnParam {
                scale: dyadic(),
                bias: column as i32 - 20,
            })
            .collect();
        Self {
            shape,
            format,
            a,
            b: Weights::new(k, n, layout, b),
            kept,
            rows,
            columns,
        }
    }

    fn job(&self) -> MatMul<'_> {
        let (m, k, n) = self.shape;
        let b = if self.kept {
            Rhs::Kept(&self.b)
        } else {
            Rhs::Once(self.b.layout(), self.b.values())
        };
        let finish = match self.format {
            None => Finish::Raw,
            Some(format) => Finish::Requantize {
                rows: &self.rows,
                columns: &self.columns,
                format,
            },
        };
        MatMul {
            name: "node",
            m,
            k,
            n,
            a: &self.a,
            b,
            finish,
        }
    }
}

fn case(most: usize) -> impl Strategy<Value = Case> {
    let side = move || prop_oneof![1 => Just(1), 4 => 1..=most];
    let format =
        proptest::sample::select(vec![None, Some(OutputFormat::I16), Some(OutputFormat::I8)]);
    (
        (side(), side(), side()),
        format,
        any::<bool>(),
        any::<bool>(),
        any::<u64>(),
    )
        .prop_map(|(shape, format, transposed, kept, seed)| {
            Case::new(shape, format, transposed, kept, seed)
        })
}

fn backend(config: Config, options: Options) -> (DeviceBackend, Arc<ProcessMemory>) {
    let card = ModelTransport::new(config).expect("a shape that a card may have");
    let memory = card.memory();
    (
        DeviceBackend::new(Box::new(card), Box::new(Golden), options).expect("a card that starts"),
        memory,
    )
}

fn run(backend: &mut DeviceBackend, cases: &[Case]) -> Vec<Outcome> {
    let jobs: Vec<_> = cases.iter().map(Case::job).collect();
    let outcomes = backend.run(&jobs).expect("products that fit themselves");
    assert_eq!(outcomes.len(), jobs.len());
    for (job, outcome) in jobs.iter().zip(&outcomes) {
        assert!(
            outcome.values == golden(job),
            "{}x{}x{} differs",
            job.m,
            job.k,
            job.n
        );
    }
    outcomes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_shape_gives_the_golden_integers(
        config in proptest::sample::select(configs()),
        cases in proptest::collection::vec(case(70), 1..5),
    ) {
        let (mut backend, _) = backend(config, Options::default());
        for _ in 0..2 {
            for outcome in run(&mut backend, &cases) {
                prop_assert_eq!(outcome.report.place, Place::Device, "{}", outcome.report.reason);
            }
        }
    }

    #[test]
    fn a_bus_error_anywhere_moves_the_work(at in 0usize..600, write: bool, cases in proptest::collection::vec(case(40), 1..4)) {
        let (mut backend, memory) = backend(Config::with_array(8, 8), Options { in_flight: 2, ..Options::default() });
        let mut left = at;
        let tamper: Tamper = Box::new(move |access| {
            if write == matches!(access, Access::Write(..)) {
                left = left.wrapping_sub(1);
            }
            left != usize::MAX
        });
        memory.set_tamper(Some(tamper));
        let outcomes = run(&mut backend, &cases);
        let moved = outcomes.iter().filter(|outcome| outcome.report.place == Place::Cpu).count();
        prop_assert_eq!(moved > 0, backend.faults() > 0);
        for outcome in outcomes.iter().filter(|outcome| outcome.report.place == Place::Cpu) {
            prop_assert!(!outcome.report.reason.is_empty());
        }
        memory.set_tamper(None);
        for outcome in run(&mut backend, &cases) {
            prop_assert_eq!(outcome.report.place, Place::Device, "the card must work again: {}", outcome.report.reason);
        }
    }
}

#[test]
fn long_sums_and_large_shapes() {
    let (mut backend, _) = backend(Config::with_array(16, 16), Options::default());
    let shapes = [
        (1, 4096, 40),
        (64, 5000, 33),
        (300, 300, 17),
        (256, 256, 256),
        (520, 40, 30),
    ];
    for (index, shape) in shapes.into_iter().enumerate() {
        let format = [None, Some(OutputFormat::I8), Some(OutputFormat::I16)][index % 3];
        let outcomes = run(
            &mut backend,
            &[Case::new(
                shape,
                format,
                index % 2 == 0,
                false,
                5 + index as u64,
            )],
        );
        assert_eq!(outcomes[0].report.place, Place::Device);
        assert!(outcomes[0].report.predicted_cycles > Some(0));
    }
}

#[test]
fn products_beyond_one_program_are_cut() {
    let config = configs()[9];
    let (mut backend, _) = backend(config, Options::default());
    let outcomes = run(
        &mut backend,
        &[Case::new((150, 300, 300), None, true, true, 3)],
    );
    assert_eq!(
        outcomes[0].report.place,
        Place::Device,
        "{}",
        outcomes[0].report.reason
    );
}

#[test]
fn kept_weights_leave_when_there_are_too_many() {
    let (mut backend, memory) = backend(
        Config::with_array(4, 4),
        Options {
            kept_bytes: 2000,
            ..Options::default()
        },
    );
    let cases: Vec<_> = (0..6)
        .map(|seed| Case::new((3, 20, 20), None, false, true, seed))
        .collect();
    for _ in 0..3 {
        run(&mut backend, &cases);
    }
    drop(memory);
}

#[test]
fn corrupted_completions_never_give_wrong_numbers() {
    for byte in 0..32 {
        let (mut backend, memory) = backend(Config::with_array(4, 4), Options::default());
        let mut first = true;
        memory.set_tamper(Some(Box::new(move |access| {
            if let Access::Write(_, bytes) = access
                && bytes.len() == 32
                && std::mem::take(&mut first)
            {
                bytes[byte] ^= 0x41;
            }
            true
        })));
        let cases = [Case::new(
            (5, 9, 3),
            Some(OutputFormat::I16),
            false,
            true,
            1,
        )];
        let outcome = &run(&mut backend, &cases)[0];
        // Cycles cannot be wrong in a way that the host could see; all else is noticed.
        let cycles = (16..22).contains(&byte);
        assert_eq!(
            outcome.report.place == Place::Device,
            cycles,
            "byte {byte}: {}",
            outcome.report.reason
        );
        assert_eq!(run(&mut backend, &cases)[0].report.place, Place::Device);
    }
}

/// A card that cannot be reset any more once it is told so.
struct Stubborn {
    card: ModelTransport,
    stuck: Arc<AtomicBool>,
}

impl Transport for Stubborn {
    fn describe(&self) -> &str {
        "stubborn card"
    }

    fn read_raw(&mut self, offset: u32) -> Result<u32, TransportError> {
        self.card.read_raw(offset)
    }

    fn write(&mut self, offset: u32, value: u32) -> Result<(), TransportError> {
        let resets = [isa::regs::CONTROL, isa::regs::QUEUE_CONTROL].contains(&offset);
        match resets && self.stuck.load(Ordering::Relaxed) {
            true => self.function_reset(),
            false => self.card.write(offset, value),
        }
    }

    fn allocate(&mut self, bytes: usize) -> Result<DmaMemory, TransportError> {
        self.card.allocate(bytes)
    }

    fn wait(&mut self, patience: Patience) -> Result<Wake, TransportError> {
        self.card.wait(patience)
    }

    fn function_reset(&mut self) -> Result<(), TransportError> {
        Err(TransportError::Broken("it is stuck".into()))
    }
}

#[test]
fn a_card_that_cannot_be_reset_keeps_its_memory() {
    let card = ModelTransport::new(Config::with_array(4, 4)).expect("a shape of a card");
    let memory = card.memory();
    let stuck = Arc::new(AtomicBool::new(false));
    let card = Stubborn {
        card,
        stuck: Arc::clone(&stuck),
    };
    let mut backend = DeviceBackend::new(Box::new(card), Box::new(Golden), Options::default())
        .expect("a card that starts");
    let written = Arc::new(Mutex::new(Vec::new()));
    let addresses = Arc::clone(&written);
    memory.set_tamper(Some(Box::new(move |access| {
        if let Access::Write(address, bytes) = access {
            addresses.lock().expect("no panic").push(address);
            // A completion that cannot be believed.
            if bytes.len() == 32 {
                bytes[0] ^= 0x41;
            }
        }
        true
    })));
    stuck.store(true, Ordering::Relaxed);
    let cases = [Case::new((5, 9, 3), None, false, false, 1)];
    let outcome = &run(&mut backend, &cases)[0];
    assert_eq!(outcome.report.place, Place::Cpu);
    memory.set_tamper(None);
    let last = *written
        .lock()
        .expect("no panic")
        .last()
        .expect("the completion at least");
    assert!(memory.card_write(last, &[0; 32]), "the ring was freed");
    let reason = &run(&mut backend, &cases)[0].report.reason;
    assert!(reason.contains("out of use"), "{reason}");
}

#[test]
fn a_choice_is_explained() {
    let rates = Rates {
        card_hz: 1e8,
        cpu_macs: 1e9,
        overhead: 0.0,
    };
    let (mut backend, _) = backend(
        Config::default(),
        Options {
            policy: Policy::Auto(rates),
            ..Options::default()
        },
    );
    let outcomes = run(
        &mut backend,
        &[
            Case::new((1, 1, 1), None, false, false, 1),
            Case::new((128, 128, 128), None, false, false, 1),
        ],
    );
    assert_eq!(outcomes[0].report.place, Place::Cpu);
    assert_eq!(outcomes[1].report.place, Place::Device);
    assert!(
        outcomes[0]
            .report
            .reason
            .contains("the CPU is foreseen to take"),
        "{}",
        outcomes[0].report.reason
    );
}

#[test]
fn empty_products_are_no_work_for_the_card() {
    let (mut backend, _) = backend(Config::default(), Options::default());
    let outcomes = run(
        &mut backend,
        &[
            Case::new((3, 0, 2), None, false, false, 1),
            Case::new((0, 4, 2), None, false, false, 1),
        ],
    );
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.report.reason == "the product is empty")
    );
}

#[test]
fn a_slow_card_has_time_for_what_is_foreseen() {
    let options = Options::default();
    assert_eq!(options.patience(1000).time, options.patience);
    // Ten million cycles take 200 seconds at 50 kHz.
    assert!(options.patience(10_000_000).time >= 2 * Duration::from_secs(200));
    // No number of cycles overflows.
    assert!(options.patience(u64::MAX / 32).time > options.patience);
}
