//! Place, route and pack for the 7 series: FASM, frames, bitstream, and the bitstream read back.

use std::path::Path;
use std::time::{Duration, Instant};

use super::place;
use super::plan::{Plan, read, write};
use super::seeds::Placed;
use super::step::{Progress, must};
use super::{FlowError, Tool, yosys};
use crate::boards::Part;
use crate::frames::{Database, Frames};

fn fasm(seed: u32) -> String {
    format!("routed-{seed}.fasm")
}

/// Die, package and speed grade.
fn device(plan: &Plan) -> (&'static str, &'static str) {
    match plan.board.part() {
        Part::Xc7 { die, device } => (die, device),
        Part::Ecp5 { package, .. } => ("", package),
    }
}

/// Places and routes with one seed.
pub fn place(
    nextpnr: &Tool,
    chipdb: &Path,
    plan: &Plan,
    seed: u32,
    progress: Progress,
) -> Result<Placed, FlowError> {
    let mut command = nextpnr.command(&plan.folder);
    command.args(["--device", device(plan).1, "--chipdb"]);
    command.arg(chipdb);
    command.args(["--json", yosys::NETLIST, "-o", "xdc=top.xdc"]);
    command.args(["-o", &format!("fasm={}", fasm(seed))]);
    place::place(&mut command, plan, seed, progress)
}

/// Makes the bitstream of a seed and reads it back; how long each step took.
pub fn pack(
    frames2bit: &Tool,
    bitread: &Tool,
    database: &Path,
    plan: &Plan,
    seed: u32,
) -> Result<Vec<(&'static str, Duration)>, FlowError> {
    let folder = &plan.folder;
    let (die, device) = device(plan);
    let start = Instant::now();
    let database = Database::open(database, die, device)?;
    let frames = Frames::assemble(&read(&folder.join(fasm(seed)))?, &database)?;
    write(&folder.join("top.frm"), &frames.text())?;
    let assembly = start.elapsed();
    let bitstream = format!("{}.bit", plan.top);
    let mut command = frames2bit.command(folder);
    command
        .arg("--part_file")
        .arg(database.part_file())
        .args(["--part_name", device])
        .args(["--frm_file", "top.frm", "--output_file", &bitstream]);
    let packing = must(
        "xc7frames2bit",
        &mut command,
        &folder.join("frames2bit.log"),
    )?;
    let mut command = bitread.command(folder);
    command.arg("--part_file").arg(database.part_file()).args([
        "-z",
        "-y",
        "-o",
        "read.frames",
        &bitstream,
    ]);
    let reading = must("bitread", &mut command, &folder.join("bitread.log"))?;
    let found = Frames::read(&read(&folder.join("read.frames"))?)?;
    if let Some(difference) = frames.difference(&found) {
        return Err(FlowError::RoundTrip(difference));
    }
    Ok(vec![
        ("frames", assembly),
        ("xc7frames2bit", packing),
        ("bitread", reading),
    ])
}
