//! Products with packed and sparse weights on cards: the bits of the dense matrix that the weights
//! mean, on the functional card for many shapes of cards, on the Verilated one under stalls; and
//! what is left out is not fetched.

mod encoded;

use encoded::{Numbers, Recipe, percent, widen};
use isa::config::{Config, Datapaths};
use isa::format::OutputFormat;
use isa::numerics::gemm_i8;
use proptest::prelude::*;
use systole::backend::{Backend, Place};
use systole::cpu::CpuBackend;
use systole::device::{DeviceBackend, Options};
use systole::matmul::{Finish, MatMul, Rhs, Weights};
use systole::transport::{ModelTransport, Transport};

fn backend(card: Box<dyn Transport>) -> DeviceBackend {
    let cpu = Box::new(CpuBackend::new(1));
    DeviceBackend::new(card, cpu, Options::default()).expect("the card starts")
}

/// Runs a product in all formats of results, twice each, so that kept weights are used again.
fn check(backend: &mut DeviceBackend, recipe: &Recipe) {
    let product = recipe.product();
    let formats = OutputFormat::ALL.into_iter().chain(OutputFormat::ALL);
    let jobs: Vec<MatMul<'_>> = formats
        .map(|format| product.job(&product.weights, format))
        .collect();
    let outcomes = backend.run(&jobs).expect("the products run");
    let zero = product.a.iter().all(|value| *value == 0);
    // Such a weight would be another on a card that packs products.
    let lowest =
        backend.config().datapaths.packed_products && product.weights.values().contains(&i8::MIN);
    for (job, outcome) in jobs.iter().zip(outcomes) {
        let place = if zero || lowest {
            Place::Cpu
        } else {
            Place::Device
        };
        assert_eq!(
            outcome.report.place, place,
            "{recipe:?}: {}",
            outcome.report.reason
        );
        let expected = product.expected(job.format());
        let got = widen(&outcome.values);
        let first = got
            .iter()
            .zip(&expected)
            .position(|(got, want)| got != want);
        assert_eq!(
            (first, got.len()),
            (None, recipe.m * recipe.n),
            "{:?} {recipe:?}",
            job.format()
        );
    }
}

