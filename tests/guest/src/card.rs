//! The card through the kernel's vfio-pci: windows, memory behind the IOMMU, interrupts, resets.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use systole::backend::Place;
use systole::cpu::CpuBackend;
use systole::device::{DeviceBackend, Options};
use systole::sysfs::{Address, Sysfs};
use systole::transport::kernel::Road;
use systole::transport::{Function, FunctionTransport, KernelFunction};

use crate::product::Product;

/// Where a kernel with iommufd shows it.
const IOMMUFD: &str = "/dev/iommu";
/// Shapes from the smallest on: one element, sizes that fill no tile, many tiles.
const SHAPES: [(usize, usize, usize); 6] = [
    (1, 1, 1),
    (17, 20, 18),
    (64, 64, 64),
    (1, 384, 384),
    (100, 300, 50),
    (128, 512, 128),
];
/// Products after each of which an interrupt must have come.
const INTERRUPTS: u64 = 20;
/// Times that the card is taken and given back.
const ROUNDS: u32 = 10;
/// How long the driver waits for a program, which takes less than a second.
const PATIENCE: Duration = Duration::from_secs(3);
/// A product of which the simulated card runs long enough to be reset in the middle.
const LONG: (usize, usize, usize) = (256, 1024, 256);
/// When the reset comes after its start.
const RESET_AFTER: Duration = Duration::from_millis(100);

fn open(address: Address) -> Result<DeviceBackend> {
    let function = KernelFunction::open(&Sysfs::new("/"), address, Road::Any)?;
    let transport = FunctionTransport::open(function)?;
    let options = Options {
        patience: PATIENCE,
        ..Options::default()
    };
    let cpu = Box::new(CpuBackend::new(1));
    Ok(DeviceBackend::new(Box::new(transport), cpu, options)?)
}

/// The card can be had by its group and, where the kernel has one, by an iommufd, which is then
/// what the driver takes. Who asks for one that is not there learns that.
pub fn roads(address: Address) -> Result<Value> {
    let sysfs = Sysfs::new("/");
    let describe = |road| {
        let function = KernelFunction::open(&sysfs, address, road);
        function.map(|function| function.describe().to_string())
    };
    let group = describe(Road::Group)?;
    let (best, iommufd) = match Path::new(IOMMUFD).exists() {
        true => {
            let iommufd = describe(Road::Iommufd)?;
            (iommufd.clone(), iommufd)
        }
        false => match describe(Road::Iommufd) {
            Ok(card) => bail!("{card} was opened without {IOMMUFD}"),
            Err(error) => (group, error.to_string()),
        },
    };
    let taken = describe(Road::Any)?;
    ensure!(taken == best, "the driver takes {taken}, not {best}");
    ensure!(
        taken == iommufd || iommufd.contains("CONFIG_VFIO_DEVICE_CDEV"),
        "{iommufd}"
    );
    Ok(json!({"taken": taken, "iommufd": iommufd}))
}

/// Products of all shapes run on the card and are right to the bit.
pub fn products(address: Address) -> Result<Value> {
    let mut card = open(address)?;
    for (m, k, n) in SHAPES {
        let report = Product::new(m, k, n).run(&mut card)?;
        ensure!(
            report.place == Place::Device,
            "{m}x{k}x{n} ran on the CPU: {}",
            report.reason
        );
    }
    ensure!(
        card.faults() == 0,
        "the card failed {} times",
        card.faults()
    );
    Ok(json!({"shapes": SHAPES.len(), "config": card.config()}))
}

/// The kernel counts an interrupt for each program that was waited for.
pub fn interrupts(address: Address) -> Result<Value> {
    let mut card = open(address)?;
    let product = Product::new(16, 64, 16);
    let before = msix_count()?;
    for done in 1..=INTERRUPTS {
        product.run(&mut card)?;
        // The result may be seen before the interrupt has found its way.
        let start = Instant::now();
        while msix_count()? - before < done && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
        let count = msix_count()? - before;
        ensure!(count == done, "{count} interrupts came for {done} programs");
    }
    Ok(json!({"programs": INTERRUPTS}))
}

/// Memory lies in pages of 2 MiB, and all of it comes back, with every descriptor.
pub fn rounds(address: Address) -> Result<Value> {
    let product = Product::new(16, 16, 16);
    let (pages, files) = (free_huge_pages()?, open_files()?);
    let mut used = 0;
    for _ in 0..ROUNDS {
        let mut card = open(address)?;
        product.run(&mut card)?;
        used = pages - free_huge_pages()?;
        ensure!(used > 0, "the card's memory lies in no huge page");
    }
    let left = (free_huge_pages()?, open_files()?);
    ensure!(
        left == (pages, files),
        "{} huge pages and {} descriptors are free after {ROUNDS} rounds, not {pages} and {files}",
        left.0,
        left.1
    );
    Ok(json!({"rounds": ROUNDS, "huge_pages": used}))
}

/// Somebody else resets the card while a program is under way. The work is done all the same, and
/// the card is used again.
pub fn reset(address: Address) -> Result<Value> {
    let mut card = open(address)?;
    let (m, k, n) = LONG;
    let long = Product::new(m, k, n);
    let foreign = thread::spawn(move || {
        thread::sleep(RESET_AFTER);
        Sysfs::new("/").reset(address)
    });
    let report = long.run(&mut card)?;
    match foreign.join() {
        Ok(done) => done.context("the reset from outside")?,
        Err(_) => bail!("the thread that resets the card panicked"),
    }
    let in_time = card.faults() == 1;
    // A card that was faster than the reset has lost its queues unnoticed until it is used next.
    let short = Product::new(64, 64, 64);
    if !in_time {
        short.run(&mut card)?;
    }
    let again = short.run(&mut card)?;
    ensure!(
        again.place == Place::Device,
        "after the reset the card is not used: {}",
        again.reason
    );
    let faults = card.faults();
    ensure!(faults == 1, "one reset is counted as {faults} faults");
    Ok(json!({"in_time": in_time, "place": report.place, "reason": report.reason}))
}

/// Interrupts of vfio-pci so far, over all vectors and cores.
fn msix_count() -> Result<u64> {
    let text = fs::read_to_string("/proc/interrupts").context("/proc/interrupts")?;
    let lines = text.lines().filter(|line| line.contains("vfio-msix"));
    let counts = lines.flat_map(|line| {
        let fields = line.split_whitespace().skip(1);
        fields.map_while(|field| field.parse::<u64>().ok())
    });
    Ok(counts.sum())
}

fn free_huge_pages() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("/proc/meminfo")?;
    text.lines()
        .find_map(|line| line.strip_prefix("HugePages_Free:")?.trim().parse().ok())
        .context("/proc/meminfo tells nothing of huge pages")
}

fn open_files() -> Result<usize> {
    Ok(fs::read_dir("/proc/self/fd")
        .context("/proc/self/fd")?
        .count())
}
