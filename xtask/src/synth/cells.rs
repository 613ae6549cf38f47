//! The cells of an ECP5 that a design takes.

use std::fmt;

use serde_json::{Map, Value};

/// The multiplier.
pub const DSP: &str = "MULT18X18D";

/// The block memory.
pub const BLOCK_RAM: &str = "DP16KD";

/// The flip-flop.
pub const FLIP_FLOP: &str = "TRELLIS_FF";

/// Places of look-up tables that are taken, however they are used.
pub const LUTS: &str = "LUTs";

/// The cells that take places of look-up tables, and how many each: logic, two bits of a carry
/// chain, and 16 words of 4 bits with the ports that write them.
const LUT_PLACES: [(&str, u64); 3] = [("LUT4", 1), ("CCU2C", 2), ("TRELLIS_DPR16X4", 6)];

/// What is counted. PFUMX and L6MUX21 make wider tables of several LUT4 and have places of their
/// own beside them.
pub const COLUMNS: [&str; 9] = [
    LUTS,
    "LUT4",
    "CCU2C",
    "TRELLIS_DPR16X4",
    "PFUMX",
    "L6MUX21",
    FLIP_FLOP,
    DSP,
    BLOCK_RAM,
];

/// How many cells of each column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cells([u64; COLUMNS.len()]);

impl Cells {
    /// Takes the counts out of an object; what is not there is 0.
    pub fn of(counts: &Value) -> Self {
        let count = |cell: &str| counts.get(cell).and_then(Value::as_u64).unwrap_or(0);
        let luts = LUT_PLACES.iter().map(|(cell, places)| count(cell) * places);
        let luts = luts.sum();
        Self(COLUMNS.map(|column| match column {
            LUTS => luts,
            cell => count(cell),
        }))
    }

    /// Cells of a column.
    pub fn count(&self, column: &str) -> u64 {
        let known = COLUMNS.iter().position(|known| *known == column);
        known.map_or(0, |at| self.0[at])
    }

    /// An object of the counts.
    pub fn json(&self) -> Value {
        let entries = COLUMNS.iter().zip(self.0);
        let entries = entries.map(|(column, count)| (column.to_string(), count.into()));
        Value::Object(entries.collect::<Map<_, _>>())
    }
}

impl fmt::Display for Cells {
    /// One column a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (column, count) in COLUMNS.iter().zip(self.0) {
            writeln!(f, "  {column:<16} {count:>8}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_of_look_up_tables_are_added() {
        let counts =
            json!({ "LUT4": 10, "CCU2C": 3, "TRELLIS_DPR16X4": 2, "PFUMX": 4, "DP16KD": 1 });
        let cells = Cells::of(&counts);
        assert_eq!(cells.count(LUTS), 28);
        assert_eq!(cells.count("PFUMX"), 4);
        assert_eq!(cells.count(BLOCK_RAM), 1);
        assert_eq!(cells.count(DSP), 0);
        assert_eq!(Cells::of(&cells.json()), cells);
    }
}
