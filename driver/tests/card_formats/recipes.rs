//! Products drawn at random.

use isa::config::Config;
use proptest::prelude::*;

use crate::encoded::{Recipe, percent};

/// Products of many shapes; blocks have that of a tile, or any other.
pub fn recipe(config: Config) -> impl Strategy<Value = Recipe> {
    let (rows, cols) = (config.rows as usize, config.cols as usize);
    let blocks = prop_oneof![
        Just(None),
        (1usize..=2, percent()).prop_map(move |(times, percent)| Some((
            times * rows,
            cols,
            percent
        ))),
        (1usize..=40, 1usize..=33, percent()).prop_map(Some),
    ];
    (
        (
            1usize..=40,
            prop_oneof![4 => 1usize..=300, 1 => 300usize..=900],
            1usize..=70,
        ),
        2u8..=8,
        prop::sample::select(vec![0usize, 32, 64, 128]),
        prop_oneof![Just(7u8), Just(127), Just(255)],
        any::<bool>(),
        blocks,
        (percent(), 1usize..=70, percent()),
        any::<u64>(),
    )
        .prop_map(
            |((m, k, n), bits, group, most_scale, sparse, blocks, dead, seed)| Recipe {
                m,
                k,
                n,
                bits,
                group,
                most_scale,
                sparse,
                blocks,
                dead,
                seed,
            },
        )
}

/// Products whose weights a card with these datapaths takes in a format of their own: what it has
/// no datapath for is left out of the recipe.
pub fn suited(config: Config) -> impl Strategy<Value = Recipe> {
    let has = config.datapaths;
    recipe(config).prop_map(move |drawn| Recipe {
        bits: if has.narrow { drawn.bits } else { 8 },
        group: if has.groups { drawn.group } else { 0 },
        sparse: has.two_four && drawn.sparse,
        blocks: drawn.blocks.filter(|_| has.blocks),
        ..drawn
    })
}
