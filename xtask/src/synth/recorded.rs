//! Areas that were measured before, so that a change shows.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::Design;
use super::cells::{BLOCK_RAM, Cells, DSP, FLIP_FLOP, LUTS};
use crate::run::root;

/// What may change by [`TOLERANCE_PERCENT`]: how logic is mapped depends on names and order. The
/// parts of the look-up tables change more than their sum and are not compared.
const ABOUT: [&str; 2] = [LUTS, FLIP_FLOP];

/// What may not change at all.
const EXACTLY: [&str; 2] = [DSP, BLOCK_RAM];

/// How far something may be from what was recorded.
const TOLERANCE_PERCENT: u64 = 3;

/// How the file is made anew.
const AGAIN: &str = "cargo xtask synth --modes --record";

/// Cells by the name of their design.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recorded(BTreeMap<String, Cells>);

impl Recorded {
    /// What stands in the file.
    pub fn read() -> Result<Self> {
        let path = path();
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text)
            .with_context(|| format!("{} is not what `{AGAIN}` writes", path.display()))
    }

    /// Writes the file.
    pub fn write(measured: &[(Design, Cells)]) -> Result<()> {
        let path = path();
        let entries = measured
            .iter()
            .map(|(design, cells)| (design.to_string(), *cells));
        let text = Self(entries.collect()).text();
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let file: Value = serde_json::from_str(text)?;
        let designs = file.get("designs").and_then(Value::as_object);
        let designs = designs.context("no designs")?;
        let entries = designs
            .iter()
            .map(|(name, cells)| (name.clone(), Cells::of(cells)));
        Ok(Self(entries.collect()))
    }

    fn text(&self) -> String {
        let designs: BTreeMap<_, _> = self
            .0
            .iter()
            .map(|(name, cells)| (name, cells.json()))
            .collect();
        let file = json!({
            "about": format!("ECP5 cells that `cargo xtask synth` compares with; `{AGAIN}` writes them anew"),
            "designs": designs,
        });
        format!("{file:#}\n")
    }

    /// Designs that were recorded must still be the same.
    pub fn check(&self, measured: &[(Design, Cells)]) -> Result<()> {
        let changes: Vec<String> = measured
            .iter()
            .filter_map(|(design, cells)| {
                let name = design.to_string();
                let changes = changes(self.0.get(&name)?, cells);
                (!changes.is_empty()).then(|| format!("{name}: {}", changes.join(", ")))
            })
            .collect();
        if !changes.is_empty() {
            bail!(
                "the area is not what was recorded; if that is meant, record it with `{AGAIN}` and \
                 tell it in docs/results.md:\n  {}",
                changes.join("\n  ")
            );
        }
        Ok(())
    }
}

fn path() -> PathBuf {
    root().join("xtask/area.json")
}

/// What is not as it was, and by how much.
fn changes(before: &Cells, now: &Cells) -> Vec<String> {
    let about = ABOUT.iter().map(|column| (column, TOLERANCE_PERCENT));
    let exactly = EXACTLY.iter().map(|column| (column, 0));
    about
        .chain(exactly)
        .filter_map(|(column, percent)| {
            let (before, now) = (before.count(column), now.count(column));
            (before.abs_diff(now) * 100 > before * percent)
                .then(|| format!("{now} {column} instead of {before}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::Block;

    fn cells(luts: u64, flip_flops: u64, dsp: u64, ram: u64) -> Cells {
        Cells::of(&json!({ "LUT4": luts, FLIP_FLOP: flip_flops, DSP: dsp, BLOCK_RAM: ram }))
    }

    #[test]
    fn a_change_shows() {
        let before = cells(1000, 2000, 64, 12);
        for same in [before, cells(970, 2000, 64, 12), cells(1030, 2060, 64, 12)] {
            assert_eq!(changes(&before, &same), [""; 0]);
        }
        for (other, named) in [
            (cells(1031, 2000, 64, 12), LUTS),
            (cells(969, 2000, 64, 12), LUTS),
            (cells(1000, 2061, 64, 12), FLIP_FLOP),
            (cells(1000, 2000, 65, 12), DSP),
            (cells(1000, 2000, 64, 11), BLOCK_RAM),
        ] {
            let changes = changes(&before, &other);
            assert_eq!(changes.len(), 1, "{changes:?}");
            assert!(changes[0].contains(named), "{changes:?}");
        }
        assert_eq!(changes(&cells(0, 0, 0, 0), &cells(1, 1, 1, 1)).len(), 4);
    }

    #[test]
    fn the_file_is_read_as_it_is_written() {
        let design = Design {
            block: Block::Card,
            size: "8x8".parse().unwrap(),
            datapaths: "narrow,groups".parse().unwrap(),
        };
        let recorded = Recorded([(design.to_string(), cells(5, 6, 7, 8))].into());
        assert_eq!(Recorded::parse(&recorded.text()).unwrap(), recorded);
        assert!(recorded.check(&[(design, cells(5, 6, 7, 8))]).is_ok());
        let error = recorded.check(&[(design, cells(5, 6, 8, 8))]).unwrap_err();
        assert!(error.to_string().contains("8 MULT18X18D instead of 7"));
        let other = Design {
            size: "4x4".parse().unwrap(),
            ..design
        };
        assert!(recorded.check(&[(other, cells(0, 0, 0, 0))]).is_ok());
        assert!(Recorded::parse("{}").is_err());
    }

    #[test]
    fn the_repository_has_a_record() {
        assert!(!Recorded::read().unwrap().0.is_empty());
    }
}
