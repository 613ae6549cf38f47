//! Place, route and pack for ECP5.

use std::time::Duration;

use super::place;
use super::plan::Plan;
use super::seeds::Placed;
use super::step::{Progress, must};
use super::{FlowError, Tool, yosys};
use crate::boards::Part;

/// More weight on slow paths than the placer gives them by itself: a card leaves most of the chip
/// empty, where short wires on the whole say little of the longest one.
const PLACER: [&str; 4] = [
    "--placer-heap-timingweight",
    "40",
    "--placer-heap-critexp",
    "4",
];

fn config(seed: u32) -> String {
    format!("routed-{seed}.config")
}

/// Places and routes with one seed.
pub fn place(
    nextpnr: &Tool,
    plan: &Plan,
    seed: u32,
    progress: Progress,
) -> Result<Placed, FlowError> {
    let mut command = nextpnr.command(&plan.folder);
    if let Part::Ecp5 {
        die,
        package,
        speed,
    } = plan.board.part()
    {
        command.arg(format!("--{die}"));
        command.args(["--package", package, "--speed", speed]);
    }
    command.args(["--json", yosys::NETLIST, "--lpf", "top.lpf"]);
    // router2 shares wires of wide nets, so that some arcs become long, and did not come to an end on
    // a card whose placement router1 routed.
    command.args(["--textcfg", &config(seed), "--router", "router1"]);
    if !plan.quick {
        command.args(PLACER);
    }
    place::place(&mut command, plan, seed, progress)
}

/// Makes the bitstream of a seed.
pub fn pack(ecppack: &Tool, plan: &Plan, seed: u32) -> Result<Duration, FlowError> {
    let mut command = ecppack.command(&plan.folder);
    let bitstream = format!("{}.bit", plan.top);
    command.args(["--compress", "--input", &config(seed), "--bit", &bitstream]);
    must("ecppack", &mut command, &plan.folder.join("ecppack.log"))
}
