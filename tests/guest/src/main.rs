//! First program of a virtual machine with devices behind an emulated IOMMU: it starts what the
//! driver needs of Linux, runs a check for each device that it knows, reports on the second serial
//! line and powers off.
//!
//! `cargo xtask test --qemu` builds it, starts the machine and judges the reports.

mod edu;
mod report;
mod system;

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;
use systole::sysfs::Sysfs;

use report::Report;

/// Pages of 2 MiB that are set aside for what a device reaches.
const HUGE_PAGES: u32 = 32;

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
    for device in Sysfs::new("/").devices()? {
        if (device.vendor, device.device) == edu::ID {
            report.check("edu", || edu::check(&device))?;
        }
    }
    Ok(())
}
