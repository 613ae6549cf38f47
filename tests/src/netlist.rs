//! Netlists for ECP5 with models of all their cells, as Verilator takes them.
//!
//! ```text
//!   netlist of Yosys ----------------------------------------+
//!   cells that Yosys has models of: its wheel, at run time --+--> one text
//!   cells that it has none of: tests/netlist/ ---------------+
//! ```
//!
//! A cell of any other kind has no model, and Verilator refuses the netlist.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The multiplier, which is a black box to Yosys.
pub const MULTIPLIER: &str = include_str!("../netlist/mult18x18d.sv");

/// The block memory, of which Yosys knows only the pins.
pub const BLOCK_MEMORY: &str = include_str!("../netlist/dp16kd.sv");

/// The look-up table, in a form that Verilator takes more easily than that of Yosys.
pub const TABLE: &str = include_str!("../netlist/lut4.sv");

/// The cells whose models come from Yosys.
const FROM_YOSYS: [&str; 6] = [
    "LUT2",
    "CCU2C",
    "PFUMX",
    "L6MUX21",
    "TRELLIS_FF",
    "TRELLIS_DPR16X4",
];

/// The files in the folder of Yosys's models that have them.
const FILES: [&str; 2] = ["common_sim.vh", "ccu2c_sim.vh"];

/// Why there are no models.
#[derive(Debug, thiserror::Error)]
pub enum CellsError {
    /// A file is not there.
    #[error("cannot read {}, which comes with the wheel of Yosys (`cargo xtask netlist` installs it): {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The files have no such cell.
    #[error("Yosys's models in {} have no cell {cell}: is it another version?", folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// The cell.
        cell: &'static str,
    },
}

/// The models of all cells; `folder` is that of Yosys's own for ECP5, `share/ecp5`.
///
/// # Errors
/// When the folder is not what it should be.
pub fn cells(folder: &Path) -> Result<String, CellsError> {
    let mut known = String::new();
    for name in FILES {
        let path = folder.join(name);
        known += &fs::read_to_string(&path).map_err(|source| CellsError::Read { path, source })?;
    }
    let mut text = [TABLE, MULTIPLIER, BLOCK_MEMORY].concat();
    for cell in FROM_YOSYS {
        text += module(&known, cell).ok_or_else(|| CellsError::Missing {
            folder: folder.to_path_buf(),
            cell,
        })?;
        text.push('\n');
    }
    Ok(text)
}

/// The text of a module, from its first word to its last.
fn module<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    const END: &str = "endmodule";
    let starts = text.match_indices("module ").filter(|(at, word)| {
        let rest = text[at + word.len()..].trim_start();
        let begins = rest.strip_prefix(name).is_some_and(|after| {
            !after.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_')
        });
        begins && (*at == 0 || text[..*at].ends_with('\n'))
    });
    let (start, _) = starts.into_iter().next()?;
    let length = text[start..].find(END)?;
    Some(&text[start..start + length + END.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "// module A\nmodule AB(x);\nendmodule\nmodule A (y);\n z\nendmodule\n";

    #[test]
    fn modules_are_found_by_their_whole_name() {
        assert_eq!(module(TEXT, "A"), Some("module A (y);\n z\nendmodule"));
        assert_eq!(module(TEXT, "AB"), Some("module AB(x);\nendmodule"));
        assert_eq!(module(TEXT, "B"), None);
        assert_eq!(module("module A(x);", "A"), None);
    }

    #[test]
    fn a_wrong_folder_says_what_is_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = cells(folder.path()).unwrap_err().to_string();
        assert!(error.contains("common_sim.vh"), "{error}");
        for name in FILES {
            fs::write(folder.path().join(name), TEXT).expect("it can be written");
        }
        let error = cells(folder.path()).unwrap_err().to_string();
        assert!(error.contains("no cell LUT2"), "{error}");
    }
}
