//! What a bitstream is, for machines and for people.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

/// A clock as it came out.
#[derive(Clone, Debug, PartialEq)]
pub struct ClockReport {
    /// Its net.
    pub name: String,
    /// What the slowest path allows.
    pub achieved_mhz: f64,
    /// What it must have.
    pub target_mhz: f64,
}

impl ClockReport {
    /// Whether it has what it needs.
    pub fn met(&self) -> bool {
        self.achieved_mhz >= self.target_mhz
    }

    /// What it has of what it needs.
    pub fn share(&self) -> f64 {
        self.achieved_mhz / self.target_mhz
    }
}

impl fmt::Display for ClockReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.met() { "met" } else { "NOT MET" };
        write!(
            f,
            "{}: {:.2} MHz of {:.2} MHz, {verdict}",
            self.name, self.achieved_mhz, self.target_mhz
        )
    }
}

/// Cells of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// What the tools call it.
    pub name: String,
    /// Used.
    pub used: u64,
    /// On the part.
    pub available: u64,
}

/// How long a step took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepTime {
    /// The step.
    pub name: String,
    /// Wall time.
    pub time: Duration,
}

/// All of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The board.
    pub board: String,
    /// What was built for it.
    pub design: String,
    /// Clocks.
    pub clocks: Vec<ClockReport>,
    /// Cells, those of which there are none left out.
    pub resources: Vec<Resource>,
    /// Steps, in their order.
    pub steps: Vec<StepTime>,
    /// The seed that was kept.
    pub seed: u32,
    /// Each seed with its least share of a target clock.
    pub seeds: Vec<(u32, f64)>,
    /// Programs with their versions.
    pub tools: Vec<(String, String)>,
    /// Bytes of the bitstream.
    pub bytes: u64,
    /// SHA-256 of the bitstream.
    pub sha256: String,
}

impl Report {
    /// As JSON.
    pub fn json(&self) -> Value {
        let round = |value: f64| (value * 100.0).round() / 100.0;
        let clocks = self.clocks.iter().map(|clock| {
            json!({ "name": clock.name, "achieved_mhz": round(clock.achieved_mhz),
                    "target_mhz": round(clock.target_mhz), "met": clock.met() })
        });
        let resources = self.resources.iter().map(|cells| {
            let value = json!({ "used": cells.used, "available": cells.available });
            (cells.name.clone(), value)
        });
        let steps = self
            .steps
            .iter()
            .map(|step| json!({ "name": step.name, "seconds": round(step.time.as_secs_f64()) }));
        let seeds = self
            .seeds
            .iter()
            .map(|(seed, share)| json!({ "seed": seed, "share": round(*share) }));
        let tools = self
            .tools
            .iter()
            .map(|(name, version)| (name.clone(), version.clone().into()));
        json!({
            "board": self.board,
            "design": self.design,
            "clocks": clocks.collect::<Vec<_>>(),
            "resources": resources.collect::<serde_json::Map<_, _>>(),
            "steps": steps.collect::<Vec<_>>(),
            "seed": self.seed,
            "seeds": seeds.collect::<Vec<_>>(),
            "tools": tools.collect::<serde_json::Map<_, Value>>(),
            "bitstream": { "bytes": self.bytes, "sha256": self.sha256 },
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} for {}", self.design, self.board)?;
        for clock in &self.clocks {
            writeln!(f, "  {clock}")?;
        }
        for cells in &self.resources {
            let percent = cells.used as f64 * 100.0 / cells.available.max(1) as f64;
            writeln!(
                f,
                "  {:<20} {:>7} of {:>7}  {percent:>5.1} %",
                cells.name, cells.used, cells.available
            )?;
        }
        for step in &self.steps {
            writeln!(f, "  {:<20} {:>9.1} s", step.name, step.time.as_secs_f64())?;
        }
        let tools = self
            .tools
            .iter()
            .map(|(name, version)| format!("{name} {version}"));
        writeln!(f, "  seed {} of {}", self.seed, self.seeds.len())?;
        writeln!(f, "  {}", tools.collect::<Vec<_>>().join(", "))?;
        writeln!(f, "  {} bytes, SHA-256 {}", self.bytes, self.sha256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_everything_in_both_forms() {
        let report = Report {
            board: "ulx3s-85f".into(),
            design: "card 4x4".into(),
            clocks: vec![ClockReport {
                name: "clock".into(),
                achieved_mhz: 91.234,
                target_mhz: 80.0,
            }],
            resources: vec![Resource {
                name: "TRELLIS_FF".into(),
                used: 50,
                available: 100,
            }],
            steps: vec![StepTime {
                name: "yosys".into(),
                time: Duration::from_millis(1500),
            }],
            seed: 2,
            seeds: vec![(1, 0.9), (2, 1.14)],
            tools: vec![("yosys".into(), "0.70".into())],
            bytes: 7,
            sha256: "ab".into(),
        };
        let json = report.json();
        assert_eq!(json["clocks"][0]["achieved_mhz"], 91.23);
        assert_eq!(json["clocks"][0]["met"], true);
        assert_eq!(json["resources"]["TRELLIS_FF"]["used"], 50);
        assert_eq!(json["steps"][0]["seconds"], 1.5);
        assert_eq!(json["seeds"][1]["share"], 1.14);
        assert_eq!(json["tools"]["yosys"], "0.70");
        assert_eq!(json["bitstream"]["sha256"], "ab");
        let text = report.to_string();
        for part in [
            "91.23 MHz of 80.00 MHz, met",
            "50.0 %",
            "1.5 s",
            "seed 2 of 2",
            "SHA-256 ab",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
