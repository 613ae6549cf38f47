//! Products drawn at random, on cards of many shapes; half of them under stalls.

use isa::config::{Config, Datapaths};
use proptest::prelude::*;
use proptest::test_runner::{Config as Settings, TestRunner};
use sim::memory::{MemoryOptions, Random};

use super::{card, full};
use crate::cards::{
    BLOCKS, GROUPS, NARROW, PACKED, TWO_FOUR, least, with_datapaths, with_wide_port,
};
use crate::check::check;
use crate::encoded::Recipe;
use crate::recipes::{recipe, suited};

/// Runs `cases` products, or ten times as many.
fn run(
    config: &Config,
    cases: u32,
    recipes: impl Strategy<Value = Recipe>,
    judge: impl Fn(&Recipe, bool),
) {
    let settings = Settings {
        cases: if full() { cases * 10 } else { cases },
        failure_persistence: None,
        max_shrink_iters: 32,
        ..Settings::default()
    };
    let result = TestRunner::new(settings).run(&(recipes, any::<bool>()), |(recipe, stalls)| {
        let random = stalls.then(|| Random::rough(recipe.seed));
        let memory = MemoryOptions {
            random,
            ..MemoryOptions::default()
        };
        judge(&recipe, check(&mut card(config, memory), &recipe));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{config:?}: {error}");
    }
}

/// Products of all formats, also of those that the card has no datapath for.
fn sweep(config: &Config, cases: u32) {
    run(config, cases, recipe(*config), |_, _| {});
}

/// Products of the formats that the card has datapaths for, each of which must come in its own.
fn sweep_suited(datapaths: Datapaths, cases: u32) {
    let config = with_datapaths(datapaths);
    run(&config, cases, suited(config), |recipe, packed| {
        assert!(packed, "the weights came dense: {recipe:?}");
    });
}

#[test]
fn every_bit_4x4() {
    sweep(&Config::with_array(4, 4), 12);
}

#[test]
fn every_bit_8x8() {
    sweep(&Config::with_array(8, 8), 16);
}

#[test]
fn every_bit_16x16() {
    sweep(&Config::default(), 16);
}

#[test]
fn every_bit_32x8() {
    sweep(&Config::with_array(32, 8), 8);
}

#[test]
fn every_bit_4x32() {
    sweep(&Config::with_array(4, 32), 8);
}

#[test]
fn every_bit_with_a_wide_port() {
    sweep(&with_wide_port(8, 8), 8);
}

#[test]
fn every_bit_with_the_least_memory() {
    sweep(&least(4, 4, 16), 6);
    if full() {
        sweep(&least(16, 4, 16), 4);
        sweep(&least(32, 4, 16), 4);
        sweep(&least(16, 16, 16), 4);
    }
}

#[test]
fn every_bit_32x32() {
    if full() {
        sweep(&with_wide_port(32, 32), 2);
        sweep(&least(32, 32, 32), 2);
    }
}

#[test]
fn packed_products_at_8x8() {
    sweep(&with_datapaths(PACKED), 8);
}

#[test]
fn dense_alone() {
    sweep(&with_datapaths(Datapaths::DENSE), 4);
}

#[test]
fn narrow_weights_alone() {
    sweep_suited(NARROW, 6);
}

#[test]
fn groups_alone() {
    sweep_suited(GROUPS, 6);
}

#[test]
fn two_four_alone() {
    sweep_suited(TWO_FOUR, 6);
}

#[test]
fn zero_blocks_alone() {
    sweep_suited(BLOCKS, 6);
}
