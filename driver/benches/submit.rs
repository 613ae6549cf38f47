//! CPU time of a command from submission to completion, against a card that costs nothing.
//!
//! Registers are words of memory, and completions stand in their ring before they are asked for,
//! so that only the driver's own work counts: criterion's time for one element is that of one
//! `submit` and one `poll`. Nothing here waits, so no system call is made.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use isa::command::{Command, Load, Operation};
use isa::queue::{COMPLETION_WORDS, Completion};
use isa::regs::WINDOW_BYTES;
use systole::dma::{DmaMemory, ProcessMemory};
use systole::queue::QueuePair;
use systole::transport::{Patience, Transport, TransportError, Wake};

/// Entries of the rings, as a power of two: both stay in the cache, as those of a busy queue do.
const LOG2: u32 = 7;
/// Commands of a lap, for which completions are laid out beforehand: the ring holds one less than
/// its entries.
const LAP: u64 = 64;

/// A card that takes everything and does nothing.
struct Null {
    registers: Vec<AtomicU32>,
    memory: Arc<ProcessMemory>,
    /// Regions in the order in which they were asked for.
    regions: Vec<DmaMemory>,
}

impl Null {
    fn new() -> Self {
        Self {
            registers: (0..WINDOW_BYTES / 4).map(|_| AtomicU32::new(0)).collect(),
            memory: Arc::default(),
            regions: Vec::new(),
        }
    }

    /// Lays out the completions of the programs `first_tag..first_tag + LAP`.
    fn complete(&self, first_tag: u64) {
        let completions = &self.regions[1];
        for tag in first_tag..first_tag + LAP {
            let index = (tag - 1) % (1 << LOG2);
            let words = Completion {
                tag,
                head: (tag % (1 << LOG2)) as u16,
                phase: ((tag - 1) >> LOG2 & 1 ^ 1) as u8,
                ..Completion::default()
            }
            .encode();
            for (offset, word) in words.into_iter().enumerate() {
                completions.store(index as usize * COMPLETION_WORDS + offset, word);
            }
        }
    }
}

impl Transport for Null {
    fn describe(&self) -> &str {
        "nothing"
    }

    fn read_raw(&mut self, offset: u32) -> Result<u32, TransportError> {
        Ok(self.registers[offset as usize / 4].load(Ordering::Relaxed))
    }

    fn write(&mut self, offset: u32, value: u32) -> Result<(), TransportError> {
        self.registers[offset as usize / 4].store(value, Ordering::Release);
        Ok(())
    }

    fn allocate(&mut self, bytes: usize) -> Result<DmaMemory, TransportError> {
        let region = self.memory.allocate(bytes);
        self.regions.push(region.clone());
        Ok(region)
    }

    fn wait(&mut self, _: Patience) -> Result<Wake, TransportError> {
        unreachable!("every completion is there before it is asked for")
    }

    fn function_reset(&mut self) -> Result<(), TransportError> {
        Ok(())
    }
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("submit and poll");
    group.throughput(Throughput::Elements(1));
    let commands: Arc<[Command]> = Arc::new([Command::new(Operation::Load(Load::default()))]);
    for depth in [1, 8, 64] {
        group.bench_function(BenchmarkId::new("depth", depth), |bencher| {
            bencher.iter_custom(|times| {
                let mut card = Null::new();
                let mut queue = QueuePair::start(&mut card, 0, LOG2, 0).expect("memory");
                let mut spent = Duration::ZERO;
                let laps = times.div_ceil(LAP);
                for lap in 0..laps {
                    card.complete(1 + lap * LAP);
                    let start = Instant::now();
                    for _ in 0..LAP / depth {
                        for _ in 0..depth {
                            let commands = Arc::clone(&commands);
                            let tag = queue.submit(&mut card, black_box(0x1000), commands);
                            black_box(tag.expect("there is room"));
                        }
                        for _ in 0..depth {
                            let finished = queue.poll(&mut card).expect("a good completion");
                            black_box(finished.expect("a completion"));
                        }
                    }
                    spent += start.elapsed();
                }
                spent.mul_f64(times as f64 / (laps * LAP) as f64)
            });
        });
    }
    group.finish();
}

criterion_group!(group, benches);
criterion_main!(group);
