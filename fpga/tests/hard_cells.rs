//! A design with cells that place and route does not manage ends with an error that says so.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use fpga::boards::{Board, TOP};
use fpga::flow::{FlowError, Plan, Tool, Tools, build, yosys};
use serde_json::{Value, json};

/// A program that is a line of a shell.
fn shell(name: &'static str, line: &str) -> Tool {
    Tool {
        name,
        program: "sh".into(),
        args: vec![OsString::from("-c"), line.into()],
        version: Some("1.2".into()),
    }
}

/// Builds with a synthesis that counts these cells and a place and route that gives up.
fn built(cells: &Value, folder: &Path) -> FlowError {
    let stat = json!({ "design": { "num_cells_by_type": cells } });
    let port = json!({ "direction": "input", "bits": [2] });
    let netlist = json!({ "modules": { TOP: { "ports": { "pcie_clk_p": port } } } });
    fs::write(folder.join("stat"), stat.to_string()).unwrap();
    fs::write(folder.join("netlist"), netlist.to_string()).unwrap();
    let synthesis = format!(
        "cp netlist {}; cp stat {}; cp stat {}",
        yosys::NETLIST,
        yosys::BEFORE,
        yosys::CELLS
    );
    let tools = Tools::Xc7 {
        yosys: shell("yosys", &synthesis),
        nextpnr: shell(
            "nextpnr",
            "echo Info: begins; echo ERROR: no place for it; exit 1",
        ),
        chipdb: "chipdb.bin".into(),
        frames2bit: shell("xc7frames2bit", "exit 1"),
        bitread: shell("bitread", "exit 1"),
        database: "database".into(),
    };
    let plan = Plan {
        board: Board::AcornCle215,
        design: "link".into(),
        top: TOP.into(),
        mhz: 62.5,
        seeds: 1,
        named: true,
        quick: false,
        folder: folder.into(),
    };
    build(&plan, &tools, &|_| {}).unwrap_err()
}

#[test]
fn the_error_names_step_and_cells() {
    let folder = tempfile::tempdir().unwrap();
    let cells = json!({ "LUT6": 12, "PCIE_2_1": 1, "GTPE2_CHANNEL": 1 });
    let error = built(&cells, folder.path());
    assert!(matches!(error, FlowError::HardCells { .. }), "{error}");
    let text = error.to_string();
    for part in [
        "nextpnr 1.2",
        "GTPE2_CHANNEL, PCIE_2_1",
        "ERROR: no place for it",
        "nextpnr-1.log",
        yosys::CELLS,
        "docs/fpga.md",
        "The PCIe top",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    // What synthesis has found stays.
    assert!(folder.path().join(yosys::CELLS).exists());
    let guide = include_str!("../../docs/fpga.md");
    assert!(guide.lines().any(|line| line == "## The PCIe top"));
}

#[test]
fn other_designs_fail_as_ever() {
    let folder = tempfile::tempdir().unwrap();
    let error = built(&json!({ "LUT6": 12 }), folder.path());
    assert!(matches!(error, FlowError::Step { .. }), "{error}");
}
