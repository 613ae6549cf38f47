//! What a mode is for: fewer cycles than dense int8 in the same run, with the default memory. Cycles
//! are exact figures of card and compiler, so that a change which loses some shows here.

use sim::memory::MemoryOptions;

use super::counted::{Counted, DENSE, dense};
use super::full;
use crate::cards::with_wide_port;
use crate::encoded::Recipe;

/// Cycles of transfers that zero blocks do not hide from 85 % on, where activations and results
/// keep the port busier than the blocks that are left keep the array.
const PORT_BINDS: u64 = 11_200;

/// Cycles that the card takes with these modes.
fn cycles(sparse: bool, zero_blocks: Option<u32>) -> u64 {
    Counted::by_default(&modes(sparse, zero_blocks)).cycles
}

/// The product with these modes; blocks have the shape that the card skips.
fn modes(sparse: bool, zero_blocks: Option<u32>) -> Recipe {
    let rows = if sparse { 32 } else { 16 };
    Recipe {
        sparse,
        blocks: zero_blocks.map(|percent| (rows, 16, percent)),
        ..DENSE
    }
}

/// The share of the cycles of dense, and eight percent.
fn goal(dense: u64, zero_blocks: u32) -> u64 {
    dense * 108 * u64::from(100 - zero_blocks) / 10_000
}

#[test]
fn two_of_four_take_half_the_cycles() {
    let (took, dense) = (cycles(true, None), dense().cycles);
    assert!(took * 185 <= dense * 100, "{took} of {dense} cycles");
    assert!(took * 100 <= dense * 52, "{took} of {dense} cycles");
}

#[test]
fn narrow_weights_cost_no_cycles() {
    for (bits, group) in [(3, 0), (4, 32), (4, 64), (4, 128), (6, 0), (7, 64)] {
        let recipe = Recipe {
            bits,
            group,
            ..DENSE
        };
        let (took, dense) = (Counted::by_default(&recipe).cycles, dense().cycles);
        assert!(
            took * 100 <= dense * 101,
            "{took} of {dense} cycles: {recipe:?}"
        );
    }
}

#[test]
fn zero_blocks_cost_no_cycles() {
    for percent in [70, 75, 80, 85, 90] {
        let (took, dense) = (cycles(false, Some(percent)), dense().cycles);
        let most = goal(dense, percent) + if percent > 80 { PORT_BINDS } else { 0 };
        println!("{percent} %: {took} of {dense} cycles, at most {most}");
        assert!(
            took <= most,
            "{percent} %: {took} of {dense} cycles, more than {most}"
        );
    }
}

/// With a port that does not bind, there is nothing to hide.
#[test]
fn zero_blocks_cost_nothing_at_all_with_a_wide_port() {
    if !full() {
        return;
    }
    let config = with_wide_port(16, 16);
    let memory = MemoryOptions {
        bandwidth: 32.0,
        ..MemoryOptions::default()
    };
    let cycles = |recipe| Counted::of(&recipe, &config, memory.clone()).cycles;
    let dense = cycles(DENSE);
    for percent in [70, 75, 80, 85, 90] {
        let took = cycles(modes(false, Some(percent)));
        let most = goal(dense, percent);
        assert!(
            took <= most,
            "{percent} %: {took} of {dense} cycles, more than {most}"
        );
    }
}

#[test]
fn two_four_and_zero_blocks_multiply() {
    let sparse = cycles(true, None);
    for percent in [50, 70] {
        let blocks = cycles(false, Some(percent));
        let both = cycles(true, Some(percent));
        // (dense / both) of (dense / sparse) * (dense / blocks).
        let share = sparse * blocks * 1000 / (dense().cycles * both);
        println!("{percent} %: {both} cycles, {share} thousandths of the product of the modes");
        assert!(
            (900..=1100).contains(&share),
            "{percent} %: {both} cycles, {share} thousandths of the product of the modes"
        );
    }
}
