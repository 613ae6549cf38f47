//! Performance counters against plain numbers.

mod common;

use common::{Bench, Rng};
use hdl::front::Counters;

#[test]
fn counters_count_hold_and_clear() {
    let mut bench = Bench::new(&Counters::new(3), "counters");
    let ticks = bench.ports("tick", 3);
    let (low, high) = (bench.ports("low", 3), bench.ports("high", 3));
    let mut rng = Rng(0xc0);
    let mut model = [0u64; 3];
    let mut ticked = [0; 3];
    for _ in 0..20_000 {
        let freeze = rng.chance(20);
        let clear = rng.below(3000) == 0;
        bench.set("freeze", freeze.into());
        bench.set("clear", clear.into());
        // An event is counted a cycle after it was seen.
        for ((port, count), ticked) in ticks.iter().zip(&mut model).zip(&mut ticked) {
            let tick = rng.chance(60);
            bench.model.set(*port, tick.into());
            *count = if clear { 0 } else { *count + *ticked };
            *ticked = u64::from(tick && !freeze && !clear);
        }
        bench.model.cycle();
        for (index, count) in model.iter().enumerate() {
            let got = bench.model.get(low[index]) | bench.model.get(high[index]) << 32;
            assert_eq!(got, *count);
        }
    }
    assert!(model.iter().all(|&count| count > 0));
}
