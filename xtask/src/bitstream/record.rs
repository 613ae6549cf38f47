//! Cells and clocks of designs as they were, so that a change shows.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use fpga::flow::Report;
use serde_json::{Value, json};

use crate::run::root;

/// What is compared, and what the tools call it on all parts.
const COMPARED: [(&str, &[&str]); 3] = [
    ("LUT", &["TRELLIS_COMB", "SLICE_LUTX"]),
    ("DSP", &["MULT18X18D", "DSP48E1_DSP48E1"]),
    (
        "BRAM",
        &["DP16KD", "RAMB18E1_RAMB18E1", "RAMB36E1_RAMB36E1"],
    ),
];

/// The slowest clock beside what it must have.
const FMAX: &str = "Fmax_mhz";

/// How much more cells and how much less clock a change may bring, in percent.
const MORE_CELLS: f64 = 5.0;
const LESS_CLOCK: f64 = 10.0;

/// Figures of designs by their names.
#[derive(Debug, Default, PartialEq)]
pub struct Record(BTreeMap<String, BTreeMap<String, f64>>);

fn path() -> PathBuf {
    root().join("fpga/record.json")
}

fn name(report: &Report) -> String {
    format!("{} {}", report.board, report.design)
}

fn figures(report: &Report) -> BTreeMap<String, f64> {
    let cells = COMPARED.iter().map(|(name, kinds)| {
        let of = report.resources.iter();
        let used = of.filter(|cells| kinds.contains(&cells.name.as_str()));
        (name.to_string(), used.map(|cells| cells.used as f64).sum())
    });
    let clocks = report.clocks.iter();
    let slowest = clocks.min_by(|a, b| a.share().total_cmp(&b.share()));
    let fmax = slowest.map(|clock| {
        (
            FMAX.to_string(),
            (clock.achieved_mhz * 100.0).round() / 100.0,
        )
    });
    cells.chain(fmax).collect()
}

impl Record {
    /// What stands in the file.
    pub fn read() -> Result<Self> {
        let path = path();
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let file: Value = serde_json::from_str(text)?;
        let designs = file.get("designs").and_then(Value::as_object);
        let designs = designs
            .context("no designs")?
            .iter()
            .map(|(name, figures)| {
                let figures = figures.as_object().context("a design has no figures")?;
                let figures = figures.iter().map(|(figure, value)| {
                    let value = value.as_f64().context("a figure is no number")?;
                    Ok((figure.clone(), value))
                });
                Ok((name.clone(), figures.collect::<Result<_>>()?))
            });
        Ok(Self(designs.collect::<Result<_>>()?))
    }

    fn text(&self) -> String {
        let file = json!({
            "about": "What `cargo xtask bitstream --check` compares with; `--record` writes it",
            "designs": self.0,
        });
        format!("{file:#}\n")
    }

    /// The same with the figures of one more design.
    pub fn with(mut self, report: &Report) -> Self {
        self.0.insert(name(report), figures(report));
        self
    }

    /// Writes the file.
    pub fn write(&self) -> Result<()> {
        let path = path();
        fs::write(&path, self.text()).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The design must not have grown or slowed by more than it may.
    pub fn check(&self, report: &Report) -> Result<()> {
        let name = name(report);
        let before = self.0.get(&name).with_context(|| {
            format!(
                "{} has no `{name}`: record it with --record",
                path().display()
            )
        })?;
        let changes = changes(before, &figures(report));
        if !changes.is_empty() {
            bail!(
                "{name} is not what was recorded; if that is meant, record it with --record and \
                 tell it in docs/results.md:\n  {}",
                changes.join("\n  ")
            );
        }
        Ok(())
    }
}

/// What has grown or slowed too much.
fn changes(before: &BTreeMap<String, f64>, now: &BTreeMap<String, f64>) -> Vec<String> {
    let value = |figures: &BTreeMap<String, f64>, name: &str| figures.get(name).copied();
    let cells = COMPARED.iter().filter_map(|(name, _)| {
        let before = value(before, name).unwrap_or(0.0);
        let now = value(now, name).unwrap_or(0.0);
        (now > before * (1.0 + MORE_CELLS / 100.0))
            .then(|| format!("{now} {name} instead of {before}"))
    });
    let fmax = |figures| value(figures, FMAX).unwrap_or(0.0);
    let slower = fmax(now) < fmax(before) * (1.0 - LESS_CLOCK / 100.0);
    let slower = slower.then(|| format!("{} MHz instead of {}", fmax(now), fmax(before)));
    cells.chain(slower).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lut: f64, dsp: f64, bram: f64, fmax: f64) -> BTreeMap<String, f64> {
        let figures = [("LUT", lut), ("DSP", dsp), ("BRAM", bram), (FMAX, fmax)];
        figures
            .map(|(name, value)| (name.to_string(), value))
            .into()
    }

    #[test]
    fn growth_and_slowness_show() {
        let before = of(1000.0, 20.0, 40.0, 80.0);
        for same in [of(1050.0, 21.0, 42.0, 72.0), of(1.0, 1.0, 1.0, 200.0)] {
            assert_eq!(changes(&before, &same), [""; 0]);
        }
        for (other, named) in [
            (of(1051.0, 20.0, 40.0, 80.0), "1051 LUT"),
            (of(1000.0, 22.0, 40.0, 80.0), "22 DSP"),
            (of(1000.0, 20.0, 43.0, 80.0), "43 BRAM"),
            (of(1000.0, 20.0, 40.0, 71.9), "71.9 MHz"),
        ] {
            let changes = changes(&before, &other);
            assert_eq!(changes.len(), 1, "{changes:?}");
            assert!(changes[0].starts_with(named), "{changes:?}");
        }
        assert_eq!(changes(&of(0.0, 0.0, 0.0, 0.0), &before).len(), 3);
    }

    #[test]
    fn the_file_is_read_as_it_is_written() {
        let record = Record([("board 4x4".to_string(), of(1.0, 2.0, 3.0, 4.5))].into());
        assert_eq!(Record::parse(&record.text()).unwrap(), record);
        for odd in [
            "",
            "{}",
            "{\"designs\":{\"a\":1}}",
            "{\"designs\":{\"a\":{\"LUT\":\"x\"}}}",
        ] {
            assert!(Record::parse(odd).is_err(), "{odd}");
        }
        Record::read().unwrap();
    }
}
