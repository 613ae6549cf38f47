//! Compiled programs and chosen tilings, kept for shapes that come again.

use std::collections::HashMap;
use std::sync::Arc;

use isa::config::Config;

use crate::compile::{Job, Program, Shape, Tiling, best, compile};
use crate::sched::Timing;

/// Programs that are kept; when there are more, all are forgotten.
const MOST_PROGRAMS: usize = 64;
/// Tilings that are kept.
const MOST_TILINGS: usize = 4096;

/// What the compiler found before.
pub(super) struct Plans {
    config: Config,
    timing: Timing,
    tilings: HashMap<Shape, (Tiling, u64)>,
    programs: HashMap<Vec<Job>, Arc<Program>>,
}

impl Plans {
    pub(super) fn new(config: Config, timing: Timing) -> Self {
        Self {
            config,
            timing,
            tilings: HashMap::new(),
            programs: HashMap::new(),
        }
    }

    /// The best tiling of a shape, and the cycles that the product takes alone.
    pub(super) fn tiling(&mut self, shape: &Shape) -> (Tiling, u64) {
        if self.tilings.len() >= MOST_TILINGS {
            self.tilings.clear();
        }
        *self
            .tilings
            .entry(*shape)
            .or_insert_with(|| best(shape, &self.config, &self.timing))
    }

    /// The program of these products.
    pub(super) fn program(&mut self, jobs: Vec<Job>) -> Arc<Program> {
        if self.programs.len() >= MOST_PROGRAMS {
            self.programs.clear();
        }
        let entry = self.programs.entry(jobs);
        Arc::clone(
            entry.or_insert_with_key(|jobs| Arc::new(compile(jobs, &self.config, &self.timing))),
        )
    }
}
