//! Products on the Verilated card: every bit, for every shape, under every mood of memory; and the
//! cycles that they take.
#![cfg(feature = "sim")]

use isa::config::Config;
use isa::format::OutputFormat;
use isa::numerics::{ColumnParam, Dyadic, gemm_i8, requantize};
use proptest::prelude::*;
use proptest::test_runner::{Config as Settings, TestRunner};
use sim::memory::{MemoryOptions, Random};
use systole::backend::{Backend, Place};
use systole::cpu::CpuBackend;
use systole::device::{DeviceBackend, Options};
use systole::matmul::{Finish, Layout, MatMul, Rhs, Values};
use systole::transport::SimTransport;

/// Small pseudo-random numbers (xorshift64*).
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn int8(&mut self) -> i8 {
        match self.next() >> 61 {
            0 => i8::MIN,
            1 => i8::MAX,
            _ => (self.next() >> 32) as i8,
        }
    }
}

fn backend(config: &Config, memory: MemoryOptions) -> DeviceBackend {
    let options = sim::Options { fst: false, memory };
    let card = SimTransport::open(config, &options).expect("the card builds");
    DeviceBackend::new(
        Box::new(card),
        Box::new(CpuBackend::new(1)),
        Options::default(),
    )
    .expect("the card starts")
}

/// Runs a product raw and requantised and compares with the golden functions.
fn check(backend: &mut DeviceBackend, [m, k, n]: [usize; 3], a: &[i8], b: &[i8], seed: u64) {
    let mut rng = Rng(seed | 1);
    let mut sums = vec![0; m * n];
    gemm_i8(m, k, n, a, b, &mut sums);
    let scale = |rng: &mut Rng| Dyadic {
        multiplier: (rng.next() >> 48) as u16,
        shift: (rng.next() >> 59) as u8,
    };
    let rows: Vec<Dyadic> = (0..m).map(|_| scale(&mut rng)).collect();
    let columns: Vec<ColumnParam> = (0..n)
        .map(|_| ColumnParam {
            scale: scale(&mut rng),
            bias: (rng.next() >> 40) as i32 - (1 << 23),
        })
        .collect();
    let job = |finish| MatMul {
        name: "test",
        m,
        k,
        n,
        a,
        b: Rhs::Once(Layout::RowMajor, b),
        finish,
    };
    let scaled = |format| Finish::Requantize {
        rows: &rows,
        columns: &columns,
        format,
    };
    let jobs = [
        job(Finish::Raw),
        job(scaled(OutputFormat::I16)),
        job(scaled(OutputFormat::I8)),
    ];
    let outcomes = backend.run(&jobs).expect("the products run");
    for (job, outcome) in jobs.iter().zip(outcomes) {
        assert_eq!(
            outcome.report.place,
            Place::Device,
            "{}",
            outcome.report.reason
        );
        let format = job.format();
        let golden = sums
            .iter()
            .enumerate()
            .map(|(index, &sum)| requantize(sum, rows[index / n], columns[index % n], format));
        let golden: Vec<i32> = golden.collect();
        let got: Vec<i32> = match outcome.values {
            Values::I32(values) => values,
            Values::I16(values) => values.into_iter().map(i32::from).collect(),
            Values::I8(values) => values.into_iter().map(i32::from).collect(),
        };
        let first = got
            .iter()
            .zip(&golden)
            .position(|(got, golden)| got != golden);
        assert_eq!(
            first, None,
            "{m}x{k}x{n} {format:?}: first value that differs"
        );
        assert_eq!(got.len(), golden.len());
    }
}

fn random(backend: &mut DeviceBackend, shape: [usize; 3], seed: u64) {
    let [m, k, n] = shape;
    let mut rng = Rng(seed | 1);
    let mut a: Vec<i8> = (0..m * k).map(|_| rng.int8()).collect();
    // A product of zeros never sees the card.
    a[0] |= 1;
    let b: Vec<i8> = (0..k * n).map(|_| rng.int8()).collect();
    check(backend, shape, &a, &b, seed ^ 0x9e37_79b9);
}

/// The cases for one shape of the array.
fn sweep(config: &Config, cases: u32) {
    let calm = MemoryOptions::default();
    let rough = |seed| MemoryOptions {
        random: Some(Random::rough(seed)),
        ..MemoryOptions::default()
    };
    let mut card = backend(config, calm);
    for (index, shape) in [
        [1, 1, 1],
        [1, 300, 17],
        [33, 1, 40],
        [1, 1, 300],
        [300, 1, 1],
        [3, 4096, 5],
    ]
    .into_iter()
    .enumerate()
    {
        random(&mut card, shape, index as u64 + 1);
    }
    for (act, weight) in [(-128, -128), (-128, 127), (127, 127), (-128, -127)] {
        check(
            &mut card,
            [5, 130, 9],
            &[act; 5 * 130],
            &[weight; 130 * 9],
            7,
        );
    }
    let full = std::env::var_os("SYSTOLE_FULL").is_some();
    let settings = Settings {
        cases: if full { cases * 8 } else { cases },
        failure_persistence: None,
        max_shrink_iters: 32,
        ..Settings::default()
    };
    let strategy = (
        1..=300usize,
        1..=300usize,
        1..=300usize,
        any::<u64>(),
        any::<bool>(),
    );
    let run = TestRunner::new(settings).run(&strategy, |(m, k, n, seed, stalls)| {
        let memory = if stalls {
            rough(seed)
        } else {
            MemoryOptions::default()
        };
        random(&mut backend(config, memory), [m, k, n], seed);
        Ok(())
    });
    if let Err(error) = run {
        panic!("{}x{}: {error}", config.rows, config.cols);
    }
}

#[test]
fn every_bit_4x4() {
    sweep(&Config::with_array(4, 4), 3);
}

#[test]
fn every_bit_8x8() {
    sweep(&Config::with_array(8, 8), 6);
}

#[test]
fn every_bit_8x16() {
    sweep(&Config::with_array(8, 16), 6);
}

#[test]
fn every_bit_16x16() {
    sweep(&Config::default(), 8);
}

/// Cycles from doorbell to completion. They are exact figures of card and compiler: a change of
/// either that loses cycles shows here, one that wins some should lower the number.
#[test]
fn the_array_is_kept_busy() {
    let mut card = backend(&Config::default(), MemoryOptions::default());
    for (shape, most) in CYCLES {
        let [m, k, n] = shape;
        let (a, b) = (vec![1; m * k], vec![-1; k * n]);
        let b = Rhs::Once(Layout::RowMajor, &b);
        let job = MatMul {
            name: "bench",
            m,
            k,
            n,
            a: &a,
            b,
            finish: Finish::Raw,
        };
        let report = card.run(&[job]).expect("the product runs").remove(0).report;
        let cycles = report.cycles.expect("a simulated card counts");
        let peak = (m * k * n / 256) as f64;
        println!(
            "{m}x{k}x{n}: {cycles} cycles, {:.2} % of peak",
            100.0 * peak / cycles as f64
        );
        assert!(
            cycles <= most,
            "{m}x{k}x{n} took {cycles} cycles, more than {most}"
        );
    }
}

/// Products and the most cycles that they may take at 16x16 with the default memory.
const CYCLES: [([usize; 3], u64); 4] = [
    ([256, 256, 256], 66_900),
    ([256, 1024, 256], 264_450),
    ([128, 384, 1536], 296_100),
    ([37, 384, 384], 22_250),
];
