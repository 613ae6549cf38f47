//! What products cost on a card, by the compiler's own foresight.

use std::cell::RefCell;
use std::collections::HashMap;

use isa::config::Config;
use isa::format::OutputFormat;
use isa::weights::StreamFormat;

use crate::compile::{Shape, best, candidates};
use crate::quant::scheme::Scheme;
use crate::sched::Timing;

/// Rows of activations that a product is priced at: tokens of a few sentences, or of a long one.
pub const TOKENS: usize = 128;

/// Cycles of products of [`TOKENS`] rows on the default card.
#[derive(Default)]
pub struct CycleModel {
    known: RefCell<HashMap<Shape, u64>>,
}

impl CycleModel {
    /// Cycles of a product with `k x n` weights by a scheme.
    pub fn cycles(&self, k: usize, n: usize, scheme: &Scheme) -> f64 {
        let config = Config::default();
        let shape = shape(k, n, scheme, &config);
        let foreseen = || best(&shape, &config, &Timing::default()).1;
        *self
            .known
            .borrow_mut()
            .entry(shape)
            .or_insert_with(foreseen) as f64
    }
}

/// The shape under which the card would run such a product.
fn shape(k: usize, n: usize, scheme: &Scheme, config: &Config) -> Shape {
    let plain = Shape::plain(TOKENS, k, n, OutputFormat::I16);
    let mut stream = StreamFormat {
        bits: scheme.bits,
        two_four: scheme.sparse.is_some(),
        blocks: scheme.blocks.is_some(),
        group_tiles: 0,
    };
    let span = stream.span(config.rows) as usize;
    if !scheme.group.is_multiple_of(span) {
        return plain;
    }
    stream.group_tiles = (scheme.group / span) as u32;
    let mut shape = Shape { stream, ..plain };
    // A block that is zero leaves out the tiles that it covers whole.
    shape.stored = scheme.blocks.map(|blocks| {
        let whole = blocks.k.is_multiple_of(span) && blocks.n.is_multiple_of(config.cols as usize);
        let part = if whole { blocks.part } else { 0.0 };
        let tiles = f64::from(shape.k_tiles(config) * shape.n_tiles(config));
        (tiles * (1.0 - part)).ceil() as u32
    });
    match candidates(&shape, config).is_empty() {
        true => plain,
        false => shape,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparse_products_cost_less_and_narrow_ones_as_much() {
        let model = CycleModel::default();
        let cycles = |text: &str| {
            let scheme: Scheme = text.parse().expect("a scheme");
            model.cycles(384, 1536, &scheme)
        };
        let dense = cycles("w8");
        assert!((294_912.0..300_000.0).contains(&dense), "{dense}");
        assert!((cycles("w4g32-gptq") / dense - 1.0).abs() < 0.02);
        assert!(cycles("2:4-sparsegpt") < dense * 0.54);
        assert!(cycles("block=0.75") < dense * 0.32);
        // The usual blocks of a 2:4 matrix are its tiles; smaller ones leave out none.
        let sparse = cycles("2:4-sparsegpt");
        assert!(cycles("2:4-sparsegpt+block=0.75") < sparse * 0.4);
        assert!(cycles("2:4-sparsegpt+block16x16=0.75") > sparse * 0.95);
    }
}
