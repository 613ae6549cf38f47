//! Synthesis.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::step::must;
use super::{FlowError, Tool};
use crate::boards::Part;

/// The statistics before mapping to cells of the part.
pub const BEFORE: &str = "before.json";

/// The statistics of the netlist: cells of the part, by their types.
pub const CELLS: &str = "cells.json";

/// The netlist.
pub const NETLIST: &str = "netlist.json";

/// The define with which the Verilog of a card names cells of ECP5.
pub const ECP5_DEFINE: &str = "SYSTOLE_ECP5";

/// Latches, before they become loops of look-up tables.
const LATCHES: [&str; 3] = ["$dlatch", "$adlatch", "$dlatchsr"];

/// Reads the Verilog of `top` with a define and writes statistics to [`BEFORE`]: the commands in
/// front of those that map to cells, which know the cells of the part and refuse modules that are
/// missing.
pub fn elaborate(top: &str, define: Option<&str>) -> String {
    let define = define.map_or(String::new(), |name| format!(" -D {name}"));
    format!(
        "read_verilog -sv{define} {top}.v; hierarchy -top {top}; proc; \
         tee -q -o {BEFORE} stat -json; "
    )
}

/// The cells of the whole design by their types, from the JSON of Yosys's `stat`.
///
/// # Errors
/// It is not what `stat -json` writes.
pub fn counts(stat: &str) -> Result<Value, FlowError> {
    let odd = |what: &str| FlowError::Output {
        step: "yosys".into(),
        what: what.into(),
    };
    let stat: Value =
        serde_json::from_str(stat).map_err(|_| odd("the statistics of Yosys are no JSON"))?;
    let counts = stat.pointer("/design/num_cells_by_type").cloned();
    counts.ok_or_else(|| odd("the statistics of Yosys have no design with `num_cells_by_type`"))
}

/// No latch anywhere in the design.
///
/// # Errors
/// There are some.
pub fn check_latches(counts: &Value) -> Result<(), FlowError> {
    let count = |cell: &&str| counts.get(cell).and_then(Value::as_u64).unwrap_or(0);
    match LATCHES.iter().map(count).sum() {
        0 => Ok(()),
        latches => Err(FlowError::Latches(latches)),
    }
}

/// Synthesises `top` in `folder`, where its Verilog is, for a part. With `named`, cells get names
/// after the modules that they are in, which takes as long as all the rest.
pub(super) fn synthesise(
    yosys: &Tool,
    folder: &Path,
    top: &str,
    part: Part,
    named: bool,
) -> Result<Duration, FlowError> {
    let (define, map) = match part {
        Part::Ecp5 { .. } => (ECP5_DEFINE, "synth_ecp5"),
        Part::Xc7 { .. } => ("SYSTOLE_XC7", "synth_xilinx -family xc7 -flatten -abc9"),
    };
    let names = if named { "autoname; " } else { "" };
    let script = format!(
        "{}{map} -top {top} -run begin:check; {names}hierarchy -check; check -noinit; \
         blackbox =A:whitebox; write_json {NETLIST}; tee -q -o {CELLS} stat -json",
        elaborate(top, Some(define))
    );
    let log = folder.join("yosys.log");
    let mut command = yosys.command(folder);
    let synthesis = must("yosys", command.args(["-p", &script]), &log);
    // Latches go first: Yosys fails on them too, but does not say what to do.
    let before = folder.join(BEFORE);
    if let Ok(stat) = std::fs::read_to_string(before) {
        check_latches(&counts(&stat)?)?;
    }
    synthesis
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
        let counts = counts(STAT).unwrap();
        assert_eq!(counts["LUT4"], 6);
        assert_eq!(counts["MULT18X18D"], 64);
        assert!(super::counts("{}").is_err());
        assert!(super::counts("no").is_err());
    }

    #[test]
    fn latches_are_refused() {
        assert!(check_latches(&counts(STAT).unwrap()).is_ok());
        let latched = STAT.replace("LUT4", "$dlatch");
        let error = check_latches(&counts(&latched).unwrap()).unwrap_err();
        assert!(error.to_string().starts_with("6 latches"), "{error}");
    }
}
