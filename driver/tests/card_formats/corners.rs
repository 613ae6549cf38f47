//! Corners that products drawn at random rarely meet.

use isa::command::Buffer;
use isa::config::Config;
use isa::weights::GROUPS;
use systole::transport::ModelTransport;

use crate::cards::configs;
use crate::check::{backend, check};
use crate::encoded::Recipe;

/// Every width with every group, sparse or not, with no zero blocks, none of them zero and all of
/// them zero; one row, K that is no multiple of four and shorter than one, ragged last tiles.
pub fn combinations(config: &Config) -> Vec<Recipe> {
    let (rows, cols) = (config.rows as usize, config.cols as usize);
    let mut list = Vec::new();
    for bits in 2..=8 {
        for group in [0].into_iter().chain(GROUPS) {
            for sparse in [false, true] {
                // What the card skips.
                let block = if sparse { 2 * rows } else { rows };
                for zeros in [None, Some(0), Some(100)] {
                    for (m, k, n) in [
                        (1, 133, cols + 1),
                        (5, 2 * rows + 2, 2 * cols - 1),
                        (1, 3, 1),
                    ] {
                        list.push(Recipe {
                            m,
                            k,
                            n,
                            bits,
                            group,
                            most_scale: 255,
                            sparse,
                            blocks: zeros.map(|percent| (block, cols, percent)),
                            dead: (0, 1, 0),
                            seed: list.len() as u64,
                        });
                    }
                }
            }
        }
    }
    list
}

/// Weights that the weight buffer does not hold, so that it is filled round and round, in streams
/// of every format.
pub fn larger_than_the_buffer(config: &Config) -> Vec<Recipe> {
    let buffer = config.buffer_bytes(Buffer::Weights) as usize;
    let mut list = Vec::new();
    for bits in 2..=8u8 {
        for sparse in [false, true] {
            // In a column of K, codes and indices.
            let k = 1021;
            let kept = if sparse { k / 2 } else { k };
            let column = kept * usize::from(if sparse { bits + 2 } else { bits }) / 8;
            let n = (buffer * 5 / 4).div_ceil(column);
            list.push(Recipe {
                m: 1,
                k,
                n,
                bits,
                group: if bits % 2 == 0 { 64 } else { 0 },
                most_scale: 145,
                sparse,
                blocks: None,
                dead: (0, 1, 0),
                seed: list.len() as u64,
            });
        }
    }
    list
}

/// Whether the card has a datapath for everything in the recipe, and streams for it: scales stand
/// at the beginning of a tile.
pub fn takes(config: &Config, recipe: &Recipe) -> bool {
    let has = config.datapaths;
    let span = config.rows as usize * if recipe.sparse { 2 } else { 1 };
    (recipe.bits == 8 || has.narrow)
        && (recipe.group == 0 || has.groups && recipe.group.is_multiple_of(span))
        && (!recipe.sparse || has.two_four)
        && (recipe.blocks.is_none() || has.blocks)
}

#[test]
fn functional_cards_turn_all_corners() {
    for config in configs() {
        let card = ModelTransport::new(config).expect("a shape of a card");
        let mut backend = backend(Box::new(card));
        // Small memories may have no room for a stream.
        let roomy = config.wgt_rows == Config::with_array(config.rows, config.cols).wgt_rows;
        let large = if roomy {
            larger_than_the_buffer(&config)
        } else {
            Vec::new()
        };
        for recipe in combinations(&config).into_iter().chain(large) {
            let packed = check(&mut backend, &recipe);
            if roomy && recipe.blocks.is_none() {
                assert_eq!(packed, takes(&config, &recipe), "{config:?} {recipe:?}");
            }
        }
    }
}
