//! `--device auto`: each product runs where the cost model foresees it to end first.
//!
//! A card in a slot that can be used is opened and measured at once. Without one a simulated card
//! takes its place, whose clock is that of the simulation; it is opened when the first product is to
//! run on it, because that may take longer than all the work on the CPU.

use std::collections::HashMap;
use std::time::Instant;

use isa::config::Config;
use systole::backend::{Backend, BackendError, NodeReport, Outcome, Place};
use systole::compile::{Shape, best};
use systole::cpu::CpuBackend;
use systole::device::{DeviceBackend, Streams};
use systole::matmul::{Finish, Layout, MatMul, Rhs, Weights};
use systole::sched::{Rates, Timing, choose};
use systole::sysfs::{Address, Sysfs};

use super::card::{Surroundings, open_card};
use super::device::{Device, MachineArgs};
use super::failure::Failure;
use super::say;
use super::slot::{Slot, first};

/// Cycles a second at which a simulated 16x16 card is assumed to run, until it has run.
const ASSUMED_HZ: f64 = 500_000.0;
/// Seconds that a program costs outside of the card.
const OVERHEAD: f64 = 50e-6;
/// Product of a measurement, as encoders have them.
const M: usize = 128;
const K: usize = 384;
const N: usize = 384;
/// Shapes whose price is remembered.
const MOST_PRICES: usize = 4096;

/// Decides for each product where it runs.
pub struct Auto {
    machine: MachineArgs,
    cpu: CpuBackend,
    rates: Rates,
    /// Shape of the card.
    config: Config,
    streams: Streams,
    /// Foreseen cycles of shapes that came before.
    prices: HashMap<Shape, u64>,
    card: Card,
    /// What `card` stands for, for people.
    found: String,
    name: String,
}

enum Card {
    /// The simulated one, not needed so far.
    Closed,
    Open(Box<DeviceBackend>),
    /// It cannot be opened; says why.
    Absent(String),
}

impl Auto {
    /// Measures the CPU, and opens and measures a card in a slot if one can be used. Where there is
    /// one that cannot, a warning says why.
    ///
    /// # Errors
    /// When the machine is to simulate a card that cannot be.
    pub fn new(machine: MachineArgs) -> Result<Self, Failure> {
        let mut cpu = machine.cpu();
        let mut rates = Rates {
            card_hz: ASSUMED_HZ,
            cpu_macs: measure(&mut cpu),
            overhead: OVERHEAD,
        };
        let mut config = machine.shape()?;
        let mut name = format!("auto ({}, simulated card)", cpu.name());
        let simulated = "the simulated one is taken to run";
        let open = |address| open_slot(&machine, address);
        let (card, found) = match first(&Sysfs::new(&machine.sysfs), open) {
            Slot::Open((card, hz)) => {
                (rates.card_hz, config) = (hz, *card.config());
                name = format!("auto ({}, {})", cpu.name(), card.name());
                let found = format!("{} was measured at", card.name());
                (Card::Open(card), found)
            }
            Slot::Unusable(why) => {
                say(format_args!(
                    "warning: no card in a slot can be used, so the simulated one takes its place: \
                     {why}"
                ));
                let found = format!("no card of this machine can be used; {simulated}");
                (Card::Closed, found)
            }
            Slot::Empty => {
                let found = format!("no card is in this machine; {simulated}");
                (Card::Closed, found)
            }
        };
        tracing::debug!(?rates, "measured for the cost model");
        Ok(Self {
            machine,
            cpu,
            rates,
            config,
            streams: Streams::default(),
            prices: HashMap::new(),
            card,
            found,
            name,
        })
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
            "auto: {} {:.1} M cycles/s, the CPU was measured at {:.1} G MAC/s",
            self.found,
            self.rates.card_hz / 1e6,
            self.rates.cpu_macs / 1e9
        )
    }

    /// Where a product should run, and the cycles that it is foreseen to take on the card.
    fn choose(&mut self, job: &MatMul<'_>) -> (Place, u64) {
        if job.macs() == 0 {
            return (Place::Cpu, 0);
        }
        let shape = self.streams.shape(job, &self.config);
        if self.prices.len() >= MOST_PRICES {
            self.prices.clear();
        }
        let config = &self.config;
        let price = || best(&shape, config, &Timing::default()).1;
        let cycles = *self.prices.entry(shape).or_insert_with(price);
        (choose(job.macs(), cycles, &self.rates).place, cycles)
    }

    /// Opens the card unless that was tried before; says why it is not there.
    fn open(&mut self) -> Option<String> {
        if let Card::Closed = self.card {
            self.card = match open_card(&Device::Sim, &self.machine, &Surroundings::default()) {
                Ok(card) => Card::Open(Box::new(card)),
                Err(failure) => Card::Absent(why(failure)),
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

/// Opens the card at `address`; with the cycles that it makes in a second, or why it is of no use.
fn open_slot(machine: &MachineArgs, address: Address) -> Result<(Box<DeviceBackend>, f64), String> {
    let mut card = open_card(&Device::Vfio(address), machine, &Surroundings::default())
        .map(Box::new)
        .map_err(why)?;
    // Weights stay on the card.
    let weights = Weights::new(K, N, Layout::RowMajor, vec![1; K * N]);
    let (seconds, report) = fastest(&mut *card, Rhs::Kept(&weights));
    match (report.place, report.cycles) {
        (Place::Device, Some(cycles)) => {
            let hz = cycles as f64 / (seconds - OVERHEAD).max(1e-9);
            Ok((card, hz))
        }
        (Place::Device, None) => Err("the card does not count its cycles".into()),
        (Place::Cpu, _) => Err(report.reason),
    }
}

fn why(failure: Failure) -> String {
    match failure {
        Failure::Device(why) | Failure::Failed(why) | Failure::Usage(why) | Failure::Input(why) => {
            why
        }
        Failure::Closed => "the card cannot be opened".into(),
    }
}

/// Multiply-accumulates a second of the CPU kernels.
fn measure(cpu: &mut CpuBackend) -> f64 {
    let (seconds, report) = fastest(cpu, Rhs::Once(Layout::RowMajor, &[1; K * N]));
    report.macs as f64 / seconds.max(1e-9)
}

/// Seconds that a product of a measurement takes at least, and the report of that run. The first
/// run warms caches and threads up.
fn fastest(backend: &mut dyn Backend, b: Rhs<'_>) -> (f64, NodeReport) {
    let job = MatMul {
        name: "measurement",
        m: M,
        k: K,
        n: N,
        a: &[1; M * K],
        b,
        finish: Finish::Raw,
    };
    let mut best = (
        f64::INFINITY,
        NodeReport::new(&job, Place::Cpu, "it was not run", 0.0),
    );
    for _ in 0..3 {
        let start = Instant::now();
        // Its parts fit each other by construction.
        let outcomes = backend.run(std::slice::from_ref(&job)).unwrap_or_default();
        let seconds = start.elapsed().as_secs_f64();
        if let Some(outcome) = outcomes.into_iter().next()
            && seconds < best.0
        {
            best = (seconds, outcome.report);
        }
    }
    best
}
