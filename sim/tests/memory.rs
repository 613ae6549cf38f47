//! The memory model against a small AXI master.

mod common;

use common::{BASE, Bench, Rng};
use isa::model::Memory;
use proptest::prelude::*;
use sim::memory::signals::resp;
use sim::memory::{Dram, Fault, MemoryOptions, Random};

fn bench(options: MemoryOptions, port: usize) -> Bench {
    let dram = Dram::new(options, port).expect("good options");
    Bench::new(dram, port, 1 << 16)
}

/// Many bursts at once over areas that no two of them share, checked against a copy of memory.
fn random_traffic(options: MemoryOptions, port: usize, seed: u64, lazy: u64) {
    const AREA: u64 = 4096;
    const AREAS: usize = 16;
    let mut bench = bench(options, port);
    bench.lazy = lazy;
    let mut rng = Rng(seed | 1);
    let mut shadow = vec![0u8; 1 << 16];
    for byte in &mut shadow {
        *byte = rng.next() as u8;
    }
    assert!(bench.host.write(BASE, &shadow));
    let mut busy = [false; AREAS];
    let mut expected: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut cycles = 0u64;
    while expected.len() < 300 || bench.outstanding() > 0 {
        cycles += 1;
        assert!(cycles < 1_000_000, "the memory hangs");
        if expected.len() < 300 && rng.below(3) == 0 {
            let area = rng.below(AREAS as u64) as usize;
            let beats = 1 + rng.below(AREA / port as u64) as usize % 32;
            let room = AREA as usize / port - beats;
            let offset = rng.below(room as u64 + 1) as usize * port + area * AREA as usize;
            let bytes = beats * port;
            let id = rng.below(16) as u8;
            if !std::mem::replace(&mut busy[area], true) {
                let tag = expected.len();
                if rng.below(2) == 0 {
                    bench.read(tag, BASE + offset as u64, beats, id);
                    expected.push((area, shadow[offset..offset + bytes].to_vec()));
                } else {
                    let data: Vec<u8> = (0..bytes).map(|_| rng.next() as u8).collect();
                    let all = (1u64 << port) - 1;
                    let strobes: Vec<u32> = (0..beats)
                        .map(|_| match rng.below(3) {
                            0 => (rng.next() & all) as u32,
                            _ => all as u32,
                        })
                        .collect();
                    for (index, byte) in data.iter().enumerate() {
                        if strobes[index / port] >> (index % port) & 1 == 1 {
                            shadow[offset + index] = *byte;
                        }
                    }
                    bench.write(tag, BASE + offset as u64, &data, &strobes, id);
                    expected.push((area, Vec::new()));
                }
            }
        }
        bench.cycle().expect("the master keeps the rules");
        for done in bench.done.drain(..) {
            let (area, data) = &expected[done.tag];
            assert_eq!(done.resp, resp::OKAY);
            assert!(done.write || done.data == *data, "burst {}", done.tag);
            busy[*area] = false;
        }
    }
    assert_eq!(bench.host.bytes(), shadow);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn rough_memory_keeps_the_data(
        seed in any::<u64>(),
        port_log2 in 3u32..6,
        latency in 1u32..60,
        bandwidth in 1.0f64..40.0,
        stall in 0.0f64..0.8,
        jitter in 0u32..100,
        reorder in any::<bool>(),
        outstanding in 1usize..20,
        lazy in 0u64..80,
    ) {
        let options = MemoryOptions {
            latency,
            bandwidth,
            outstanding,
            random: Some(Random { seed, stall, jitter, reorder }),
            faults: Vec::new(),
        };
        random_traffic(options, 1 << port_log2, seed, lazy);
    }
}

#[test]
fn default_memory_keeps_the_data() {
    random_traffic(MemoryOptions::default(), 16, 3, 0);
}

#[test]
fn latency_is_exact() {
    for latency in [1, 2, 100] {
        let options = MemoryOptions {
            latency,
            ..MemoryOptions::default()
        };
        let mut bench = bench(options, 16);
        bench.read(0, BASE, 4, 1);
        bench.run(1000);
        // Offered in cycle 1, because the master's outputs are registers.
        assert_eq!(bench.done[0].first, 1 + u64::from(latency));
        assert_eq!(bench.done[0].cycle, 4 + u64::from(latency));
        bench.done.clear();
        let start = bench.now;
        bench.write(1, BASE, &[5; 64], &[0xffff; 4], 1);
        bench.run(1000);
        // The last of four beats is offered in cycle 4.
        assert_eq!(bench.done[0].cycle - start, 4 + u64::from(latency));
    }
}

