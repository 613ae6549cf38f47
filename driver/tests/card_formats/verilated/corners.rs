//! Corners that products drawn at random rarely meet.

use isa::config::Config;
use sim::memory::{MemoryOptions, Random};

use super::card;
use crate::check::check;
use crate::corners::{combinations, larger_than_the_buffer, takes};

#[test]
fn all_corners_at_8x8() {
    let config = Config::with_array(8, 8);
    let rough = MemoryOptions {
        random: Some(Random::rough(8)),
        ..MemoryOptions::default()
    };
    let mut cards = [MemoryOptions::default(), rough].map(|memory| card(&config, memory));
    let recipes = combinations(&config)
        .into_iter()
        .chain(larger_than_the_buffer(&config));
    for (at, recipe) in recipes.enumerate() {
        assert!(takes(&config, &recipe));
        assert!(
            check(&mut cards[at % 2], &recipe),
            "it came dense: {recipe:?}"
        );
    }
}
