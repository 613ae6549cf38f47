//! The queues against `VecDeque`.

mod common;

use std::collections::VecDeque;

use common::{Bench, Rng};
use hdl::mem::{Fifo, LineFifo, LineSlice, ShownFifo};
use rust_hdl_core::prelude::{Bits, Synth};

const CYCLES: usize = 4000;

/// How full the queue tends to be in this cycle: pushes and pops in percent.
fn mood(cycle: usize) -> (u64, u64) {
    [(90, 20), (20, 90), (100, 100), (50, 50)][cycle / 100 % 4]
}

/// Values of `width` bits through a queue of `depth`. One that is `registered` shows its oldest value
/// from a register: not in the cycle after a push into an empty queue, nor in the one after a pop.
fn values(mut bench: Bench, depth: usize, width: usize, registered: bool, seed: u64) {
    let mut rng = Rng(seed + depth as u64);
    let mut model = VecDeque::new();
    let (mut shown, mut was_full) = (false, 0);
    for cycle in 0..CYCLES {
        let (pushes, pops) = mood(cycle);
        let text = format!("depth {depth}, cycle {cycle}");
        bench.model.eval();
        assert_eq!(bench.is("room"), model.len() < depth, "{text}");
        assert_eq!(bench.is("valid"), shown, "{text}");
        if registered {
            assert_eq!(bench.is("occupied"), !model.is_empty(), "{text}");
        }
        if shown {
            assert_eq!(Some(&bench.get("data")), model.front(), "{text}");
        }
        was_full += usize::from(model.len() == depth);
        let push = rng.chance(pushes) && model.len() < depth;
        let pop = rng.chance(pops) && shown;
        let reset = rng.below(200) == 0;
        let value = rng.next() >> (64 - width);
        bench.set("push", push.into());
        bench.set("push_data", value);
        bench.set("pop", pop.into());
        bench.set("reset", reset.into());
        // The oldest value stands there in the cycle of the pop.
        bench.model.eval();
        if shown {
            assert_eq!(Some(&bench.get("data")), model.front(), "{text}");
        }
        bench.model.cycle();
        let was_held = !model.is_empty();
        if pop {
            model.pop_front();
        }
        if push {
            model.push_back(value);
        }
        if reset {
            model.clear();
        }
        shown = match registered {
            true => was_held && !pop && !reset,
            false => !model.is_empty(),
        };
    }
    assert!(was_full > 50, "the queue was full now and then");
}

fn fifo<T: Synth>(depth: usize, width: usize) {
    let bench = Bench::new(&Fifo::<T>::new(depth), "fifo");
    values(bench, depth, width, false, 0xf1f0);
}

fn shown_fifo<T: Synth>(depth: usize, width: usize) {
    let bench = Bench::new(&ShownFifo::<T>::new(depth), "shown");
    values(bench, depth, width, true, 0x5b03);
}

#[test]
fn values_come_out_in_order() {
    fifo::<Bits<8>>(2, 8);
    fifo::<Bits<53>>(4, 53);
    fifo::<Bits<1>>(32, 1);
}

#[test]
#[should_panic(expected = "power of two")]
fn depth_is_a_power_of_two() {
    let _ = Fifo::<Bits<8>>::new(6);
}