#[test]
fn reads_stream_at_the_full_bandwidth() {
    for (bandwidth, cycles) in [(16.0, 1024), (8.0, 2048), (12.8, 1280), (64.0, 1024)] {
        let options = MemoryOptions {
            bandwidth,
            ..MemoryOptions::default()
        };
        let mut bench = bench(options, 16);
        for burst in 0..16 {
            bench.read(burst, BASE + 1024 * burst as u64, 64, 0);
        }
        bench.run(10_000);
        let took = bench.now - 101;
        assert!(
            took.abs_diff(cycles) <= 2,
            "{bandwidth} bytes a cycle: {took} cycles, not {cycles}"
        );
    }
}

#[test]
fn reads_and_writes_share_the_bandwidth_evenly() {
    let mut bench = bench(MemoryOptions::default(), 16);
    for burst in 0..8 {
        bench.read(burst, BASE + 1024 * burst as u64, 64, 0);
    }
    for _ in 0..100 {
        bench.cycle().expect("the master keeps the rules");
    }
    let data = [1; 1024];
    for burst in 0..8 {
        bench.write(
            8 + burst,
            BASE + 0x8000 + 1024 * burst as u64,
            &data,
            &[0xffff; 64],
            0,
        );
    }
    bench.run(10_000);
    let end = |write| {
        let last = bench.done.iter().rev().find(|done| done.write == write);
        last.expect("both kinds ended").cycle
    };
    // 1,024 beats in all; the answers to writes come a latency later.
    assert!(end(false).abs_diff(1024 + 100) < 8, "{}", end(false));
    assert!(end(true).abs_diff(1024 + 200) < 8, "{}", end(true));
}

#[test]
fn faults_answer_beat_by_beat_and_spare_memory() {
    let fault = Fault {
        addresses: BASE + 32..BASE + 33,
        reads: true,
        writes: true,
    };
    let options = MemoryOptions {
        faults: vec![fault],
        ..MemoryOptions::default()
    };
    let mut bench = bench(options, 16);
    bench.write(0, BASE, &[9; 64], &[0xffff; 4], 0);
    bench.run(1000);
    assert_eq!(bench.done[0].resp, resp::SLVERR);
    let bytes = &bench.host.bytes()[..64];
    assert_eq!(bytes[..32], [9; 32]);
    assert_eq!(bytes[32..48], [0; 16]);
    assert_eq!(bytes[48..], [9; 16]);
    bench.done.clear();
    bench.read(1, BASE, 2, 0);
    bench.read(2, BASE, 4, 0);
    bench.read(3, BASE + (1 << 16), 1, 0);
    bench.run(1000);
    let answers: Vec<u8> = bench.done.iter().map(|done| done.resp).collect();
    assert_eq!(answers, [resp::OKAY, resp::SLVERR, resp::DECERR]);
    assert_eq!(bench.done[1].data[..32], [9; 32]);
}

#[test]
fn a_hanging_memory_does_nothing_until_it_is_let_go() {
    let mut bench = bench(MemoryOptions::default(), 16);
    bench.dram.hang(true);
    bench.read(0, BASE, 1, 0);
    for _ in 0..1000 {
        bench.cycle().expect("the master keeps the rules");
    }
    assert!(bench.done.is_empty());
    bench.dram.hang(false);
    bench.run(200);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let options = MemoryOptions {
            random: Some(Random::rough(seed)),
            ..MemoryOptions::default()
        };
        let mut bench = bench(options, 16);
        for burst in 0..20 {
            bench.read(burst, BASE, 8, burst as u8 % 16);
        }
        bench.run(100_000);
        bench.done
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn nonsense_options_are_refused_with_a_reason() {
    let good = MemoryOptions {
        latency: isa::regs::WATCHDOG_RESET / 2 - 1,
        ..MemoryOptions::default()
    };
    assert_eq!(good.check(), Ok(()));
    for bad in [
        MemoryOptions {
            latency: 0,
            ..good.clone()
        },
        MemoryOptions {
            latency: good.latency + 1,
            ..good.clone()
        },
        MemoryOptions {
            bandwidth: 0.0,
            ..good.clone()
        },
        MemoryOptions {
            bandwidth: f64::NAN,
            ..good.clone()
        },
        MemoryOptions {
            outstanding: 0,
            ..good.clone()
        },
        MemoryOptions {
            random: Some(Random {
                stall: 1.0,
                ..Random::rough(0)
            }),
            ..good.clone()
        },
    ] {
        assert!(Dram::new(bad, 16).is_err());
    }
    assert!(Dram::new(good.clone(), 12).is_err());
    assert!(Dram::new(good, 64).is_err());
}
