//! The CPU kernels give the integers of the dense matrix that an encoding means, whatever the
//! encoding, and whatever is zero on either side.

mod encoded;

use encoded::{Numbers, Recipe, percent, widen};
use isa::format::OutputFormat;
use isa::numerics::gemm_i8;
use isa::weights::code_range;
use proptest::prelude::*;
use systole::cpu::{CpuBackend, Kernels};
use systole::encoding::Encoding;
use systole::matmul::{Finish, Layout, MatMul, Rhs, Weights};

/// Runs the product with every set of kernels, raw and requantised, as an encoding and as the dense
/// matrix that it means.
fn check(recipe: &Recipe) {
    let product = recipe.product();
    let encoded = &product.weights;
    let (k, n) = (recipe.k, recipe.n);
    let plain = Weights::new(k, n, Layout::RowMajor, encoded.values().to_vec());
    for kernels in Kernels::available() {
        let mut backend = CpuBackend::with_kernels(3, kernels);
        for format in OutputFormat::ALL {
            let jobs = [encoded, &plain].map(|weights| product.job(weights, format));
            let expected = product.expected(format);
            for values in backend.run(&jobs).expect("shapes fit") {
                assert_eq!(widen(&values), expected, "{} {recipe:?}", kernels.name());
            }
        }
    }
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let rows = prop_oneof![2 => 1usize..=3, 1 => 4usize..=20, 1 => 33usize..=40];
    // Beyond one block of 512 rows of K now and then.
    let depth = prop_oneof![6 => 1usize..=140, 1 => 500usize..=1100];
    let group = prop::sample::select(vec![0usize, 32, 64, 128]);
    let most_scale = prop_oneof![Just(7u8), Just(127), Just(255)];
    let blocks = prop::option::of((1usize..=20, 1usize..=33, percent()));
    let dead = (percent(), 1usize..=40, percent());
    let shape = (rows, depth, 1usize..=50);
    (
        shape,
        2u8..=8,
        group,
        most_scale,
        any::<bool>(),
        blocks,
        dead,
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn any_encoding_gives_the_integers_of_what_it_means(recipe in recipe()) {
        check(&recipe);
    }
}

#[test]
fn every_width_in_every_combination() {
    for bits in 2..=8 {
        for group in [0, 32, 64, 128] {
            for sparse in [false, true] {
                for blocks in [
                    None,
                    Some((8, 8, 60)),
                    Some((16, 16, 90)),
                    Some((4, 16, 100)),
                ] {
                    for m in [1, 2, 17] {
                        check(&Recipe {
                            m,
                            k: 203,
                            n: 37,
                            bits,
                            group,
                            most_scale: if m == 2 { 15 } else { 255 },
                            sparse,
                            blocks,
                            dead: (10, 8, 20),
                            seed: u64::from(bits),
                        });
                    }
                }
            }
        }
    }
}

/// Large enough for several threads, each of which finds its own zeros.
#[test]
fn threads_share_encoded_weights() {
    for (group, sparse, blocks) in [(0, false, None), (64, true, Some((8, 16, 80)))] {
        check(&Recipe {
            m: 150,
            k: 1101,
            n: 50,
            bits: 4,
            group,
            most_scale: 140,
            sparse,
            blocks,
            dead: (30, 16, 30),
            seed: 9,
        });
    }
}

/// Every product at its bound, and sums that wrap: nothing saturates in between.
#[test]
fn bounds_of_codes_and_of_activations_meet() {
    for bits in 2..=8 {
        let (low, high) = code_range(bits);
        for (code, scale) in [low, high].into_iter().flat_map(|code| {
            [None, Some(0), Some(1), Some(8), Some(145), Some(255)].map(|scale| (code, scale))
        }) {
            for value in [-128, 127] {
                for (m, k) in [(1, 300), (7, 300), (1, 131_076)] {
                    if k > 1000 && scale != Some(255) {
                        continue;
                    }
                    let n = 3;
                    let encoding = Encoding {
                        k,
                        n,
                        bits,
                        codes: vec![code; k * n],
                        indices: None,
                        group: if scale.is_some() { 64 } else { 0 },
                        scales: scale.map_or(Vec::new(), |scale| vec![scale; k.div_ceil(64) * n]),
                        blocks: None,
                    };
                    let a = vec![value; m * k];
                    let mut expected = vec![0; m * n];
                    let dense = encoding.dense().expect("the parts fit each other");
                    gemm_i8(m, k, n, &a, &dense, &mut expected);
                    let weights = Weights::encoded(encoding).expect("the parts fit each other");
                    for kernels in Kernels::available() {
                        let job = MatMul {
                            name: "bounds",
                            m,
                            k,
                            n,
                            a: &a,
                            b: Rhs::Kept(&weights),
                            finish: Finish::Raw,
                        };
                        let mut backend = CpuBackend::with_kernels(1, kernels);
                        let values = backend.run(&[job]).expect("shapes fit");
                        assert_eq!(widen(&values[0]), expected, "{} {bits}", kernels.name());
                    }
                }
            }
        }
    }
}

/// A product reads the values of its weights in the shape that it names, encoded or not.
#[test]
fn weights_of_another_shape_are_read_in_that_of_the_product() {
    let encoding = Encoding {
        k: 4,
        n: 40,
        bits: 5,
        codes: (0..160).map(|at| (at % 32) as i8 - 16).collect(),
        indices: None,
        group: 0,
        scales: Vec::new(),
        blocks: None,
    };
    let dense = encoding.dense().expect("the parts fit each other");
    let weights = Weights::encoded(encoding).expect("the parts fit each other");
    for kernels in Kernels::available() {
        let mut backend = CpuBackend::with_kernels(1, kernels);
        for (k, n) in [(4, 40), (40, 4), (4, 40), (10, 16)] {
            let a = vec![-128; k];
            let mut expected = vec![0; n];
            gemm_i8(1, k, n, &a, &dense, &mut expected);
            let job = MatMul {
                name: "reshaped",
                m: 1,
                k,
                n,
                a: &a,
                b: Rhs::Kept(&weights),
                finish: Finish::Raw,
            };
            let values = backend
                .run(&[job])
                .expect("as many values as the shape asks for");
            assert_eq!(widen(&values[0]), expected, "{}", kernels.name());
        }
    }
}

/// Lossless thresholding: what a threshold leaves of A gives the integers of what it leaves.
#[test]
fn activations_below_a_threshold_are_left_out() {
    let (m, k, n) = (19, 384, 48);
    let mut numbers = Numbers(5);
    let weights: Vec<i8> = (0..k * n).map(|_| numbers.between(-128, 127)).collect();
    for threshold in [0, 20, 60, 128] {
        let mut a: Vec<i8> = (0..m * k)
            .map(|at| match at % k / 32 % 3 {
                0 => numbers.between(-19, 19),
                _ if at / k % 4 == 0 => numbers.between(-50, 50),
                _ => numbers.between(-127, 127),
            })
            .collect();
        isa::numerics::threshold(m, k, &mut a, 32, threshold);
        let mut expected = vec![0; m * n];
        gemm_i8(m, k, n, &a, &weights, &mut expected);
        let kept = Weights::new(k, n, Layout::RowMajor, weights.clone());
        for kernels in Kernels::available() {
            let job = MatMul {
                name: "threshold",
                m,
                k,
                n,
                a: &a,
                b: Rhs::Kept(&kept),
                finish: Finish::Raw,
            };
            let mut backend = CpuBackend::with_kernels(1, kernels);
            let values = backend.run(&[job]).expect("shapes fit");
            assert_eq!(widen(&values[0]), expected, "{}", kernels.name());
        }
    }
}