/// Products of many shapes; blocks have that of a tile, or any other.
fn recipe(config: Config) -> impl Strategy<Value = Recipe> {
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

/// Cards of many shapes and datapaths, some with the least memory that a card may have.
fn configs() -> Vec<Config> {
    let least = |rows: u32, cols: u32, port_bytes: u32| Config {
        port_bytes,
        act_rows: (port_bytes * 16 / rows).max(16),
        wgt_rows: rows.max(16),
        acc_rows: 16,
        column_rows: 16,
        row_scales: (port_bytes * 4).max(16),
        ..Config::with_array(rows, cols)
    };
    let none = Datapaths::DENSE;
    let mut list = vec![
        Config::with_array(4, 4),
        Config::with_array(8, 8),
        Config::default(),
        Config::with_array(32, 8),
        Config::with_array(4, 32),
        Config {
            port_bytes: 32,
            ..Config::with_array(32, 32)
        },
        least(4, 4, 16),
        least(16, 16, 16),
        least(32, 4, 16),
        least(16, 4, 16),
        least(32, 32, 32),
    ];
    for datapaths in [
        none,
        Datapaths {
            narrow: true,
            ..none
        },
        Datapaths {
            groups: true,
            ..none
        },
        Datapaths {
            two_four: true,
            ..none
        },
        Datapaths {
            blocks: true,
            ..none
        },
    ] {
        list.push(Config {
            datapaths,
            ..Config::with_array(8, 8)
        });
    }
    list
}

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

#[cfg(feature = "sim")]
mod verilated {
    use proptest::test_runner::{Config as Settings, TestRunner};
    use sim::memory::{MemoryOptions, Random};
    use systole::transport::SimTransport;

    use super::*;

    fn card(config: &Config, memory: MemoryOptions) -> DeviceBackend {
        let options = sim::Options { fst: false, memory };
        backend(Box::new(
            SimTransport::open(config, &options).expect("the card builds"),
        ))
    }

    fn sweep(config: &Config, cases: u32) {
        let full = std::env::var_os("SYSTOLE_FULL").is_some();
        let settings = Settings {
            cases: if full { cases * 10 } else { cases },
            failure_persistence: None,
            max_shrink_iters: 32,
            ..Settings::default()
        };
        let strategy = (recipe(*config), any::<bool>());
        let run = TestRunner::new(settings).run(&strategy, |(recipe, stalls)| {
            let random = stalls.then(|| Random::rough(recipe.seed));
            let memory = MemoryOptions {
                random,
                ..MemoryOptions::default()
            };
            check(&mut card(config, memory), &recipe);
            Ok(())
        });
        if let Err(error) = run {
            panic!("{}x{}: {error}", config.rows, config.cols);
        }
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
    fn packed_products_at_8x8() {
        let packed = Config {
            datapaths: Datapaths {
                two_four: false,
                packed_products: true,
                ..Datapaths::ALL
            },
            ..Config::with_array(8, 8)
        };
        sweep(&packed, 8);
    }

    struct Case {
        recipe: Recipe,
        /// Weight bytes and cycles, in percent of those of dense int8.
        most_bytes: u64,
        most_cycles: u64,
    }

    /// What a mode is for: fewer bytes, fewer cycles. Both are exact figures of card and compiler,
    /// so that a change which loses some shows here.
    #[test]
    fn modes_are_worth_what_arithmetic_promises() {
        let base = Recipe {
            m: 256,
            k: 1024,
            n: 256,
            bits: 8,
            group: 0,
            most_scale: 145,
            sparse: false,
            blocks: None,
            dead: (0, 1, 0),
            seed: 4,
        };
        let decode = Recipe {
            m: 1,
            ..base.clone()
        };
        let dense = [base.clone(), decode.clone()].map(|recipe| measure(&recipe));
        let cases = [
            Case {
                recipe: Recipe {
                    sparse: true,
                    ..base.clone()
                },
                most_bytes: 63,
                most_cycles: 52,
            },
            Case {
                recipe: Recipe {
                    bits: 4,
                    group: 64,
                    ..base.clone()
                },
                most_bytes: 52,
                most_cycles: 101,
            },
            Case {
                recipe: Recipe {
                    bits: 3,
                    ..base.clone()
                },
                most_bytes: 38,
                most_cycles: 101,
            },
            Case {
                recipe: Recipe {
                    blocks: Some((16, 16, 75)),
                    ..base.clone()
                },
                most_bytes: 53,
                most_cycles: 27,
            },
            Case {
                recipe: Recipe {
                    bits: 4,
                    group: 64,
                    ..decode
                },
                most_bytes: 52,
                most_cycles: 56,
            },
        ];
        for Case {
            recipe,
            most_bytes,
            most_cycles,
        } in cases
        {
            let dense = dense[usize::from(recipe.m == 1)];
            let (lines, cycles) = measure(&recipe);
            assert!(
                lines * 100 <= dense.0 * most_bytes && cycles * 100 <= dense.1 * most_cycles,
                "{lines} lines of {}, {cycles} cycles of {}: {recipe:?}",
                dense.0,
                dense.1
            );
        }
    }

    /// Decoding from a slow memory: four bits go nearly twice as fast as eight, and neither leaves
    /// more than a hundredth of the bandwidth unused.
    #[test]
    fn one_row_is_as_fast_as_a_slow_memory() {
        let slow = MemoryOptions {
            bandwidth: 4.0,
            ..MemoryOptions::default()
        };
        let dense = Recipe {
            m: 1,
            k: 1024,
            n: 1024,
            bits: 8,
            group: 0,
            most_scale: 145,
            sparse: false,
            blocks: None,
            dead: (0, 1, 0),
            seed: 5,
        };
        let narrow = Recipe {
            bits: 4,
            group: 64,
            ..dense.clone()
        };
        let [dense, narrow] = [dense, narrow].map(|recipe| {
            let (counted, cycles) = run(&recipe, slow.clone());
            let lines = counted("read.lines") + counted("write.lines");
            let used = lines * 16 / 4 * 100 / cycles;
            assert!(used >= 99, "{used} % of the bandwidth: {recipe:?}");
            cycles
        });
        assert!(narrow * 190 <= dense * 100, "{narrow} of {dense} cycles");
    }

    /// Lines of weights and cycles of a product with the default memory.
    fn measure(recipe: &Recipe) -> (u64, u64) {
        let (counted, cycles) = run(recipe, MemoryOptions::default());
        (counted("load.weights"), cycles)
    }

    /// What the card counted of a product, by name, and the cycles.
    fn run(recipe: &Recipe, memory: MemoryOptions) -> (impl Fn(&str) -> u64, u64) {
        let product = recipe.product();
        let mut card = card(&Config::default(), memory);
        let job = product.job(&product.weights, OutputFormat::I32);
        let outcome = card.run(&[job]).expect("the product runs").remove(0);
        let counters = card.counters().0.clone();
        let counted = move |name: &str| {
            let index = isa::regs::COUNTERS
                .iter()
                .position(|counter| counter.name == name);
            counters[index.expect("a counter of the card")]
        };
        let cycles = outcome.report.cycles;
        (counted, cycles.expect("a simulated card counts"))
    }
}
