//! From matrix products to command programs.
//!
//! `emit` writes the commands in the order of their meaning, `hazard` finds who must wait for
//! whom, a simulation ([`crate::sched`]) with endless queues tells when each could start, and
//! `order` sorts them by that. The result has no addresses; [`Program::bind`] gives them.

mod emit;
mod hazard;
mod order;
mod panels;
mod program;
mod ring;
mod shape;
mod tiling;

use std::sync::Arc;

use isa::config::Config;

use crate::sched::{Limits, Timing, Trace, simulate};

pub use panels::{Panels, Segment};
pub(crate) use panels::{least_cycles, tile_cycles};
pub use program::{JobPlan, OutBlock, Part, Program};
pub use shape::{Geometry, Shape, Tiling};
pub use tiling::{best, candidates};

/// A product to compile: its shape, how it is cut and, unless its weights are plain int8, where
/// these lie.
pub type Job = (Shape, Tiling, Option<Arc<Panels>>);

/// Compiles products, each cut as its [`Tiling`] says, to one program that overlaps them.
///
/// The result may have more commands than a submission holds; the caller cuts the list.
///
/// # Panics
/// If a shape holds a zero, or a tiling does not fit the card: [`candidates`] gives those that do;
/// or if a job whose weights are not plain does not tell where they lie.
pub fn compile(jobs: &[Job], config: &Config, timing: &Timing) -> Program {
    let mut emitter = emit::Emitter::new(config);
    let mut plans = Vec::with_capacity(jobs.len());
    for (index, (shape, tiling, panels)) in jobs.iter().enumerate() {
        let geometry = Geometry::new(*shape, *tiling, config);
        let last = index + 1 == jobs.len();
        let (blocks, output_bytes) = emitter.job(index as u32, &geometry, panels.as_deref(), last);
        plans.push(JobPlan {
            geometry,
            blocks,
            output_bytes,
            predicted_end: 0,
        });
    }
    let ops = emitter.ops;
    let meaning = hazard::with_tokens(&ops, config);
    let free = trace(&meaning, config, timing, Limits::None);
    let order = order::pipeline(&meaning, &free.issued);
    let commands: Vec<_> = order.iter().map(|index| meaning[*index]).collect();
    let places: Vec<_> = order
        .iter()
        .map(|index| (ops[*index].job, ops[*index].part))
        .collect();
    let real = trace(&commands, config, timing, Limits::FrontEnd);
    for (index, (job, part)) in places.iter().enumerate() {
        if *part == Some(Part::Output) {
            let end = &mut plans[*job as usize].predicted_end;
            *end = (*end).max(real.ended[index].ceil() as u64);
        }
    }
    Program {
        commands,
        places,
        jobs: plans,
        predicted_cycles: real.cycles,
        digest: Default::default(),
    }
}

/// Simulates commands whose waits all point backwards in the order of their meaning.
fn trace(
    commands: &[isa::command::Command],
    config: &Config,
    timing: &Timing,
    limits: Limits,
) -> Trace {
    match simulate(commands, config, timing, limits) {
        Some(trace) => trace,
        None => unreachable!("every token is given before it is taken"),
    }
}

#[cfg(test)]
pub(crate) mod tests;
