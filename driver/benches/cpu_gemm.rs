//! Speed of the CPU kernels on the products of all-MiniLM-L6-v2, one thread.
//!
//! Criterion's `elem/s` are operations a second (two for each multiply-accumulate): 100 Gelem/s
//! are 100 GOPS.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use isa::format::OutputFormat;
use isa::numerics::{ColumnParam, Dyadic};
use systole::cpu::{CpuBackend, Kernels};
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

fn benches(criterion: &mut Criterion) {
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
                let mut backend = CpuBackend::with_kernels(1, kernels);
                let job = MatMul {
                    name: "bench",
                    m,
                    k,
                    n,
                    a: &a,
                    b: Rhs::Kept(&weights),
                    finish,
                };
                group.bench_function(format!("{}/{what}", kernels.name()), |bencher| {
                    bencher.iter(|| backend.run(black_box(&[job])).expect("shapes fit"));
                });
            }
        }
        group.finish();
    }
}

criterion_group!(gemm, benches);
criterion_main!(gemm);
