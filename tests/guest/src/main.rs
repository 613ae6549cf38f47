//! First program of a virtual machine with devices behind an emulated IOMMU: it starts what the
//! driver needs of Linux, runs a check for each device that it knows, reports on the second serial
//! line and powers off.
//!
//! `cargo xtask test --qemu` builds it, starts the machine and judges the reports.

mod card;
mod edu;
mod product;
mod program;
mod report;
mod system;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use systole::sysfs::{Address, Sysfs};

use report::Report;

/// Pages of 2 MiB that are set aside for what a device reaches.
const HUGE_PAGES: u32 = 32;

/// A model, and what it embeds.
const MODEL: &str = "/model";
const TEXT: &str = "/text";

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!(
            "error: this is the first program of a virtual machine: `cargo xtask test --qemu`"
        );
        return ExitCode::FAILURE;
    }
    let done = system::mount().and_then(|()| {
        let mut report = Report::open()?;
        let end = match checks(&mut report) {
            Ok(()) => json!({"event": "end"}),
            Err(error) => json!({"event": "broken", "error": format!("{error:#}")}),
        };
        report.line(&end)
    });
    if let Err(error) = done {
        eprintln!("error: {error:#}");
    }
    system::power_off()
}

fn checks(report: &mut Report) -> Result<()> {
    report.line(&json!({
        "event": "start",
        "kernel": system::kernel_release()?,
        "seconds": system::uptime()?,
    }))?;
    system::load_modules()?;
    system::reserve_huge_pages(HUGE_PAGES)?;
    let sysfs = Sysfs::new("/");
    for device in sysfs.devices()? {
        let address = device.address;
        if (device.vendor, device.device) == edu::ID {
            report.check("edu", || edu::check(&device))?;
        } else if device.is_card() {
            report.check("bind", || bind(address))?;
            report.check("roads", || card::roads(address))?;
            report.check("products", || card::products(address))?;
            report.check("interrupts", || card::interrupts(address))?;
            report.check("rounds", || card::rounds(address))?;
            report.check("reset", || card::reset(address))?;
            report.check("embed", || embed(address))?;
            report.check("unbind", || unbind(address))?;
        }
    }
    Ok(())
}

/// Finds the card and gives it to vfio-pci as a person would.
fn bind(address: Address) -> Result<Value> {
    let list = program::json(&["device", "list"])?;
    program::run(&["device", "bind", &address.to_string()])?;
    let driver = Sysfs::new("/").device(address)?.driver;
    ensure!(
        driver.as_deref() == Some("vfio-pci"),
        "the driver of the card is {driver:?}"
    );
    program::run(&["device", "reset", &address.to_string()])?;
    Ok(list)
}

/// Takes the card from vfio-pci as a person would.
fn unbind(address: Address) -> Result<Value> {
    program::run(&["device", "unbind", &address.to_string()])?;
    let driver = Sysfs::new("/").device(address)?.driver;
    ensure!(driver.is_none(), "the driver of the card is {driver:?}");
    Ok(Value::Null)
}

/// The whole program: model, tokenizer, quantised layers on the card.
fn embed(address: Address) -> Result<Value> {
    let text = std::fs::read_to_string(TEXT).with_context(|| format!("cannot read {TEXT}"))?;
    let device = format!("--device=vfio:{address}");
    program::json(&["embed", &device, "--model", MODEL, &text])
}
