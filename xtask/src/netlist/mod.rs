//! The netlist of a card, and the same work on it and on the RTL.

mod made;

use anyhow::{Context, Result};

use crate::array::ArraySize;
use crate::run::{announced, cargo};
use crate::setup;
use crate::synth::yosys;

pub use made::Netlist;

/// Synthesises a card, unless that was done, runs the comparison and prints its table; an error when
/// anything is different.
pub fn run(netlist: &Netlist, json: bool) -> Result<()> {
    setup::install(&setup::BASE)?;
    setup::install(&setup::SYNTH)?;
    let file = netlist.make()?;
    let ArraySize { rows, columns } = netlist.design.size;
    let mut command = cargo(&[
        "run",
        "--quiet",
        "--release",
        "--package=systole-tests",
        "--example=netlist",
        "--",
    ]);
    command.arg("--netlist").arg(file);
    command.arg("--cells").arg(yosys::models()?);
    command.args(["--rows", &rows.to_string()]);
    command.args(["--columns", &columns.to_string()]);
    command.args(["--datapaths", &netlist.design.datapaths.to_string()]);
    if json {
        command.arg("--json");
    }
    announced(&mut command).with_context(|| format!("{} as a netlist", netlist.design))
}
