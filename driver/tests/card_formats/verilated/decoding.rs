//! One row of activations from a slow memory.

use isa::config::Config;
use sim::memory::MemoryOptions;

use super::counted::{Counted, DENSE};
use crate::encoded::Recipe;

/// Four bits go nearly twice as fast as eight, and neither leaves more than a hundredth of the
/// bandwidth unused.
#[test]
fn one_row_is_as_fast_as_a_slow_memory() {
    let slow = MemoryOptions {
        bandwidth: 4.0,
        ..MemoryOptions::default()
    };
    let wide = Recipe {
        m: 1,
        n: 1024,
        seed: 5,
        ..DENSE
    };
    let narrow = Recipe {
        bits: 4,
        group: 64,
        ..wide
    };
    let [wide, narrow] = [wide, narrow].map(|recipe| {
        let counted = Counted::of(&recipe, &Config::default(), slow.clone());
        let lines = counted.get("read.lines") + counted.get("write.lines");
        let used = lines * 16 / 4 * 100 / counted.cycles;
        assert!(used >= 99, "{used} % of the bandwidth: {recipe:?}");
        counted.cycles
    });
    assert!(narrow * 190 <= wide * 100, "{narrow} of {wide} cycles");
}
