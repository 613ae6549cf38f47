//! CPU time of a command from submission to completion, against a card that costs nothing.
//!
//! Completions stand in their ring before they are asked for, so that only the driver's own work
//! counts: criterion's time for one element is that of one `submit` and one `poll`, with their
//! doorbells, which are stores to memory here. Nothing waits, so no system call is made
//! (`tests/polled.rs` shows it).

#[path = "../tests/null/mod.rs"]
mod null;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rustix::time::{ClockId, clock_gettime};

use null::Bench;

/// Entries of the rings, as a power of two: both stay in the cache, as those of a busy queue do.
const LOG2: u32 = 7;
/// Commands of a lap, for which completions are laid out beforehand.
const LAP: u64 = 64;

/// CPU time of this thread, which other programs on the same core do not lengthen. To ask for it
/// costs a few nanoseconds for each command of a lap, which count too.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("submit and poll");
    group.throughput(Throughput::Elements(1));
    for depth in [1, 8, 64] {
        group.bench_function(BenchmarkId::new("depth", depth), |bencher| {
            bencher.iter_custom(|times| {
                let mut bench = Bench::new(LOG2);
                let mut spent = Duration::ZERO;
                let laps = times.div_ceil(LAP);
                for _ in 0..laps {
                    bench.complete(LAP);
                    let start = cpu_time();
                    for _ in 0..LAP / depth {
                        bench.turn(depth);
                    }
                    spent += cpu_time() - start;
                }
                spent.mul_f64(times as f64 / (laps * LAP) as f64)
            });
        });
    }
    group.finish();
}

criterion_group!(group, benches);
criterion_main!(group);
