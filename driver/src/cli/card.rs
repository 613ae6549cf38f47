//! Opening a device: from options to a backend whose reports and counters can be read.

use std::fmt::Display;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use systole::backend::{Backend, BackendError, Outcome};
use systole::cpu::CpuBackend;
use systole::device::{Counters, DeviceBackend, Options, Programs};
use systole::matmul::MatMul;
use systole::sysfs::Sysfs;
use systole::transport::serial::{SerialOptions, Traffic};
use systole::transport::{
    FunctionTransport, KernelFunction, ModelTransport, SerialFunction, Transport, UserFunction,
};

use super::auto::Auto;
use super::device::{Device, MachineArgs};
use super::failure::{Failure, Result};

/// Waveforms of the simulated card.
#[derive(Args, Clone, Debug, Default)]
pub struct TraceArgs {
    /// Write waveforms of the simulated card to this file, in the format FST (with --device sim or
    /// sim-pcie).
    ///
    /// Its folder must be there. It is written while the card runs, and what a card that failed has
    /// written so far stays.
    #[arg(long, value_name = "FILE.fst")]
    trace: Option<PathBuf>,
}

/// Cycles that the host's memory takes to answer, at the simulated card's own port and at the other
/// end of its link.
const LATENCY: u32 = 100;
const LINK_LATENCY: u32 = 250;
/// Bytes a cycle that the host's memory moves.
const BANDWIDTH: f64 = 16.0;

/// What surrounds a simulated card.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Cycles that the host's memory takes to answer, if that is asked for.
    pub latency: Option<u32>,
    /// Bytes a cycle that it moves, if that is asked for.
    pub bandwidth: Option<f64>,
    /// Waveforms, if they are asked for.
    pub trace: TraceArgs,
}

/// The host's memory as a simulated card finds it.
#[derive(Clone, Debug, Serialize)]
pub struct Memory {
    /// Cycles that it takes to answer.
    latency: u32,
    /// Bytes a cycle that it moves; behind a link nothing but the link bounds them.
    bandwidth: Option<f64>,
}

impl Surroundings {
    /// The host's memory, where `device` is a simulated card.
    pub fn memory(&self, device: &Device) -> Option<Memory> {
        match device {
            Device::Sim => Some(Memory {
                latency: self.latency.unwrap_or(LATENCY),
                bandwidth: Some(self.bandwidth.unwrap_or(BANDWIDTH)),
            }),
            Device::SimPcie => Some(Memory {
                latency: self.latency.unwrap_or(LINK_LATENCY),
                bandwidth: None,
            }),
            _ => None,
        }
    }
}

impl From<TraceArgs> for Surroundings {
    fn from(trace: TraceArgs) -> Self {
        Self {
            trace,
            ..Self::default()
        }
    }
}

/// Where the products of a command run.
pub enum Engine {
    /// The CPU kernels.
    Cpu(CpuBackend),
    /// One card for everything.
    Card(Box<DeviceBackend>),
    /// The cost model decides.
    Auto(Box<Auto>),
}

impl Engine {
    /// Opens `device`.
    pub fn open(
        device: &Device,
        machine: &MachineArgs,
        surroundings: &Surroundings,
    ) -> Result<Self> {
        let simulated = matches!(device, Device::Sim | Device::SimPcie);
        if surroundings.trace.trace.is_some() && !simulated {
            let text =
                "--trace needs --device sim or sim-pcie: only simulated cards have waveforms";
            return Err(Failure::Usage(text.into()));
        }
        if surroundings.bandwidth.is_some() && *device != Device::Sim {
            let text = "--bandwidth needs --device sim: elsewhere a link or the machine bounds it";
            return Err(Failure::Usage(text.into()));
        }
        Ok(match device {
            Device::Cpu => Self::Cpu(machine.cpu()),
            Device::Auto => Self::Auto(Box::new(Auto::new(machine.clone())?)),
            _ => Self::Card(Box::new(open_card(device, machine, surroundings)?)),
        })
    }

