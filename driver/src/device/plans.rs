//! Compiled programs and chosen tilings, kept for shapes that come again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use isa::config::Config;

use crate::compile::{Job, Program, Shape, Tiling, best, compile};
use crate::sched::Timing;

/// Commands of the programs that are kept; when there are more, the oldest program is forgotten.
const MOST_COMMANDS: usize = 400_000;
/// Tilings that are kept.
const MOST_TILINGS: usize = 4096;

/// What the compiler found before.
pub(super) struct Plans {
    config: Config,
    timing: Timing,
    tilings: HashMap<Shape, (Tiling, u64)>,
    programs: HashMap<Arc<[Job]>, Arc<Program>>,
    /// Their keys, the oldest first, and all of their commands.
    order: VecDeque<Arc<[Job]>>,
    commands: usize,
}

impl Plans {
    pub(super) fn new(config: Config, timing: Timing) -> Self {
        Self {
            config,
            timing,
            tilings: HashMap::new(),
            programs: HashMap::new(),
            order: VecDeque::new(),
            commands: 0,
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
        if let Some(program) = self.programs.get(&jobs[..]) {
            return Arc::clone(program);
        }
        let program = Arc::new(compile(&jobs, &self.config, &self.timing));
        let jobs: Arc<[Job]> = jobs.into();
        self.commands += program.commands.len();
        self.order.push_back(Arc::clone(&jobs));
        self.programs.insert(jobs, Arc::clone(&program));
        while self.commands > MOST_COMMANDS
            && let Some(oldest) = self.order.pop_front()
            && let Some(forgotten) = self.programs.remove(&oldest)
        {
            self.commands -= forgotten.commands.len();
        }
        program
    }
}
