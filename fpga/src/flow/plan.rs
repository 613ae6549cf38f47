//! One build, from the Verilog of a top to a bitstream and its report.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::hard_cells::{explained, hard_cells};
use super::report::{Report, StepTime};
use super::seeds::{Placed, search};
use super::step::Progress;
use super::{FlowError, Tools, artix7, ecp5, yosys};
use crate::boards::{Board, Part};
use crate::constraints::{bind, lpf, ports, xdc};

/// What is to be built.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The board.
    pub board: Board,
    /// What reports call the design.
    pub design: String,
    /// The top module; its Verilog is `TOP.v` in the folder.
    pub top: String,
    /// What clocks without a constraint of their own must reach.
    pub mhz: f64,
    /// Seeds 1 to this are tried.
    pub seeds: u32,
    /// Cells get names after the modules that they are in, and the netlist with its placement is
    /// written, as pictures want both.
    pub named: bool,
    /// The placer of ECP5 gives slow paths no more weight than it does by itself: a slower clock in
    /// half the time.
    pub quick: bool,
    /// Where everything is written. Some tools see no path through a symbolic link, so they run in
    /// it on plain names.
    pub folder: PathBuf,
}

impl Plan {
    /// Where the bitstream is.
    pub fn bitstream(&self) -> PathBuf {
        self.folder.join(format!("{}.bit", self.top))
    }

    /// Where the netlist with its placement is, if its cells have names.
    pub fn placed(&self) -> PathBuf {
        self.folder.join("placed.json")
    }
}

/// Takes the Verilog of a top to a bitstream.
///
/// # Errors
/// A step that fails, a port without a pin, timing that no seed meets.
pub fn build(plan: &Plan, tools: &Tools, progress: Progress) -> Result<Report, FlowError> {
    let folder = &plan.folder;
    let versions = tools.all().into_iter().map(|tool| {
        let version = tool.version()?;
        Ok((tool.name.to_string(), version))
    });
    let versions: Vec<_> = versions.collect::<Result<_, FlowError>>()?;
    let statistics = [yosys::BEFORE, yosys::CELLS].map(|name| folder.join(name));
    for stale in [plan.bitstream(), plan.placed()].iter().chain(&statistics) {
        remove(stale)?;
    }
    let mut steps = Vec::new();
    let mut step = |name: &str, time: Duration| {
        progress(&format!("{name} took {:.0} s", time.as_secs_f64()));
        let name = name.into();
        steps.push(StepTime { name, time });
    };
    progress("yosys reads the Verilog and maps it to cells");
    let part = plan.board.part();
    step(
        "yosys",
        yosys::synthesise(tools.yosys(), folder, &plan.top, part, plan.named)?,
    );
    let cells = yosys::counts(&read(&folder.join(yosys::CELLS))?)?;
    let hard = hard_cells(&cells);
    let netlist = read(&folder.join(yosys::NETLIST))?;
    let netlist: Value = serde_json::from_str(&netlist).map_err(|_| FlowError::Output {
        step: "yosys".into(),
        what: "the netlist is no JSON".into(),
    })?;
    let pins = bind(plan.board, &ports(&netlist, &plan.top)?)?;
    let clock = plan.board.clock();
    let constraints = match part {
        Part::Ecp5 { .. } => ("top.lpf", lpf(&pins, &clock)),
        Part::Xc7 { .. } => ("top.xdc", xdc(&pins, &clock)),
    };
    write(&folder.join(constraints.0), &constraints.1)?;
    progress(&format!("nextpnr places and routes, {} seeds", plan.seeds));
    let place = |seed| match tools {
        Tools::Ecp5 { nextpnr, .. } => ecp5::place(nextpnr, plan, seed, progress),
        Tools::Xc7 {
            nextpnr, chipdb, ..
        } => artix7::place(nextpnr, chipdb, plan, seed, progress),
    };
    let placed = search(plan.seeds, progress, &place);
    let placed = placed.map_err(|error| {
        let nextpnr = versions
            .iter()
            .find(|(name, _)| name == tools.nextpnr().name);
        let version = nextpnr.map_or("", |(_, version)| version);
        explained(error, &hard, version)
    })?;
    let best = &placed[0];
    step("nextpnr", best.time);
    if !best.timing.met() {
        return Err(FlowError::Timing {
            seeds: placed.len(),
            seed: best.seed,
            path: best.timing.explanation(),
        });
    }
    if plan.named {
        rename(&folder.join(placed_name(best.seed)), &plan.placed())?;
    }
    match tools {
        Tools::Ecp5 { ecppack, .. } => step("ecppack", ecp5::pack(ecppack, plan, best.seed)?),
        Tools::Xc7 {
            frames2bit,
            bitread,
            database,
            ..
        } => {
            for (name, time) in artix7::pack(frames2bit, bitread, database, plan, best.seed)? {
                step(name, time);
            }
        }
    }
    report(plan, best, &placed, steps, versions)
}

fn report(
    plan: &Plan,
    best: &Placed,
    placed: &[Placed],
    steps: Vec<StepTime>,
    tools: Vec<(String, String)>,
) -> Result<Report, FlowError> {
    let path = plan.bitstream();
    let bytes = fs::read(&path).map_err(|error| FlowError::File {
        doing: "read",
        path,
        error,
    })?;
    let used = best.timing.resources.iter().filter(|cells| cells.used > 0);
    let mut seeds: Vec<(u32, f64)> = placed
        .iter()
        .map(|placed| (placed.seed, placed.timing.margin()))
        .collect();
    seeds.sort_by_key(|(seed, _)| *seed);
    let digest = Sha256::digest(&bytes);
    Ok(Report {
        board: plan.board.to_string(),
        design: plan.design.clone(),
        clocks: best.timing.clocks.clone(),
        resources: used.cloned().collect(),
        steps,
        seed: best.seed,
        seeds,
        tools,
        bytes: bytes.len() as u64,
        sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

/// The netlist with the placement of a seed.
pub fn placed_name(seed: u32) -> String {
    format!("placed-{seed}.json")
}

/// Reads a file that a step wrote.
pub fn read(path: &Path) -> Result<String, FlowError> {
    fs::read_to_string(path).map_err(|error| FlowError::File {
        doing: "read",
        path: path.into(),
        error,
    })
}

/// Writes a file for a step.
pub fn write(path: &Path, text: &str) -> Result<(), FlowError> {
    fs::write(path, text).map_err(|error| FlowError::File {
        doing: "write",
        path: path.into(),
        error,
    })
}

fn rename(from: &Path, to: &Path) -> Result<(), FlowError> {
    fs::rename(from, to).map_err(|error| FlowError::File {
        doing: "write",
        path: to.into(),
        error,
    })
}

/// Removes what an earlier run left.
pub fn remove(path: &Path) -> Result<(), FlowError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(FlowError::File {
            doing: "remove",
            path: path.into(),
            error,
        }),
        _ => Ok(()),
    }
}
