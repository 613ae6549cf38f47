//! The burst cutter: every run falls into bursts that AXI allows.

mod common;

use std::collections::VecDeque;

use common::{Bench, Rng, bursts};
use hdl::engine::BurstCutter;

fn check(port_bytes: u64) {
    let mut bench = Bench::new(&BurstCutter::new(port_bytes as usize), "cutter");
    bench.reset();
    let mut rng = Rng(0xb0 + port_bytes);
    let page = 4096 / port_bytes;
    let mut expected: VecDeque<(u64, u64)> = VecDeque::new();
    let mut offered = None;
    let (mut runs, mut taken, mut longest) = (0, 0, 0);
    // What the host offers as a run.
    let mut run: Option<(u64, u64)> = None;
    for cycle in 0..20_000 {
        let stalls = [0, 50, 90][cycle / 300 % 3];
        if run.is_none() && rng.chance(70) {
            let page_start = (rng.next() >> 11) / page * page;
            let line = page_start + rng.below(page);
            let lines = match rng.below(4) {
                0 => 1 + rng.below(3),
                1 => page - line % page,
                2 => 1 + rng.below(2 * page),
                _ => 1 + rng.below(700),
            };
            run = Some((line.min((1 << 53) - 1024), lines));
        }
        let (line, lines) = run.unwrap_or((rng.next() >> 11, rng.next() >> 40));
        bench.set("run_valid", run.is_some().into());
        bench.set("run_line", line);
        bench.set("run_lines", lines);
        let ready = !rng.chance(stalls);
        bench.set("burst_ready", ready.into());
        let reset = rng.below(700) == 0;
        bench.set("reset", reset.into());
        bench.model.eval();
        if bench.is("burst_valid") {
            let burst = (bench.get("burst_line"), bench.get("burst_lines"));
            assert!(
                offered.is_none_or(|old| old == burst),
                "what is offered stays"
            );
            offered = Some(burst);
            assert_eq!(Some(&burst), expected.front(), "cycle {cycle}");
            assert!((1..=64).contains(&burst.1));
            assert_eq!(
                burst.0 / page,
                (burst.0 + burst.1 - 1) / page,
                "4 KiB are not crossed"
            );
            if ready {
                expected.pop_front();
                offered = None;
                taken += 1;
                longest = longest.max(burst.1);
            }
        } else {
            assert!(offered.is_none(), "what is offered stays");
        }
        if run.is_some() && bench.is("run_ready") {
            assert!(
                expected.is_empty() && offered.is_none(),
                "one run at a time"
            );
            expected = bursts(line, lines, port_bytes).into();
            run = None;
            runs += 1;
        }
        bench.model.cycle();
        if reset {
            expected.clear();
            offered = None;
        }
    }
    assert!(
        runs > 300 && taken > 1000 && longest == 64,
        "{runs} {taken} {longest}"
    );
}

#[test]
fn runs_fall_into_allowed_bursts() {
    check(16);
    check(32);
}

#[test]
fn a_burst_takes_two_cycles_and_a_run_one_more() {
    let mut bench = Bench::new(&BurstCutter::new(16), "cutter");
    bench.reset();
    bench.set("burst_ready", 1);
    bench.set("run_valid", 1);
    bench.set("run_line", 0);
    bench.set("run_lines", 640);
    let mut starts = vec![];
    for cycle in 0..100 {
        bench.model.eval();
        if bench.is("run_ready") {
            starts.push(cycle);
        }
        bench.model.cycle();
    }
    let gaps: Vec<i32> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        gaps.iter().all(|&gap| gap == 21) && gaps.len() == 4,
        "{gaps:?}"
    );
}
