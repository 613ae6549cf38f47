//! `systole device`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;
use systole::sysfs::{self, Address, Sysfs, SysfsError, VFIO_DRIVER};
use systole::transport::Function;
use systole::transport::kernel::{KernelFunction, Road};

use super::failure::{Failure, Result};
use super::print_json;
use super::table::{Table, grouped, known};

/// Find cards in this machine and give them to programs.
#[derive(clap::Args)]
pub struct Args {
    /// A folder that stands for `/`.
    #[arg(
        long,
        value_name = "ROOT",
        default_value = "/",
        hide = true,
        global = true
    )]
    sysfs: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the cards of this machine.
    List {
        /// Every PCI device, not only Systole cards.
        #[arg(long)]
        all: bool,
        /// Print one object of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show one card, and what keeps this user from using it.
    Info(One),
    /// Take a card from its driver and give it to vfio-pci, through which programs use it.
    Bind {
        #[command(flatten)]
        one: One,
        /// Also a device that is no Systole card.
        #[arg(long)]
        force: bool,
    },
    /// Take a card from vfio-pci and give it back to the driver that the kernel has for it.
    Unbind(One),
    /// Reset a card.
    Reset(One),
}

#[derive(clap::Args)]
struct One {
    /// Where the card sits, as in `0000:01:00.0`.
    address: Address,
    /// Print one object of JSON.
    #[arg(long)]
    json: bool,
}

/// A device as `--json` prints it.
#[derive(Serialize)]
pub struct Device {
    /// Where it sits.
    pub address: String,
    /// Whether it is a Systole card.
    card: bool,
    vendor: String,
    device: String,
    class: String,
    revision: u8,
    /// The driver that has it.
    pub driver: Option<String>,
    /// Name of the IOMMU in front of it.
    pub iommu: Option<String>,
    /// Number of its IOMMU group.
    pub group: Option<u32>,
    /// The other devices of the group.
    neighbours: Vec<Neighbour>,
    bars: Vec<Bar>,
    /// MSI-X vectors, where configuration space may be read that far.
    vectors: Option<u32>,
    node: Option<u32>,
    resettable: bool,
    /// The file that programs open.
    file: Option<PathBuf>,
    /// Whether this user can use it now.
    pub ready: bool,
    /// Why not, and what to do.
    pub obstacles: Vec<String>,
}

#[derive(Serialize)]
struct Neighbour {
    address: String,
    driver: Option<String>,
}

#[derive(Serialize)]
struct Bar {
    bar: u8,
    bytes: u64,
    memory: bool,
    wide: bool,
    prefetchable: bool,
}

#[derive(Serialize)]
struct List {
    devices: Vec<Device>,
}

/// Runs the command.
pub fn run(args: Args) -> Result<()> {
    let sysfs = Sysfs::new(args.sysfs);
    match args.command {
        Command::List { all, json } => list(&sysfs, all, json),
        Command::Info(one) => {
            let device = sysfs.device(one.address)?;
            show(&sysfs, &device, one.json)
        }
        Command::Bind { one, force } => {
            let device = sysfs.bind(one.address, force)?;
            show(&sysfs, &device, one.json)
        }
        Command::Unbind(one) => {
            let device = sysfs.unbind(one.address)?;
            show(&sysfs, &device, one.json)
        }
        Command::Reset(one) => {
            reset(&sysfs, one.address)?;
            let device = sysfs.device(one.address)?;
            match one.json {
                true => print_json(&Device::new(&sysfs, &device)),
                false => Ok(writeln!(io::stdout(), "{} was reset", one.address)?),
            }
        }
    }
}

impl From<SysfsError> for Failure {
    fn from(error: SysfsError) -> Self {
        match error {
            SysfsError::NotACard { .. } => Self::Usage(error.to_string()),
            error => Self::Device(error.to_string()),
        }
    }
}

/// Resets through the kernel's file, or through vfio-pci where only that may be used.
fn reset(sysfs: &Sysfs, address: Address) -> Result<()> {
    let refused = match sysfs.reset(address) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    let bound = sysfs.device(address)?.driver.as_deref() == Some(VFIO_DRIVER);
    if !matches!(refused, SysfsError::Permission { .. }) || !bound {
        return Err(refused.into());
    }
    let failed = |error: &dyn std::fmt::Display| Failure::Device(error.to_string());
    let function = KernelFunction::open(sysfs, address, Road::Any);
    let function = function.map_err(|error| failed(&error))?;
    function.reset().map_err(|error| failed(&error))
}

/// The cards of this machine.
///
/// # Errors
/// PCI devices cannot be listed.
pub fn cards(sysfs: &Sysfs) -> std::result::Result<Vec<Device>, SysfsError> {
    devices(sysfs, false)
}

