//! `--device auto`: each product runs where the cost model foresees it to end first.
//!
//! The card here is simulated, so its clock is that of the simulation. It is opened when the first
//! product is to run on it, because that may take longer than all the work on the CPU.

use std::collections::HashMap;
use std::time::Instant;

use systole::backend::{Backend, BackendError, Outcome, Place};
use systole::compile::{Shape, best};
use systole::cpu::CpuBackend;
use systole::device::DeviceBackend;
use systole::matmul::{Finish, Layout, MatMul, Rhs};
use systole::sched::{Rates, Timing, choose};

use super::card::{Surroundings, open_card};
use super::device::{Device, MachineArgs};
use super::failure::Failure;

/// Cycles a second at which a simulated 16x16 card is assumed to run, until it has run.
const ASSUMED_HZ: f64 = 500_000.0;
/// Seconds that a program costs outside of the card.
const OVERHEAD: f64 = 50e-6;
/// Shapes whose price is remembered.
const MOST_PRICES: usize = 4096;

/// Decides for each product where it runs.
pub struct Auto {
    machine: MachineArgs,
    cpu: CpuBackend,
    rates: Rates,
    /// Foreseen cycles of shapes that came before.
    prices: HashMap<Shape, u64>,
    card: Card,
    name: String,
}

enum Card {
    /// Not needed so far.
    Closed,
    Open(Box<DeviceBackend>),
    /// It cannot be opened; says why.
    Absent(String),
}

impl Auto {
    /// Measures the CPU; opens nothing.
    pub fn new(machine: MachineArgs) -> Self {
        let mut cpu = machine.cpu();
        let rates = Rates {
            card_hz: ASSUMED_HZ,
            cpu_macs: measure(&mut cpu),
            overhead: OVERHEAD,
        };
        tracing::debug!(?rates, "measured for the cost model");
        let name = format!("auto ({}, simulated card)", cpu.name());
        Self {
            machine,
            cpu,
            rates,
            prices: HashMap::new(),
            card: Card::Closed,
            name,
        }
    }

    /// The card, if it was opened.
    pub fn card(&mut self) -> Option<&mut DeviceBackend> {
        match &mut self.card {
            Card::Open(card) => Some(card),
            _ => None,
        }
    }

    /// What the decision rests on, for people.
    pub fn basis(&self) -> String {
        format!(
            "auto: no card is in this machine; the simulated one is taken to run {:.1} M cycles/s, \
             the CPU was measured at {:.1} G MAC/s",
            self.rates.card_hz / 1e6,
            self.rates.cpu_macs / 1e9
        )
    }

    /// Where a product should run, and the cycles that it is foreseen to take on the card.
    fn choose(&mut self, job: &MatMul<'_>) -> (Place, u64) {
        if job.macs() == 0 {
            return (Place::Cpu, 0);
        }
        let shape = Shape {
            m: job.m,
            k: job.k,
            n: job.n,
            format: job.format(),
        };
        if self.prices.len() >= MOST_PRICES {
            self.prices.clear();
        }
        let config = &self.machine.config.0;
        let price = || best(&shape, config, &Timing::default()).1;
        let cycles = *self.prices.entry(shape).or_insert_with(price);
        (choose(job.macs(), cycles, &self.rates).place, cycles)
    }

    /// Opens the card unless that was tried before; says why it is not there.
    fn open(&mut self) -> Option<String> {
        if let Card::Closed = self.card {
            self.card = match open_card(&Device::Sim, &self.machine, &Surroundings::default()) {
                Ok(card) => Card::Open(Box::new(card)),
                Err(Failure::Device(why) | Failure::Failed(why)) => Card::Absent(why),
                Err(_) => Card::Absent("the simulated card cannot be opened".into()),
            };
        }
        match &self.card {
            Card::Absent(why) => Some(why.clone()),
            _ => None,
        }
    }
}

impl Backend for Auto {
    fn run(&mut self, jobs: &[MatMul<'_>]) -> Result<Vec<Outcome>, BackendError> {
        for job in jobs {
            job.check()?;
        }
        let mut choices: Vec<_> = jobs.iter().map(|job| self.choose(job)).collect();
        let mut reason = "the cost model foresees that the CPU ends first".to_string();
        if choices.iter().any(|(place, _)| *place == Place::Device)
            && let Some(why) = self.open()
        {
            choices.iter_mut().for_each(|choice| choice.0 = Place::Cpu);
            reason = why;
        }
        let pick = |wanted: Place| -> Vec<MatMul<'_>> {
            let chosen = jobs.iter().zip(&choices);
            chosen
                .filter(|(_, (place, _))| *place == wanted)
                .map(|(job, _)| *job)
                .collect()
        };
        let on_cpu = Backend::run(&mut self.cpu, &pick(Place::Cpu))?;
        let on_card = match &mut self.card {
            Card::Open(card) => card.run(&pick(Place::Device))?,
            _ => Vec::new(),
        };
        let (mut on_cpu, mut on_card) = (on_cpu.into_iter(), on_card.into_iter());
        let mut outcomes = Vec::with_capacity(jobs.len());
        for (place, cycles) in choices {
            let outcome = match place {
                Place::Cpu => on_cpu.next().map(|mut outcome| {
                    outcome.report.reason.clone_from(&reason);
                    outcome.report.predicted_cycles = (cycles > 0).then_some(cycles);
                    outcome
                }),
                Place::Device => on_card.next().map(|mut outcome| {
                    // Where the card failed, its own reason says so.
                    if outcome.report.place == Place::Device {
                        outcome.report.reason =
                            "the cost model foresees that the card ends first".into();
                    }
                    outcome
                }),
            };
            outcomes.extend(outcome);
        }
        Ok(outcomes)
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// Multiply-accumulates a second of the CPU kernels, on a product as encoders have them. The first
/// run warms caches and threads up.
fn measure(cpu: &mut CpuBackend) -> f64 {
    let (m, k, n) = (128, 384, 384);
    let (a, b) = (vec![1; m * k], vec![1; k * n]);
    let job = MatMul {
        name: "measurement",
        m,
        k,
        n,
        a: &a,
        b: Rhs::Once(Layout::RowMajor, &b),
        finish: Finish::Raw,
    };
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = Instant::now();
        // Its parts fit each other by construction.
        let _ = cpu.run(std::slice::from_ref(&job));
        best = best.min(start.elapsed().as_secs_f64());
    }
    job.macs() as f64 / best.max(1e-9)
}
