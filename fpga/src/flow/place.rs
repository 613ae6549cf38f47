//! What place and route of both families have in common.

use std::process::Command;

use super::plan::{Plan, placed_name, read, remove};
use super::seeds::Placed;
use super::step::{Progress, failed, run};
use super::{FlowError, Timing};

/// Lines of nextpnr's log that tell how far it is, and what is said of them.
const STAGES: [(&str, &str); 5] = [
    ("Info: Packing constants", "packs"),
    ("Info: Running main analytical placer", "places"),
    (
        "Info: Running simulated annealing placer",
        "refines the placement",
    ),
    ("Info: Routing..", "routes"),
    ("Info: Running router2", "routes"),
];

/// Runs nextpnr with the options of a family and those that all have.
pub fn place(
    command: &mut Command,
    plan: &Plan,
    seed: u32,
    progress: Progress,
) -> Result<Placed, FlowError> {
    let folder = &plan.folder;
    let report = format!("report-{seed}.json");
    remove(&folder.join(&report))?;
    let seed_text = seed.to_string();
    let mhz = plan.mhz.to_string();
    command.args(["--seed", &seed_text, "--freq", &mhz, "--report", &report]);
    if plan.named {
        command.args(["--write", &placed_name(seed)]);
    }
    let log = folder.join(format!("nextpnr-{seed}.log"));
    let mut line = |line: &str| {
        let mut stages = STAGES.iter();
        if let Some((_, stage)) = stages.find(|(begin, _)| line.starts_with(begin)) {
            progress(&format!("seed {seed} {stage}"));
        }
    };
    let ran = run("nextpnr", command, &log, &mut line)?;
    // A clock that is too slow fails the program after it has written its report; of seeds, only
    // that of the best one counts.
    let report = folder.join(report);
    if !report.exists() {
        return Err(failed("nextpnr", &log));
    }
    let timing = Timing::read(&read(&report)?)?;
    if !ran.succeeded && timing.met() {
        return Err(failed("nextpnr", &log));
    }
    Ok(Placed {
        seed,
        timing,
        time: ran.time,
    })
}
