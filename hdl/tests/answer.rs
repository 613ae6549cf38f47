//! The writer of completion entries: one burst, its lines, memory's answer.

mod common;

use common::{Bench, Rng};
use hdl::front::Answer;
use isa::queue::{COMPLETION_BYTES, COMPLETION_WORDS};

fn check(port_bytes: usize) {
    let mut bench = Bench::new(&Answer::new(port_bytes), "answer");
    bench.reset();
    let mut rng = Rng(0xa5 + port_bytes as u64);
    let word = bench.ports("word", COMPLETION_WORDS);
    let w_data = bench.ports("w_data", port_bytes / 4);
    let mut failures = 0;
    for round in 0..300 {
        let entry: Vec<u64> = (0..COMPLETION_WORDS).map(|_| rng.next() >> 32).collect();
        for (port, value) in word.iter().zip(&entry) {
            bench.model.set(*port, *value);
        }
        let ready = [100, 20][round % 2];
        let mut cycles = 0;
        let mut taken = 0;
        let mut written: Vec<u64> = vec![];
        let mut owed = false;
        let mut started = false;
        loop {
            assert!(cycles < 500, "the writer hangs");
            let start = cycles == round % 3;
            let aw_ready = rng.chance(ready);
            let w_ready = rng.chance(ready);
            let b_valid = owed && rng.chance(ready);
            let b_fault = if rng.chance(20) { 1 + rng.below(6) } else { 0 };
            bench.set("start", start.into());
            bench.set("aw_ready", aw_ready.into());
            bench.set("w_ready", w_ready.into());
            bench.set("b_valid", b_valid.into());
            bench.set("b_fault", b_fault);
            bench.model.eval();
            if !started {
                assert!(
                    !bench.is("aw_valid") && !bench.is("w_valid"),
                    "nothing is asked for"
                );
            }
            started |= start;
            taken += u64::from(bench.is("aw_valid") && aw_ready);
            if bench.is("w_valid") {
                assert_eq!(taken, 1, "the burst comes first");
                let last = written.len() + port_bytes / 4 == COMPLETION_WORDS;
                assert_eq!(bench.is("w_last"), last);
                if w_ready {
                    written.extend(w_data.iter().map(|port| bench.model.get(*port)));
                    owed = last;
                }
            }
            assert_eq!(bench.is("done"), b_valid);
            if b_valid {
                assert_eq!(bench.get("fault"), b_fault);
                failures += usize::from(b_fault != 0);
            }
            bench.model.cycle();
            cycles += 1;
            if b_valid {
                break;
            }
        }
        assert_eq!((taken, &written), (1, &entry), "one burst with the entry");
        assert_eq!(written.len() * 4, COMPLETION_BYTES);
    }
    assert!(failures > 20);
    // A reset in the middle of an entry leaves nothing behind.
    bench.set("start", 1);
    bench.model.cycle();
    bench.set("start", 0);
    bench.reset();
    bench.model.eval();
    assert!(!bench.is("aw_valid") && !bench.is("w_valid"));
}

#[test]
fn entries_are_written_as_one_burst() {
    check(16);
    check(32);
}
