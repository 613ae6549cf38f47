//! The reader of records against a memory that is a function of the line.

mod common;

use std::collections::VecDeque;

use common::{Bench, Rng};
use hdl::front::Fetch;
use isa::command::{COMMAND_BYTES, COMMAND_WORDS};

/// Records read ahead of the one at hand, as the contract of the block says.
const AHEAD: u64 = 16;

fn content(line: u64, word: usize) -> u64 {
    let mut rng = Rng(line * 16 + word as u64 + 1);
    rng.next();
    rng.next() >> 32
}

struct Run {
    line: u64,
    records: u64,
    /// Next record to be handed over.
    next: u64,
    /// Next line to be asked for.
    asked: u64,
}

fn check(port_bytes: usize, errors: u64, flushes: u64) {
    let mut bench = Bench::new(&Fetch::new(port_bytes), "fetch");
    bench.reset();
    let mut rng = Rng(0xfe7c + port_bytes as u64 + errors + flushes);
    let words = port_bytes / 4;
    let r_data = bench.ports("r_data", words);
    let word = bench.ports("word", COMMAND_WORDS);
    let beats = (COMMAND_BYTES / port_bytes) as u64;
    let page = 4096 / port_bytes as u64;
    let mut run: Option<Run> = None;
    let mut flushing = false;
    let mut offered = None;
    // Lines that memory owes.
    let mut pending: VecDeque<u64> = VecDeque::new();
    // Lines of the run that could not be read, and why.
    let mut broken: Vec<(u64, u64)> = vec![];
    let (mut runs, mut records, mut bad, mut flushed, mut most) = (0, 0, 0, 0, 0);
    for cycle in 0..40_000 {
        let (ar, r, take) = [
            (100, 100, 100),
            (30, 100, 100),
            (100, 20, 100),
            (100, 100, 4),
        ][cycle / 500 % 4];
        // A run is asked for when nothing is under way.
        bench.set("flush", flushing.into());
        bench.set("run_valid", 0);
        bench.model.eval();
        if flushing && bench.is("idle") {
            flushing = false;
            run = None;
            bench.set("flush", 0);
            bench.model.eval();
        }
        let over = run.as_ref().is_none_or(|run| run.next == run.records);
        if over && !flushing {
            assert!(
                bench.is("idle") && !bench.is("valid"),
                "cycle {cycle}: all was handed over"
            );
        }
        if over && !flushing && rng.chance(50) {
            let line = (rng.next() >> 12) / beats * beats;
            let records = [1, 1, 8, 9, 1 + rng.below(100)][rng.below(5) as usize];
            bench.set("run_valid", 1);
            bench.set("run_line", line);
            bench.set("run_records", records);
            run = Some(Run {
                line,
                records,
                next: 0,
                asked: 0,
            });
            broken.clear();
            runs += 1;
        }
        let ar_ready = rng.chance(ar);
        let r_valid = !pending.is_empty() && rng.chance(r);
        let r_fault = if rng.below(100) < errors {
            1 + rng.below(6)
        } else {
            0
        };
        bench.set("ar_ready", ar_ready.into());
        bench.set("r_valid", r_valid.into());
        bench.set("r_fault", r_fault);
        let line = pending.front().copied().unwrap_or(cycle as u64);
        for (index, port) in r_data.iter().enumerate() {
            bench.model.set(*port, content(line, index));
        }
        bench.set("taken", 0);
        bench.model.eval();
        if r_valid {
            pending.pop_front();
            if r_fault != 0 {
                broken.push((line, r_fault));
            }
        }
        if bench.is("valid") && !flushing {
            let run = run.as_mut().expect("a record comes from a run");
            let first = run.line + run.next * beats;
            let lines = first..first + beats;
            let first = broken.iter().find(|(line, _)| lines.contains(line));
            let fault = first.map_or(0, |(_, fault)| *fault);
            let is_bad = fault != 0;
            assert_eq!(bench.get("fault"), fault, "record {}", run.next);
            if !is_bad {
                let expected: Vec<u64> = lines
                    .flat_map(|line| (0..words).map(move |at| content(line, at)))
                    .collect();
                let got: Vec<u64> = word.iter().map(|port| bench.model.get(*port)).collect();
                assert_eq!(got, expected, "record {}", run.next);
            }
            if rng.chance(take) {
                bench.set("taken", 1);
                run.next += 1;
                records += 1;
                bad += usize::from(is_bad);
            }
        }
        if bench.is("ar_valid") {
            let burst = (bench.get("ar_line"), bench.get("ar_lines"));
            assert!(
                offered.is_none_or(|old| old == burst),
                "what is offered stays"
            );
            offered = Some(burst);
            let run = run.as_mut().expect("lines are asked for by a run");
            assert_eq!(burst.0, run.line + run.asked, "lines follow each other");
            assert!((1..=64).contains(&burst.1));
            assert_eq!(
                burst.0 / page,
                (burst.0 + burst.1 - 1) / page,
                "4 KiB are not crossed"
            );
            if ar_ready {
                offered = None;
                run.asked += burst.1;
                assert!(
                    run.asked <= run.records * beats,
                    "nothing beyond the last record"
                );
                pending.extend(burst.0..burst.0 + burst.1);
                if !flushing {
                    // The record at hand is not ahead.
                    let ahead = run.asked - run.next * beats;
                    most = most.max(ahead);
                    assert!(ahead <= (AHEAD + 1) * beats, "{ahead} lines ahead");
                }
            }
        } else {
            assert!(offered.is_none(), "what is offered stays");
        }
        bench.model.cycle();
        if !flushing && run.is_some() && rng.below(1000) < flushes {
            flushing = true;
            flushed += 1;
        }
    }
    assert!(
        runs > 100 && records > 1000,
        "{runs} runs, {records} records"
    );
    assert!(most >= AHEAD * beats, "records are read ahead");
    assert_eq!((bad > 0, flushed > 0), (errors > 0, flushes > 0));
}

#[test]
fn records_come_in_order() {
    check(16, 0, 0);
    check(32, 0, 0);
}

#[test]
fn errors_mark_their_record() {
    check(16, 3, 0);
}

#[test]
fn flushes_leave_nothing_behind() {
    check(16, 2, 20);
    check(32, 2, 60);
}
