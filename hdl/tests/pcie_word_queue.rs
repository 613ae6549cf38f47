//! The queue of words against plain lists.

mod common;

use std::collections::VecDeque;

use common::{Bench, Rng};
use hdl::pcie::WordQueue;

fn check(words: usize, rows: usize, room_rows: usize) {
    let mut bench = Bench::new(&WordQueue::new(words, rows, room_rows), "word_queue");
    bench.reset();
    let mut rng = Rng(0x30 + (words * rows) as u64);
    let push_data = bench.ports("push_data", words);
    let data = bench.ports("data", words);
    // Rows that the reader must see; `None` is a lane that holds anything.
    let mut model: VecDeque<Vec<Option<u64>>> = VecDeque::new();
    // The open run.
    let mut run: Vec<Option<u64>> = vec![];
    let mut open = false;
    let (mut commits, mut drops, mut full, mut fast) = (0, 0, 0, 0);
    for cycle in 0..60_000 {
        let (pushes, pops) = [(90, 20), (20, 90), (100, 100), (100, 0)][cycle / 200 % 4];
        bench.set("push", 0);
        bench.set("commit", 0);
        bench.set("drop", 0);
        bench.set("start", rng.chance(50).into());
        bench.set("push_count", rng.below(5));
        bench.model.eval();
        let room = bench.is("room");
        full += usize::from(!room);
        let used = model.len() + run.len().div_ceil(words);
        if used + room_rows < rows {
            assert!(room, "cycle {cycle}: {used} rows of {rows} are used");
        }
        if room && rng.chance(pushes) {
            let starts = !open;
            let lane = rng.below(words as u64);
            if starts {
                run = vec![None; lane as usize];
            }
            let count = rng.below(words as u64 + 1);
            let first = rng.below(words as u64 - count.max(1) + 1);
            let line: Vec<u64> = (0..words).map(|_| rng.next() >> 32).collect();
            for (port, word) in push_data.iter().zip(&line) {
                bench.model.set(*port, *word);
            }
            bench.set("push", 1);
            bench.set("start", starts.into());
            bench.set("start_lane", lane);
            bench.set("push_first", first);
            bench.set("push_count", count);
            let range = first as usize..(first + count) as usize;
            run.extend(line[range].iter().map(|&word| Some(word)));
            open = true;
        }
        if open {
            // A run that would not fit must end.
            let long = run.len() / words + room_rows + 3 > rows;
            let reset = rng.below(2000) == 0;
            if long || rng.chance(15) {
                let keep = rng.chance(70);
                bench.set(if keep { "commit" } else { "drop" }, 1);
                // Both at once is a drop.
                if !keep && rng.chance(20) {
                    bench.set("commit", 1);
                }
                let ended = std::mem::take(&mut run);
                open = false;
                if keep {
                    commits += 1;
                    for row in ended.chunks(words) {
                        let mut row = row.to_vec();
                        row.resize(words, None);
                        model.push_back(row);
                    }
                } else {
                    drops += 1;
                }
            } else if reset {
                bench.set("reset", 1);
                bench.set("pop", 0);
                bench.model.cycle();
                bench.set("reset", 0);
                model.clear();
                run.clear();
                open = false;
                continue;
            }
        }
        bench.set("pop", 0);
        bench.model.eval();
        let valid = bench.is("valid");
        if valid {
            let row = model.front().expect("a row that was put in");
            for (port, expected) in data.iter().zip(row) {
                let got = bench.model.get(*port);
                assert!(expected.is_none_or(|word| word == got), "cycle {cycle}");
            }
            if rng.chance(pops) {
                bench.set("pop", 1);
                model.pop_front();
                fast += 1;
            }
        }
        bench.model.cycle();
    }
    assert!(commits > 1000 && drops > 200 && full > 100 && fast > 2000);
    // What was committed comes out, one row a cycle.
    for name in ["push", "commit", "drop"] {
        bench.set(name, 0);
    }
    if open {
        bench.set("drop", 1);
        bench.model.cycle();
        bench.set("drop", 0);
    }
    bench.set("pop", 0);
    bench.model.cycles(2);
    while let Some(row) = model.pop_front() {
        bench.model.eval();
        assert!(bench.is("valid"), "no gap while rows wait");
        for (port, expected) in data.iter().zip(&row) {
            let got = bench.model.get(*port);
            assert!(expected.is_none_or(|word| word == got));
        }
        bench.set("pop", 1);
        bench.model.cycle();
    }
    bench.model.eval();
    assert!(!bench.is("valid"));
}

#[test]
fn runs_come_out_whole_and_in_order() {
    check(2, 16, 2);
    check(4, 16, 5);
    check(4, 64, 2);
}

#[test]
#[should_panic(expected = "2 or 4 words")]
fn rows_have_two_or_four_words() {
    let _ = WordQueue::new(3, 16, 2);
}