fn devices(sysfs: &Sysfs, all: bool) -> std::result::Result<Vec<Device>, SysfsError> {
    let mut devices = sysfs.devices()?;
    devices.retain(|device| all || device.is_card());
    let shown = devices.iter().map(|device| Device::new(sysfs, device));
    Ok(shown.collect())
}

fn list(sysfs: &Sysfs, all: bool, json: bool) -> Result<()> {
    let devices = devices(sysfs, all)?;
    if json {
        return print_json(&List { devices });
    }
    let mut out = io::stdout().lock();
    if devices.is_empty() {
        let text = "no Systole card is in this machine; --all lists every PCI device";
        return Ok(writeln!(out, "{text}")?);
    }
    let mut table = Table::new(&["address", "device", "driver", "IOMMU", ">group", "ready"]);
    for device in devices {
        table.row(vec![
            device.address,
            format!("{}:{}", device.vendor, device.device),
            known(device.driver, |name| name),
            known(device.iommu, |name| name),
            known(device.group, |number| number.to_string()),
            if device.ready { "yes" } else { "no" }.into(),
        ]);
    }
    Ok(write!(out, "{table}")?)
}

impl Device {
    fn new(sysfs: &Sysfs, device: &sysfs::Device) -> Self {
        let obstacles = sysfs.obstacles(device);
        let mut neighbours = device.group.map_or(Vec::new(), |group| sysfs.group(group));
        neighbours.retain(|other| other.address != device.address);
        let neighbour = |other: sysfs::Device| Neighbour {
            address: other.address.to_string(),
            driver: other.driver,
        };
        let bar = |bar: &sysfs::Bar| Bar {
            bar: bar.index,
            bytes: bar.bytes,
            memory: bar.memory,
            wide: bar.wide,
            prefetchable: bar.prefetchable,
        };
        Self {
            address: device.address.to_string(),
            card: device.is_card(),
            vendor: format!("{:04x}", device.vendor),
            device: format!("{:04x}", device.device),
            class: format!("{:06x}", device.class),
            revision: device.revision,
            driver: device.driver.clone(),
            iommu: device.iommu.clone(),
            group: device.group,
            neighbours: neighbours.into_iter().map(neighbour).collect(),
            bars: device.bars.iter().map(bar).collect(),
            vectors: device.vectors,
            node: device.node,
            resettable: device.resettable,
            file: sysfs.way(device).map(|way| way.file().into()),
            ready: obstacles.is_empty(),
            obstacles,
        }
    }
}

fn show(sysfs: &Sysfs, device: &sysfs::Device, json: bool) -> Result<()> {
    let device = Device::new(sysfs, device);
    if json {
        return print_json(&device);
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    let kind = if device.card {
        "Systole card"
    } else {
        "no Systole card"
    };
    writeln!(
        out,
        "{}  {}:{}, {kind}, class {}, revision {}",
        device.address, device.vendor, device.device, device.class, device.revision
    )?;
    writeln!(out, "driver     {}", known(device.driver, |name| name))?;
    writeln!(out, "IOMMU      {}", known(device.iommu, |name| name))?;
    let group = known(device.group, |number| number.to_string());
    let others: Vec<String> = device
        .neighbours
        .iter()
        .map(|other| {
            let driver = other.driver.as_deref().unwrap_or("no driver");
            format!("{} ({driver})", other.address)
        })
        .collect();
    match others.is_empty() {
        true => writeln!(out, "group      {group}, alone in it")?,
        false => writeln!(out, "group      {group}, with {}", others.join(", "))?,
    }
    for bar in &device.bars {
        let kind = match (bar.memory, bar.wide, bar.prefetchable) {
            (false, ..) => "ports",
            (true, false, false) => "memory, 32 bits",
            (true, false, true) => "memory, 32 bits, prefetchable",
            (true, true, false) => "memory, 64 bits",
            (true, true, true) => "memory, 64 bits, prefetchable",
        };
        let bytes = grouped(bar.bytes);
        writeln!(out, "BAR {}      {bytes} bytes, {kind}", bar.bar)?;
    }
    let vectors = known(device.vectors, |count| count.to_string());
    writeln!(out, "MSI-X      {vectors} vector(s)")?;
    if let Some(node) = device.node {
        writeln!(out, "near       memory node {node}")?;
    }
    let file = known(device.file, |path| path.display().to_string());
    writeln!(out, "file       {file}")?;
    match device.ready {
        true => writeln!(out, "ready      yes: --device vfio:{}", device.address)?,
        false => writeln!(out, "ready      no")?,
    }
    for obstacle in &device.obstacles {
        writeln!(out, "           {obstacle}")?;
    }
    Ok(out.flush()?)
}
