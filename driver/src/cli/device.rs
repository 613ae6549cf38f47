//! Options that choose where products run.

use std::num::NonZeroUsize;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use isa::config::Config;
use systole::cpu::CpuBackend;

/// Where products run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Device {
    /// Wherever the cost model foresees each product to end first. The simulated card is slower
    /// than the CPU for nearly all, so it is not chosen only because it is there.
    Auto,
    /// The CPU kernels.
    Cpu,
    /// The Verilated card in this process, cycle by cycle.
    Sim,
    /// The functional model of the card: the same bits, no clock.
    Model,
}

/// Where products run, and on what.
#[derive(Args, Clone, Debug)]
pub struct DeviceArgs {
    /// Where products run.
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    pub device: Device,
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// What the machine has.
#[derive(Args, Clone, Debug)]
pub struct MachineArgs {
    /// Array of the simulated card.
    #[arg(long, value_name = "ROWSxCOLS", default_value = "16x16")]
    pub config: ArraySize,
    /// Threads of the CPU kernels [default: one for each core].
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl Default for MachineArgs {
    fn default() -> Self {
        Self {
            config: ArraySize(Config::default()),
            threads: None,
        }
    }
}

impl MachineArgs {
    /// The CPU kernels with as many threads as were asked for.
    pub fn cpu(&self) -> CpuBackend {
        CpuBackend::new(self.threads())
    }

    /// Threads of the CPU kernels.
    pub fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.threads.map_or_else(cores, NonZeroUsize::get)
    }
}

/// Rows and columns of an array, as in `16x16`, with the default memories.
#[derive(Clone, Copy, Debug)]
pub struct ArraySize(pub Config);

impl FromStr for ArraySize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sides = text
            .split_once('x')
            .and_then(|(rows, cols)| Some((rows.parse().ok()?, cols.parse().ok()?)));
        let (rows, cols) = sides.ok_or("write rows and columns as in `16x16`")?;
        // The sides are checked before memories are divided among them.
        if rows == 0 || cols == 0 {
            return Err("the array needs rows and columns".into());
        }
        let config = Config::with_array(rows, cols);
        config.check().map_err(|error| error.to_string())?;
        Ok(Self(config))
    }
}