fn line_fifo(depth: usize, words: usize) {
    let mut bench = Bench::new(&LineFifo::new(depth, words), "lines");
    let mut rng = Rng(0x11e + depth as u64);
    let push_data = bench.ports("push_data", words);
    let data = bench.ports("data", words);
    let mut model: VecDeque<(Vec<u64>, u64)> = VecDeque::new();
    let mut was_full = 0;
    for cycle in 0..CYCLES {
        let (pushes, pops) = mood(cycle);
        bench.model.eval();
        assert_eq!(
            bench.is("valid"),
            !model.is_empty(),
            "depth {depth}, cycle {cycle}"
        );
        if let Some((line, quarters)) = model.front() {
            let got: Vec<u64> = data.iter().map(|port| bench.model.get(*port)).collect();
            assert_eq!(&got, line, "depth {depth}, cycle {cycle}");
            assert_eq!(bench.get("quarters"), *quarters);
        }
        was_full += usize::from(model.len() == depth);
        let push = rng.chance(pushes) && model.len() < depth;
        let pop = rng.chance(pops) && !model.is_empty();
        let reset = rng.below(200) == 0;
        let line: Vec<u64> = (0..words).map(|_| rng.next() >> 32).collect();
        let quarters = rng.below(16);
        bench.set("push", push.into());
        for (port, value) in push_data.iter().zip(&line) {
            bench.model.set(*port, *value);
        }
        bench.set("push_quarters", quarters);
        bench.set("pop", pop.into());
        bench.set("reset", reset.into());
        bench.model.cycle();
        if pop {
            model.pop_front();
        }
        if push {
            model.push_back((line, quarters));
        }
        if reset {
            model.clear();
        }
    }
    assert!(was_full > 50, "the queue was full now and then");
}

#[test]
fn lines_come_out_in_order() {
    line_fifo(2, 1);
    line_fifo(32, 4);
}

#[test]
fn shown_values_come_out_in_order() {
    shown_fifo::<Bits<8>>(2, 8);
    shown_fifo::<Bits<53>>(4, 53);
}

/// Lines through a register stage under random stalls of either side, and one in each cycle when
/// neither stalls.
fn line_slice(words: usize) {
    let mut bench = Bench::new(&LineSlice::new(words), "slice");
    let mut rng = Rng(0x511c + words as u64);
    let in_data = bench.ports("in_data", words);
    let data = bench.ports("data", words);
    let mut model: VecDeque<(Vec<u64>, u64, u64)> = VecDeque::new();
    let mut offered: Option<(Vec<u64>, u64, u64)> = None;
    let (mut was_full, mut passed) = (0, 0);
    for cycle in 0..CYCLES {
        let text = format!("{words} words, cycle {cycle}");
        let (offers, takes) = mood(cycle);
        if offered.is_none() && rng.chance(offers) {
            let line = (0..words).map(|_| rng.next() >> 32).collect();
            offered = Some((line, rng.below(16), rng.below(2)));
        }
        bench.set("in_valid", offered.is_some().into());
        let (line, quarters, last) = offered.clone().unwrap_or((vec![0; words], 0, 0));
        for (port, value) in in_data.iter().zip(line) {
            bench.model.set(*port, value);
        }
        bench.set("in_quarters", quarters);
        bench.set("in_last", last);
        let ready = rng.chance(takes);
        let reset = rng.below(200) == 0;
        bench.set("ready", ready.into());
        bench.set("reset", reset.into());
        bench.model.eval();
        assert_eq!(bench.is("in_ready"), model.len() < 2, "{text}");
        assert_eq!(bench.is("valid"), !model.is_empty(), "{text}");
        if let Some((line, quarters, last)) = model.front() {
            let got: Vec<u64> = data.iter().map(|port| bench.model.get(*port)).collect();
            assert_eq!(&got, line, "{text}");
            assert_eq!(bench.get("quarters"), *quarters, "{text}");
            assert_eq!(bench.get("last"), *last, "{text}");
        }
        was_full += usize::from(model.len() == 2);
        bench.model.cycle();
        let free = model.len() < 2;
        if ready && model.pop_front().is_some() {
            passed += 1;
        }
        if free {
            model.extend(offered.take());
        }
        if reset {
            model.clear();
        }
    }
    assert!(
        was_full > 50 && passed > CYCLES * 2 / 5,
        "{was_full} {passed}"
    );
}

#[test]
fn a_register_stage_holds_two_lines() {
    line_slice(1);
    line_slice(4);
    line_slice(8);
}
