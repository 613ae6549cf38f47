//! Functional cards of all shapes, and weights that are asked for in another shape.

use isa::config::Config;
use isa::numerics::gemm_i8;
use proptest::prelude::*;
use systole::backend::{Backend, Place};
use systole::matmul::{Finish, MatMul, Rhs, Weights};
use systole::transport::ModelTransport;

use crate::cards::configs;
use crate::check::{backend, check};
use crate::encoded::{Numbers, Recipe, widen};
use crate::recipes::recipe;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn functional_cards_give_the_integers_of_what_weights_mean(
        (config, recipe) in prop::sample::select(configs())
            .prop_flat_map(|config| (Just(config), recipe(config))),
    ) {
        let card = ModelTransport::new(config).expect("a shape of a card");
        check(&mut backend(Box::new(card)), &recipe);
    }
}

/// Weights are values; a product of another shape reads them as such, whatever their encoding.
#[test]
fn weights_of_another_shape_are_read_in_that_of_the_product() {
    for sparse in [false, true] {
        let recipe = Recipe {
            m: 3,
            k: 128,
            n: 64,
            bits: 4,
            group: 0,
            most_scale: 8,
            sparse,
            blocks: None,
            dead: (0, 1, 0),
            seed: 6,
        };
        let encoding = recipe.encoding(&mut Numbers(recipe.seed));
        let weights = Weights::encoded(encoding).expect("the parts fit each other");
        let card = ModelTransport::new(Config::default()).expect("a shape of a card");
        let mut backend = backend(Box::new(card));
        for (k, n) in [(128, 64), (64, 128), (128, 64)] {
            let a: Vec<i8> = (0..3 * k).map(|at| (at * 7 % 251) as u8 as i8).collect();
            let mut expected = vec![0; 3 * n];
            gemm_i8(3, k, n, &a, weights.values(), &mut expected);
            let job = MatMul {
                name: "other",
                m: 3,
                k,
                n,
                a: &a,
                b: Rhs::Kept(&weights),
                finish: Finish::Raw,
            };
            let outcome = backend.run(&[job]).expect("the product runs").remove(0);
            assert_eq!(outcome.report.place, Place::Device);
            assert_eq!(widen(&outcome.values), expected, "{k}x{n}");
        }
    }
}
