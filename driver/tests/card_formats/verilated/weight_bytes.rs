//! Bytes of weights on the memory port, by the card's counter of lines.

use super::counted::{Counted, DENSE, dense};
use crate::encoded::{Numbers, Recipe};

/// Bytes of codes, indices and scales, to the byte: a code of b bits takes b bits, the index of a
/// 2:4 weight two, a scale a byte.
fn promised(recipe: &Recipe) -> u64 {
    let (k, n) = (recipe.k as u64, recipe.n as u64);
    let (kept, bits) = match recipe.sparse {
        true => (k.div_ceil(4) * 2, recipe.bits + 2),
        false => (k, recipe.bits),
    };
    let scales = match recipe.group as u64 {
        0 => 0,
        group => k.div_ceil(group) * n,
    };
    (kept * n * u64::from(bits)).div_ceil(8) + scales
}

/// Blocks that are not zero.
fn stored_blocks(recipe: &Recipe) -> u64 {
    let blocks = recipe.encoding(&mut Numbers(recipe.seed)).blocks;
    let bitmap = blocks.expect("a recipe with blocks").bitmap;
    bitmap.iter().map(|byte| u64::from(byte.count_ones())).sum()
}

/// One row of activations reads every weight once.
#[test]
fn formats_take_no_byte_beside_codes_indices_and_scales() {
    for bits in 2..=8 {
        for group in [0, 32, 64, 128] {
            for sparse in [false, true] {
                let recipe = Recipe {
                    m: 1,
                    bits,
                    group,
                    sparse,
                    ..DENSE
                };
                let bytes = Counted::by_default(&recipe).weight_bytes();
                assert_eq!(bytes, promised(&recipe), "{recipe:?}");
            }
        }
    }
}

/// Many rows read the weights as often as those of dense int8, or less often.
#[test]
fn many_rows_read_narrow_weights_no_more_often() {
    let dense = dense().weight_bytes();
    let times = dense / promised(&DENSE);
    assert_eq!(dense, times * promised(&DENSE));
    for bits in 2..=8 {
        for group in [0, [32, 64, 128][usize::from(bits) % 3]] {
            let recipe = Recipe {
                bits,
                group,
                ..DENSE
            };
            let (bytes, once) = (
                Counted::by_default(&recipe).weight_bytes(),
                promised(&recipe),
            );
            println!("{bits} bits, groups of {group}: {bytes} bytes, {once} once");
            assert!(
                bytes.is_multiple_of(once) && bytes <= times * once,
                "{bytes} bytes, {once} for each of {times} times: {recipe:?}"
            );
        }
    }
}

/// Int4 in groups of 64 takes at most 0.53 of the bytes of int8, 2:4 at most 0.63.
#[test]
fn four_bits_and_two_of_four_save_what_they_promise() {
    let int4 = Recipe {
        bits: 4,
        group: 64,
        ..DENSE
    };
    let two_four = Recipe {
        sparse: true,
        ..DENSE
    };
    let dense = dense().weight_bytes();
    for (recipe, most) in [(int4, 53), (two_four, 63)] {
        let bytes = Counted::by_default(&recipe).weight_bytes();
        assert!(
            bytes * 100 <= dense * most,
            "{bytes} of {dense} bytes: {recipe:?}"
        );
    }
}

/// A block that is there has a header beside its weights; one that is zero takes no byte. A stream
/// ends with a whole line.
#[test]
fn zero_blocks_take_no_byte() {
    let header = 4;
    for percent in [0, 50, 75, 90, 100] {
        for bits in [4, 8] {
            let recipe = Recipe {
                m: 1,
                bits,
                blocks: Some((16, 16, percent)),
                ..DENSE
            };
            let stored = stored_blocks(&recipe);
            let bytes = Counted::by_default(&recipe).weight_bytes();
            let promised = stored * (16 * 16 * u64::from(bits) / 8 + header);
            println!(
                "{bits} bits, {percent} %: {bytes} bytes, {promised} without the ends of lines"
            );
            let streams = 16 * stored.min(4);
            assert!(
                (promised..=promised + 15 * streams).contains(&bytes),
                "{bytes} bytes for {stored} blocks, {promised} with headers: {recipe:?}"
            );
        }
    }
}