    /// The card, if there is one and it was opened.
    pub fn card(&mut self) -> Option<&mut DeviceBackend> {
        match self {
            Self::Cpu(_) => None,
            Self::Card(card) => Some(card),
            Self::Auto(auto) => auto.card(),
        }
    }

    /// Counters of a card with a clock, summed over all runs so far.
    pub fn counters(&mut self) -> Option<Counters> {
        let card = self.card()?;
        // Those of a card without one stay at zero.
        let counts = card.counters().iter().any(|(_, value)| value > 0);
        let ticks = card.transport().clock().is_some();
        (counts || ticks).then(|| card.counters().clone())
    }

    /// The programs that went to the card, if there is one and it was opened.
    pub fn programs(&mut self) -> Option<Programs> {
        Some(self.card()?.programs())
    }

    /// What went over the line so far, where the card is on one.
    pub fn traffic(&mut self) -> Option<Traffic> {
        self.card()?.transport().traffic()
    }

    /// Simulated cycles a second of wall time, where a card is simulated.
    pub fn speed(&mut self) -> Option<f64> {
        self.card()?.transport().speed()
    }
}

impl Backend for Engine {
    fn run(&mut self, jobs: &[MatMul<'_>]) -> std::result::Result<Vec<Outcome>, BackendError> {
        match self {
            // Not the inherent method of the same name, which gives no reports.
            Self::Cpu(cpu) => Backend::run(cpu, jobs),
            Self::Card(card) => card.run(jobs),
            Self::Auto(auto) => auto.run(jobs),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Cpu(cpu) => cpu.name(),
            Self::Card(card) => card.name(),
            Self::Auto(auto) => auto.name(),
        }
    }
}

/// Opens a card.
pub fn open_card(
    device: &Device,
    machine: &MachineArgs,
    surroundings: &Surroundings,
) -> Result<DeviceBackend> {
    let config = machine.shape()?;
    let refused = |error: &dyn Display| Failure::Device(error.to_string());
    let mut options = Options::default();
    let transport: Box<dyn Transport> = match device {
        Device::Auto | Device::Cpu => {
            let text = format!("`{device}` is no card");
            return Err(Failure::Usage(text));
        }
        Device::Sim => simulated(config, surroundings)?,
        Device::Model => {
            let card = ModelTransport::new(config).map_err(|error| refused(&error))?;
            Box::new(card)
        }
        Device::SimPcie => behind_link(config, surroundings)?,
        Device::ModelPcie => functional(config)?,
        Device::Vfio(address) => {
            let road = machine.vfio.into();
            let function = KernelFunction::open(&Sysfs::new(&machine.sysfs), *address, road)
                .map_err(|error| refused(&error))?;
            Box::new(FunctionTransport::open(function).map_err(|error| refused(&error))?)
        }
        Device::VfioUser(path) => {
            let function = UserFunction::connect(path).map_err(|error| refused(&error))?;
            Box::new(FunctionTransport::open(function).map_err(|error| refused(&error))?)
        }
        Device::Serial(path, baud) => {
            let line = SerialOptions {
                baud: *baud,
                ..SerialOptions::default()
            };
            options = Options::over_line(&line);
            let function = SerialFunction::open(path, line).map_err(|error| refused(&error))?;
            Box::new(FunctionTransport::open(function).map_err(|error| refused(&error))?)
        }
    };
    if let Some(latency) = surroundings.latency {
        options.timing.latency = latency.into();
    }
    DeviceBackend::new(transport, Box::new(machine.cpu()), options)
        .map_err(|error| Failure::Device(format!("the card does not start: {error}")))
}

#[cfg(feature = "sim")]
fn functional(config: isa::config::Config) -> Result<Box<dyn Transport>> {
    use systole::transport::LocalFunction;

    let failed = |error: &dyn Display| Failure::Device(error.to_string());
    let card = sim::FunctionalCard::new(&config).map_err(|error| failed(&error))?;
    let function = LocalFunction::new(card, "functional card as a PCI function in this process");
    let transport = FunctionTransport::open(function).map_err(|error| failed(&error))?;
    Ok(Box::new(transport))
}

#[cfg(not(feature = "sim"))]
fn functional(_: isa::config::Config) -> Result<Box<dyn Transport>> {
    Err(Failure::Device(
        "this program was built without the models of a PCI function: build it with `cargo build \
         --release --package systole --features sim`, or take --device model for the same bits"
            .into(),
    ))
}

#[cfg(feature = "sim")]
fn simulated(
    config: isa::config::Config,
    surroundings: &Surroundings,
) -> Result<Box<dyn Transport>> {
    use systole::transport::SimTransport;

    let memory = sim::memory::MemoryOptions {
        latency: surroundings.latency.unwrap_or(LATENCY),
        bandwidth: surroundings.bandwidth.unwrap_or(BANDWIDTH),
        ..Default::default()
    };
    check(memory.check())?;
    let trace = waveform(surroundings)?;
    let options = sim::Options {
        fst: trace.is_some(),
        memory,
    };
    let mut card = building(|| SimTransport::open(&config, &options))?;
    if let Some(path) = trace {
        card.trace(path).map_err(unusable)?;
    }
    Ok(Box::new(card))
}

#[cfg(feature = "sim")]
fn behind_link(
    config: isa::config::Config,
    surroundings: &Surroundings,
) -> Result<Box<dyn Transport>> {
    use systole::transport::LocalFunction;

    let mut options = sim::LinkOptions::default();
    options.root.latency = surroundings.latency.unwrap_or(LINK_LATENCY);
    check(options.root.check())?;
    let trace = waveform(surroundings)?;
    options.fst = trace.is_some();
    let mut card = building(|| sim::RtlCard::open(&config, &options))?;
    if let Some(path) = trace {
        card.trace(path).map_err(unusable)?;
    }
    let function = LocalFunction::new(card, "simulated card behind PCIe in this process");
    let transport =
        FunctionTransport::open(function).map_err(|error| Failure::Device(error.to_string()))?;
    Ok(Box::new(transport))
}

#[cfg(feature = "sim")]
fn check(checked: std::result::Result<(), &'static str>) -> Result<()> {
    checked.map_err(|problem| Failure::Usage(problem.into()))
}

/// The waveform's file, if one is asked for: before the card is built, which takes minutes with
/// waveforms for the first time.
#[cfg(feature = "sim")]
fn waveform(surroundings: &Surroundings) -> Result<Option<&std::path::Path>> {
    let trace = surroundings.trace.trace.as_deref();
    if let Some(path) = trace {
        systole::output::begin(path)?;
    }
    Ok(trace)
}

#[cfg(feature = "sim")]
fn building<T>(open: impl FnOnce() -> std::result::Result<T, sim::Error>) -> Result<T> {
    let spinner = super::progress::spinner(
        "preparing the simulated card; a shape that is new takes a minute or more",
    );
    let card = open().map_err(unusable)?;
    spinner.finish_and_clear();
    Ok(card)
}

#[cfg(feature = "sim")]
fn unusable(error: sim::Error) -> Failure {
    Failure::Device(format!(
        "the simulated card cannot be used: {error} (`systole doctor` checks what it needs)"
    ))
}

#[cfg(not(feature = "sim"))]
use simulated as behind_link;

#[cfg(not(feature = "sim"))]
fn simulated(_: isa::config::Config, _: &Surroundings) -> Result<Box<dyn Transport>> {
    Err(Failure::Device(
        "this program was built without the simulated card: build it with `cargo build --release \
         --package systole --features sim`, or take --device model for the same bits without cycles"
            .into(),
    ))
}
