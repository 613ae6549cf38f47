//! What a card counts of a product.

use std::sync::OnceLock;

use isa::config::Config;
use isa::format::OutputFormat;
use isa::regs::COUNTERS;
use sim::memory::MemoryOptions;
use systole::backend::Backend;

use super::card;
use crate::encoded::Recipe;

/// Cycles and counters of a product.
pub struct Counted {
    /// From the doorbell to the completion's interrupt.
    pub cycles: u64,
    line: u64,
    counters: Vec<u64>,
}

impl Counted {
    /// Runs a product with int32 results.
    pub fn of(recipe: &Recipe, config: &Config, memory: MemoryOptions) -> Self {
        let product = recipe.product();
        let mut card = card(config, memory);
        let job = product.job(&product.weights, OutputFormat::I32);
        let outcome = card.run(&[job]).expect("the product runs").remove(0);
        Self {
            cycles: outcome.report.cycles.expect("a simulated card counts"),
            line: u64::from(config.port_bytes),
            counters: card.counters().0.to_vec(),
        }
    }

    /// Runs it on the default card with the default memory.
    pub fn by_default(recipe: &Recipe) -> Self {
        Self::of(recipe, &Config::default(), MemoryOptions::default())
    }

    /// A counter by its name.
    pub fn get(&self, name: &str) -> u64 {
        let index = COUNTERS.iter().position(|counter| counter.name == name);
        self.counters[index.expect("a counter of the card")]
    }

    /// Bytes of weights that came through the memory port, in whole lines.
    pub fn weight_bytes(&self) -> u64 {
        self.get("load.weights") * self.line
    }
}

/// 256x1024x256 in dense int8.
pub const DENSE: Recipe = Recipe {
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

/// What the default card counts of [`DENSE`].
pub fn dense() -> &'static Counted {
    static COUNTED: OnceLock<Counted> = OnceLock::new();
    COUNTED.get_or_init(|| Counted::by_default(&DENSE))
}
