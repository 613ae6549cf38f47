//! Speed of the CPU kernels, one thread: on the products of all-MiniLM-L6-v2, and by the format of
//! the weights.
//!
//! Operations are counted as if all weights were there (two for each multiply-accumulate), so that
//! 100 Gelem/s are 100 GOPS and formats compare by their rates. The second part counts the bytes
//! of the encoded weights too.

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use isa::format::OutputFormat;
use isa::numerics::{ColumnParam, Dyadic};
use systole::cpu::{CpuBackend, Kernels};
use systole::encoding::{BlockMap, Encoding};
use systole::matmul::{Finish, Layout, MatMul, Rhs, Weights};

/// `(m, k, n)` of linear layers for 128 tokens and for one.
const SHAPES: [(usize, usize, usize); 7] = [
    (128, 384, 384),
    (128, 384, 1536),
    (128, 1536, 384),
    (16, 384, 1152),
    (1, 384, 384),
    (1, 384, 1536),
    (1, 1536, 384),
];

/// `(m, k, n)` for the formats: weights in the caches, and too many for them.
const FORMAT_SHAPES: [(usize, usize, usize); 3] =
    [(128, 1536, 384), (1, 1536, 384), (1, 8192, 8192)];

/// Name, bits, values of K that share a scale, whether 2:4, and percent of blocks that are zero.
const FORMATS: [(&str, u8, usize, bool, usize); 13] = [
    ("int8", 8, 0, false, 0),
    ("int6", 6, 0, false, 0),
    ("int4", 4, 0, false, 0),
    ("int3", 3, 0, false, 0),
    ("int2", 2, 0, false, 0),
    ("int4 group 32", 4, 32, false, 0),
    ("int4 group 64", 4, 64, false, 0),
    ("2:4 int8", 8, 0, true, 0),
    ("2:4 int4", 4, 0, true, 0),
    ("2:4 int4 group 64", 4, 64, true, 0),
    ("block 70", 8, 0, false, 70),
    ("block 90", 8, 0, false, 90),
    ("block 70 2:4 int4", 4, 0, true, 70),
];

/// Values that use the whole range, the same in every run.
fn values(count: usize) -> Vec<i8> {
    let mut state = 1u64;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as i8
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn time(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: String,
    kernels: Kernels,
    (m, k, n): (usize, usize, usize),
    weights: &Weights,
    finish: Finish<'_>,
    a: &[i8],
) {
    let mut backend = CpuBackend::with_kernels(1, kernels);
    let job = MatMul {
        name: "bench",
        m,
        k,
        n,
        a,
        b: Rhs::Kept(weights),
        finish,
    };
    // Packed before the clock runs.
    backend.run(&[job]).expect("shapes fit");
    group.bench_function(name, |bencher| {
        bencher.iter(|| backend.run(black_box(&[job])).expect("shapes fit"));
    });
}

fn layers(criterion: &mut Criterion) {
    for (m, k, n) in SHAPES {
        let mut group = criterion.benchmark_group(format!("{m}x{k}x{n}"));
        group.throughput(Throughput::Elements(2 * (m * k * n) as u64));
        let a = values(m * k);
        let weights = Weights::new(k, n, Layout::Transposed, values(k * n));
        let scale = Dyadic::from_f32(0.01).expect("a small positive number");
        let (rows, columns) = (vec![scale; m], vec![ColumnParam { scale, bias: 3 }; n]);
        let requantize = Finish::Requantize {
            rows: &rows,
            columns: &columns,
            format: OutputFormat::I16,
        };
        for kernels in Kernels::available() {
            for (what, finish) in [("i32", Finish::Raw), ("i16", requantize)] {
                let name = format!("{}/{what}", kernels.name());
                time(&mut group, name, kernels, (m, k, n), &weights, finish, &a);
            }
        }
        group.finish();
    }
}

/// Random weights of a format; `zero` is the percentage of blocks of 16 by 16 that are.
fn encoding(k: usize, n: usize, bits: u8, group: usize, sparse: bool, zero: usize) -> Encoding {
    let kept = if sparse { k / 2 } else { k };
    let codes = values(kept * n);
    let blocks = (zero > 0).then(|| {
        let mut bitmap = vec![0; (k.div_ceil(16) * n.div_ceil(16)).div_ceil(8)];
        for block in 0..k.div_ceil(16) * n.div_ceil(16) {
            if (block * 61) % 100 >= zero {
                bitmap[block / 8] |= 1 << (block % 8);
            }
        }
        BlockMap {
            k: 16,
            n: 16,
            bitmap,
        }
    });
    Encoding {
        k,
        n,
        bits,
        // Symmetric, as quantisers round them.
        codes: codes
            .into_iter()
            .map(|code| (code >> (8 - bits)).max(1 - (1 << (bits - 1))))
            .collect(),
        indices: sparse.then(|| {
            let pairs = [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]];
            (0..kept * n)
                .map(|at| pairs[(at / n / 2 + at % n) % 6][at / n % 2])
                .collect()
        }),
        group,
        scales: vec![17; if group == 0 { 0 } else { k.div_ceil(group) * n }],
        blocks,
    }
}

/// Bytes of the codes, the indices and the scales that are there.
fn bytes(encoding: &Encoding, zero: usize) -> usize {
    let indices = encoding
        .indices
        .as_ref()
        .map_or(0, |indices| indices.len() / 4);
    let codes = encoding.codes.len() * usize::from(encoding.bits) / 8;
    (codes + indices) * (100 - zero) / 100 + encoding.scales.len()
}

fn formats(criterion: &mut Criterion) {
    for (m, k, n) in FORMAT_SHAPES {
        let mut group = criterion.benchmark_group(format!("formats/{m}x{k}x{n}"));
        let a = values(m * k);
        let full = Weights::new(k, n, Layout::RowMajor, values(k * n));
        let encoded = FORMATS.iter().map(|&(name, bits, scales, sparse, zero)| {
            let encoding = encoding(k, n, bits, scales, sparse, zero);
            let bytes = bytes(&encoding, zero);
            let weights = Weights::encoded(encoding).expect("the parts fit each other");
            (name, weights, bytes)
        });
        for (name, weights, bytes) in
            std::iter::once(("int8 with -128", full, k * n)).chain(encoded)
        {
            group.throughput(Throughput::ElementsAndBytes {
                elements: 2 * (m * k * n) as u64,
                bytes: bytes as u64,
            });
            for kernels in Kernels::available().into_iter().skip(1) {
                let name = format!("{name}/{}", kernels.name());
                time(
                    &mut group,
                    name,
                    kernels,
                    (m, k, n),
                    &weights,
                    Finish::Raw,
                    &a,
                );
            }
        }
        // Activations of which a threshold has left a quarter.
        let a: Vec<i8> = a
            .iter()
            .enumerate()
            .map(|(at, value)| if at % k / 32 % 4 == 0 { *value } else { 0 })
            .collect();
        let weights = Weights::new(k, n, Layout::RowMajor, values(k * n));
        for kernels in Kernels::available().into_iter().skip(1) {
            let name = format!("int8, a quarter of A/{}", kernels.name());
            time(
                &mut group,
                name,
                kernels,
                (m, k, n),
                &weights,
                Finish::Raw,
                &a,
            );
        }
        group.finish();
    }
}

criterion_group!(gemm, layers, formats);
criterion_main!(gemm);
