//! Options that choose where products run.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use isa::config::{Config, Datapaths};
use systole::cpu::CpuBackend;
use systole::sysfs::Address;
use systole::transport::kernel::Road;
use systole::transport::serial::SerialOptions;

use super::failure::Failure;
use super::number::positive;

/// Where products run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// Wherever the cost model foresees each product to end first: on the CPU or on the first card in
    /// a slot that can be used. Without one the simulated card takes its place; it is slower than the
    /// CPU for nearly all, so it is not chosen only because it is there.
    Auto,
    /// The CPU kernels.
    Cpu,
    /// The Verilated card in this process, cycle by cycle.
    Sim,
    /// The Verilated card in this process behind its PCIe endpoint and a model of the link.
    SimPcie,
    /// The functional model of the card: the same bits, no clock.
    Model,
    /// The functional model as a PCI function in this process.
    ModelPcie,
    /// A card in this machine, through the kernel's vfio-pci.
    Vfio(Address),
    /// A card behind the socket of a vfio-user server.
    VfioUser(PathBuf),
    /// A card at the end of a serial line: the port, and bits a second.
    Serial(PathBuf, u32),
}

/// Help for options that choose where products run, in lines of at most 70 letters, which fit a
/// terminal of 80.
pub const DEVICES: &str = "\
Where products run:
  auto               where the cost model foresees each product to end
                     first: the CPU or a card of this machine that is
                     ready for use; without one the simulated card,
                     which is slower than the CPU for nearly all
  cpu                the CPU kernels
  sim                the Verilated card in this process, cycle by
                     cycle
  sim-pcie           the same behind its PCIe endpoint and a model of
                     the link
  model              the functional model of the card: the same bits,
                     no clock
  model-pcie         the functional model as a PCI function in this
                     process
  vfio:0000:01:00.0  a card in this machine, through the kernel's
                     vfio-pci
  vfio-user:PATH     a card behind the socket of a vfio-user server
                     (`systole-card serve`)
  serial:PATH        a card at the end of a serial line, such as
                     /dev/ttyUSB0 or what `systole-card serve
                     --serial` makes, at 3,000,000 bits a second
  serial:PATH@BAUD   the same at another rate
";

impl Device {
    /// Whether it is a card.
    pub fn is_card(&self) -> bool {
        !matches!(self, Self::Auto | Self::Cpu)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Sim => f.write_str("sim"),
            Self::SimPcie => f.write_str("sim-pcie"),
            Self::Model => f.write_str("model"),
            Self::ModelPcie => f.write_str("model-pcie"),
            Self::Vfio(address) => write!(f, "vfio:{address}"),
            Self::VfioUser(path) => write!(f, "vfio-user:{}", path.display()),
            Self::Serial(path, baud) => write!(f, "serial:{}@{baud}", path.display()),
        }
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "auto" => Self::Auto,
            "cpu" => Self::Cpu,
            "sim" => Self::Sim,
            "sim-pcie" => Self::SimPcie,
            "model" => Self::Model,
            "model-pcie" => Self::ModelPcie,
            _ => match text.split_once(':') {
                Some(("vfio", address)) => Self::Vfio(address.parse()?),
                Some(("vfio-user", path)) if !path.is_empty() => Self::VfioUser(path.into()),
                Some(("serial", port)) if !port.is_empty() => serial(port)?,
                _ => {
                    return Err(
                        "take auto, cpu, sim, sim-pcie, model, model-pcie, vfio:ADDRESS (such as \
                         vfio:0000:01:00.0), vfio-user:PATH, or serial:PATH[@BAUD] (such as \
                         serial:/dev/ttyUSB0)"
                            .into(),
                    );
                }
            },
        })
    }
}

/// The device of `PATH` or `PATH@BAUD`.
fn serial(port: &str) -> Result<Device, String> {
    let (path, baud) = match port.rsplit_once('@') {
        // A rate holds no slash, a folder's name may hold the other sign.
        Some((path, baud)) if !path.is_empty() && !baud.contains('/') => {
            let baud = baud.parse().ok().filter(|baud| *baud > 0);
            let baud = baud.ok_or("after the @ comes the rate of the line in bits a second")?;
            (path, baud)
        }
        _ => (port, SerialOptions::default().baud),
    };
    Ok(Device::Serial(path.into(), baud))
}

