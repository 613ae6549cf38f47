//! The driver's own access to a device, on one that somebody else made: QEMU's `edu`
//! (docs/specs/edu in its sources). What fails here is the driver or the kernel, not the card.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use systole::dma::pool::DmaSpace;
use systole::dma::{Backing, HUGE_BYTES, HostMemory};
use systole::sysfs::{Device, Sysfs};
use systole::transport::kernel::Road;
use systole::transport::{Function, KernelFunction};

/// Vendor and device.
pub const ID: (u16, u16) = (0x1234, 0x11e8);

/// Its one window.
const BAR: u8 = 0;
/// What register 0 holds.
const IDENTITY: u32 = 0x0100_00ed;
/// Gives the complement of what was written.
const LIVENESS: u32 = 0x04;
/// Gives the factorial of what was written, once it is computed.
const FACTORIAL: u32 = 0x08;
/// Bit 0: the factorial is being computed.
const STATUS: u32 = 0x20;
const DMA_SOURCE: u32 = 0x80;
const DMA_TARGET: u32 = 0x88;
const DMA_BYTES: u32 = 0x90;
/// Bit 0: start, and under way; bit 1: from the device to memory.
const DMA_COMMAND: u32 = 0x98;
const FROM_DEVICE: u32 = 2;
/// Where the device's own memory of [`BUFFER_BYTES`] stands, in its own view.
const BUFFER: u32 = 0x4_0000;
const BUFFER_BYTES: usize = 4096;

/// Where memory is mapped. The device heeds only 28 bits of an address.
const ADDRESS: u64 = 0x400_0000;
/// Longest that a transfer may take; the device waits a tenth of a second before each.
const PATIENCE: Duration = Duration::from_secs(20);

/// Binds and opens the device and tries its registers and its transfers.
pub fn check(device: &Device) -> Result<Value> {
    let sysfs = Sysfs::new("/");
    sysfs.bind(device.address, true)?;
    let edu = KernelFunction::open(&sysfs, device.address, Road::Any)?;
    registers(&edu)?;
    let huge = transfers(&edu)?;
    ensure!(
        huge,
        "no memory in pages of 2 MiB, though the machine has some"
    );
    Ok(json!({"function": edu.describe(), "huge_pages": huge}))
}

fn registers(edu: &KernelFunction) -> Result<()> {
    let identity = edu.read32(BAR, 0)?;
    ensure!(identity == IDENTITY, "register 0 holds {identity:#x}");
    for value in [0, 1, 0x8000_0000, 0x1234_5678, u32::MAX] {
        edu.write32(BAR, LIVENESS, value)?;
        let answer = edu.read32(BAR, LIVENESS)?;
        ensure!(answer == !value, "{value:#x} is answered with {answer:#x}");
    }
    edu.write32(BAR, FACTORIAL, 10)?;
    wait(|| Ok(edu.read32(BAR, STATUS)? & 1 == 0)).context("the factorial")?;
    let factorial = edu.read32(BAR, FACTORIAL)?;
    ensure!(factorial == 3_628_800, "10! is {factorial}");
    Ok(())
}

/// Bytes go to the device and come back elsewhere, and nothing else changes; whether the memory
/// lies in huge pages.
fn transfers(edu: &KernelFunction) -> Result<bool> {
    let memory = Arc::new(HostMemory::new(HUGE_BYTES, edu.sharing())?);
    edu.map(&memory, ADDRESS)?;
    let fill = |value: &dyn Fn(usize) -> u32| {
        for (index, word) in memory.words().iter().enumerate() {
            word.store(value(index), Ordering::Release);
        }
    };
    // A bus master may read and write memory only once it is told so.
    edu.config_write(4, &6_u16.to_le_bytes())?;
    let pattern = |index: usize| (index as u32).wrapping_mul(0x9e37_79b9) | 1;
    fill(&pattern);
    let (first, count, target) = (3, BUFFER_BYTES / 4, HUGE_BYTES / 4 - BUFFER_BYTES / 4);
    transfer(edu, first, true)?;
    transfer(edu, target, false)?;
    for (index, word) in memory.words().iter().enumerate() {
        let source = match index.checked_sub(target) {
            Some(offset) if offset < count => first + offset,
            _ => index,
        };
        let found = word.load(Ordering::Acquire);
        ensure!(
            found == pattern(source),
            "word {index} holds {found:#x} after the transfers"
        );
    }
    // What was taken back is out of the device's reach.
    edu.unmap(ADDRESS, memory.len() as u64)?;
    fill(&|_| 0);
    transfer(edu, target, false)?;
    let touched = memory
        .words()
        .iter()
        .position(|word| word.load(Ordering::Acquire) != 0);
    if let Some(index) = touched {
        bail!("the device wrote word {index} of memory that was unmapped");
    }
    Ok(memory.huge())
}

/// Moves the device's whole buffer from or to the words from `word` on.
fn transfer(edu: &KernelFunction, word: usize, to_device: bool) -> Result<()> {
    let memory = ADDRESS as u32 + word as u32 * 4;
    let (source, target, direction) = match to_device {
        true => (memory, BUFFER, 0),
        false => (BUFFER, memory, FROM_DEVICE),
    };
    edu.write32(BAR, DMA_SOURCE, source)?;
    edu.write32(BAR, DMA_TARGET, target)?;
    edu.write32(BAR, DMA_BYTES, BUFFER_BYTES as u32)?;
    edu.write32(BAR, DMA_COMMAND, 1 | direction)?;
    wait(|| Ok(edu.read32(BAR, DMA_COMMAND)? & 1 == 0)).context("a transfer")
}

fn wait(done: impl Fn() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !done()? {
        ensure!(start.elapsed() < PATIENCE, "not done in {PATIENCE:?}");
        sleep(Duration::from_millis(1));
    }
    Ok(())
}
