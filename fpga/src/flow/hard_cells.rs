//! Cells that a design may have and that place and route is not known to manage.

use serde_json::Value;

use super::FlowError;

/// Those of a PCI Express link on the 7 series; `docs/fpga.md` says what is missing for each.
const LINK_CELLS: [&str; 4] = ["IBUFDS_GTE2", "GTPE2_COMMON", "GTPE2_CHANNEL", "PCIE_2_1"];

/// The cells of a design that place and route may stop at, from its counts of cells.
pub fn hard_cells(counts: &Value) -> Vec<&'static str> {
    let count = |cell: &str| counts.get(cell).and_then(Value::as_u64).unwrap_or(0);
    LINK_CELLS
        .into_iter()
        .filter(|cell| count(cell) > 0)
        .collect()
}

/// The error of place and route, which names these cells if there are any.
pub fn explained(error: FlowError, cells: &[&str], version: &str) -> FlowError {
    match error {
        FlowError::Step { step, line, log } if !cells.is_empty() => FlowError::HardCells {
            step: format!("{step} {version}"),
            cells: cells.join(", "),
            line,
            log,
        },
        other => other,
    }
}
