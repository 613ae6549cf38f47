//! First program of a virtual machine with a Systole card behind an emulated IOMMU: it starts
//! what the driver needs of Linux, runs the checks, reports on the second serial line and powers
//! off.
//!
//! `cargo xtask test --qemu` builds it, starts the machine and judges the reports.

mod pci;
mod report;
mod system;

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use report::Report;

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
    for function in pci::functions()? {
        report.line(&function.describe())?;
    }
    Ok(())
}