/// Which of the kernel's ways to a card is taken.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Way {
    /// iommufd where the kernel has it, else the group.
    #[default]
    Any,
    /// The card's own file with an iommufd (Linux 6.6 and later).
    Iommufd,
    /// The file of its IOMMU group.
    Group,
}

impl From<Way> for Road {
    fn from(way: Way) -> Self {
        match way {
            Way::Any => Self::Any,
            Way::Iommufd => Self::Iommufd,
            Way::Group => Self::Group,
        }
    }
}

/// Where products run, and on what.
#[derive(Args, Clone, Debug)]
pub struct DeviceArgs {
    /// Where products run: auto, cpu, sim, sim-pcie, model, model-pcie, vfio:ADDRESS,
    /// vfio-user:PATH or serial:PATH.
    #[arg(long, value_name = "WHERE", default_value_t = Device::Auto, long_help = DEVICES)]
    pub device: Device,
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// What the machine has.
#[derive(Args, Clone, Debug)]
pub struct MachineArgs {
    /// Array of a card in this process; others describe themselves.
    #[arg(long, value_name = "ROWSxCOLS", default_value = "16x16")]
    config: Config,
    /// Bytes of its memory port: 16 or 32.
    #[arg(long, value_name = "BYTES")]
    port_bytes: Option<u32>,
    /// What it has beside dense int8: dense (nothing), all (narrow, groups, two-four and blocks), or
    /// names with commas between them. Packed products must be named, beside whatever else is
    /// wanted but two-four: narrow,groups,blocks,packed [default: all].
    #[arg(long, value_name = "LIST")]
    datapaths: Option<Datapaths>,
    /// Threads of the CPU kernels [default: one for each core].
    #[arg(long, value_name = "N", value_parser = positive, allow_negative_numbers = true)]
    threads: Option<NonZeroUsize>,
    /// The kernel's way to a card in this machine (with --device vfio:ADDRESS).
    #[arg(long, value_name = "WAY", value_enum, default_value_t = Way::Any)]
    pub vfio: Way,
    /// A folder that stands for `/` where cards are looked for.
    #[arg(long, value_name = "ROOT", default_value = "/", hide = true)]
    pub sysfs: PathBuf,
}

impl MachineArgs {
    /// Shape of a card in this process.
    ///
    /// # Errors
    /// When no card can have it.
    pub fn shape(&self) -> Result<Config, Failure> {
        let config = Config {
            port_bytes: self.port_bytes.unwrap_or(self.config.port_bytes),
            datapaths: self.datapaths.unwrap_or(self.config.datapaths),
            ..self.config
        };
        match config.check() {
            Ok(()) => Ok(config),
            Err(error) => Err(Failure::Usage(format!("there is no such card: {error}"))),
        }
    }
}

impl Default for MachineArgs {
    fn default() -> Self {
        Self {
            config: Config::default(),
            port_bytes: None,
            datapaths: None,
            threads: None,
            vfio: Way::Any,
            sysfs: "/".into(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_and_written() {
        let serial = |path: &str, baud| Ok(Device::Serial(path.into(), baud));
        for (text, device) in [
            ("serial:/dev/ttyUSB0", serial("/dev/ttyUSB0", 3_000_000)),
            (
                "serial:/dev/ttyUSB0@115200",
                serial("/dev/ttyUSB0", 115_200),
            ),
            ("serial:/a@b/c", serial("/a@b/c", 3_000_000)),
            ("serial:/a@b/c@9600", serial("/a@b/c", 9600)),
        ] {
            let found: Result<Device, String> = text.parse();
            assert_eq!(found, device, "{text}");
            let again = found.map(|device| device.to_string().parse());
            assert_eq!(again, Ok(device), "{text}");
        }
        for text in [
            "serial:",
            "serial",
            "serial:/dev/ttyUSB0@",
            "serial:/dev/ttyUSB0@0",
            "serial:/dev/ttyUSB0@fast",
            "serial:/dev/ttyUSB0@-1",
            "serial:/dev/ttyUSB0@4294967296",
        ] {
            assert!(text.parse::<Device>().is_err(), "{text}");
        }
    }
}
