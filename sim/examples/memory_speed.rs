//! Prints what a cycle of the memory model costs, in nanoseconds, apart from the card.
//!
//! `cargo run --release -p systole-sim --example memory_speed`

use std::hint::black_box;
use std::time::Instant;

use isa::model::SliceMemory;
use sim::memory::signals::{Address, Master, Slave, WriteData};
use sim::memory::{Dram, MemoryOptions, Random};

const CYCLES: u64 = 20_000;
const RUNS: usize = 100;

fn address(addr: u64) -> Address {
    Address {
        valid: true,
        addr,
        len: 63,
        id: 0,
        size: 4,
        burst: 1,
    }
}

fn measure(name: &str, options: MemoryOptions, mut drive: impl FnMut(&Slave, &mut Master)) {
    let mut dram = match Dram::new(options, 16) {
        Ok(dram) => dram,
        Err(error) => return eprintln!("{name}: {error}"),
    };
    let mut host = SliceMemory::new(0, 1 << 20);
    let mut master = Master {
        r_ready: true,
        b_ready: true,
        ..Master::default()
    };
    // The fastest of many short runs: other work on the machine only ever slows one down.
    let mut each = f64::INFINITY;
    for _ in 0..RUNS {
        let start = Instant::now();
        for _ in 0..CYCLES {
            match dram.cycle(&mut host, black_box(&master)) {
                Ok(slave) => drive(black_box(slave), &mut master),
                Err(error) => return eprintln!("{name}: {error}"),
            }
        }
        each = each.min(start.elapsed().as_secs_f64() * 1e9 / CYCLES as f64);
    }
    let traffic = dram.traffic();
    println!(
        "{name:26} {each:6.1} ns a cycle, {} beats read, {} written",
        traffic.read_beats, traffic.write_beats
    );
}

fn main() {
    let plain = MemoryOptions::default();
    let rough = MemoryOptions {
        random: Some(Random::rough(1)),
        ..MemoryOptions::default()
    };
    measure("idle", plain.clone(), |_, _| ());
    for (name, options) in [("reads", plain.clone()), ("reads, rough", rough)] {
        let mut next = 0u64;
        measure(name, options, |slave, master| {
            if slave.ar_ready {
                next = (next + 1024) % (1 << 20);
                master.ar = address(next);
            }
        });
    }
    let mut beat = 0u64;
    measure("writes", plain, |slave, master| {
        if slave.aw_ready {
            master.aw = Address::default();
        }
        if slave.w_ready || beat == 0 {
            if beat.is_multiple_of(64) {
                master.aw = address(beat * 16 % (1 << 20));
            }
            beat += 1;
            master.w = WriteData {
                valid: true,
                data: [3; 32],
                strobes: 0xffff,
                last: beat.is_multiple_of(64),
            };
        }
    });
}
