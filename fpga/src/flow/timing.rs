//! What nextpnr reports of clocks, paths and cells.

use std::fmt::Write as _;

use serde_json::Value;

use super::FlowError;
use super::report::{ClockReport, Resource};

/// A part of a path: the delay of a cell or of a net.
#[derive(Clone, Debug, PartialEq)]
pub struct Hop {
    /// In ns.
    pub ns: f64,
    /// `clk-to-q`, `logic`, `routing`, `setup` and the like.
    pub kind: String,
    /// The cell, or the net that leads to the next.
    pub name: String,
    /// Where on the die.
    pub at: Option<(i64, i64)>,
}

/// A report of nextpnr.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// Every clock, by name.
    pub clocks: Vec<ClockReport>,
    /// Kinds of cells, by name.
    pub resources: Vec<Resource>,
    /// The slowest path of each clock to itself: the clock and the hops.
    pub paths: Vec<(String, Vec<Hop>)>,
}

/// Hops of a path that are printed beside its ends; shorter ones than these are left out.
const PRINTED_HOPS: usize = 12;

/// The name of a clock without what nextpnr puts around it.
fn plain(clock: &str) -> String {
    let clock = clock.trim_start_matches("$glbnet$");
    clock.trim_end_matches("$TRELLIS_IO_IN").into()
}

impl Timing {
    /// Reads the JSON that `--report` writes.
    ///
    /// # Errors
    /// It is something else.
    pub fn read(text: &str) -> Result<Self, FlowError> {
        let odd = |what: &str| FlowError::Output {
            step: "nextpnr".into(),
            what: format!("the report {what}"),
        };
        let report: Value = serde_json::from_str(text).map_err(|_| odd("is no JSON"))?;
        let object = |name: &str| report.get(name).and_then(Value::as_object);
        let clocks = object("fmax").ok_or_else(|| odd("has no `fmax`"))?;
        let clocks = clocks.iter().map(|(name, clock)| {
            let mhz = |key: &str| clock.get(key).and_then(Value::as_f64);
            Some(ClockReport {
                name: plain(name),
                achieved_mhz: mhz("achieved")?,
                target_mhz: mhz("constraint")?,
            })
        });
        let clocks: Option<Vec<_>> = clocks.collect();
        let resources = object("utilization").ok_or_else(|| odd("has no `utilization`"))?;
        let resources = resources.iter().map(|(name, cells)| {
            Some(Resource {
                name: name.clone(),
                used: cells.get("used")?.as_u64()?,
                available: cells.get("available")?.as_u64()?,
            })
        });
        let resources: Option<Vec<_>> = resources.collect();
        let paths = report.get("critical_paths").and_then(Value::as_array);
        let paths = paths.ok_or_else(|| odd("has no `critical_paths`"))?;
        let paths = paths.iter().filter_map(|path| {
            let end = |key: &str| path.get(key)?.as_str()?.split(' ').nth(1);
            let clock = end("from").filter(|from| end("to") == Some(*from))?;
            let hops = path.get("path")?.as_array()?.iter().filter_map(hop);
            Some((plain(clock), hops.collect()))
        });
        Ok(Self {
            clocks: clocks.ok_or_else(|| odd("has a clock without its frequencies"))?,
            resources: resources.ok_or_else(|| odd("has cells without numbers"))?,
            paths: paths.collect(),
        })
    }

    /// Every clock has what it needs.
    pub fn met(&self) -> bool {
        self.clocks.iter().all(ClockReport::met)
    }

    /// The least share of its target that a clock has; seeds are compared by it.
    pub fn margin(&self) -> f64 {
        let shares = self.clocks.iter().map(ClockReport::share);
        shares.fold(f64::INFINITY, f64::min)
    }

    /// The clocks, and the path that limits the one with the least margin.
    pub fn explanation(&self) -> String {
        let mut text = String::new();
        for clock in &self.clocks {
            let _ = writeln!(text, "  {clock}");
        }
        let worst = self
            .clocks
            .iter()
            .min_by(|a, b| a.share().total_cmp(&b.share()));
        let path = worst.and_then(|worst| self.paths.iter().find(|(name, _)| *name == worst.name));
        if let Some((name, hops)) = path {
            let total: f64 = hops.iter().map(|hop| hop.ns).sum();
            let _ = writeln!(text, "  the slowest path of {name}, {total:.2} ns:");
            let mut longest: Vec<f64> = hops.iter().map(|hop| hop.ns).collect();
            longest.sort_by(|a, b| b.total_cmp(a));
            let least = longest.get(PRINTED_HOPS - 1).copied().unwrap_or(0.0);
            let ends = [0, hops.len().saturating_sub(1)];
            let told = |at: usize, ns: f64| ends.contains(&at) || (ns > 0.0 && ns >= least);
            let hops = hops.iter().enumerate();
            for (_, hop) in hops.filter(|(at, hop)| told(*at, hop.ns)) {
                let _ = write!(text, "    {:>6.2} ns {:<9} {}", hop.ns, hop.kind, hop.name);
                if let Some((x, y)) = hop.at {
                    let _ = write!(text, " at {x},{y}");
                }
                text.push('\n');
            }
        }
        text.truncate(text.trim_end().len());
        text
    }
}

fn hop(hop: &Value) -> Option<Hop> {
    let at = |loc: &Value| Some((loc.get(0)?.as_i64()?, loc.get(1)?.as_i64()?));
    let to = hop.get("to")?;
    let cell = || {
        Some(format!(
            "{}.{}",
            to.get("cell")?.as_str()?,
            to.get("port")?.as_str()?
        ))
    };
    let net = || hop.get("net")?.as_str().map(str::to_string);
    Some(Hop {
        ns: hop.get("delay")?.as_f64()?,
        kind: hop.get("type")?.as_str()?.into(),
        name: net().or_else(cell)?,
        at: to.get("loc").and_then(at),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(achieved: f64) -> String {
        let end = |cell: &str| json!({ "cell": cell, "loc": [3, 35], "port": "Q" });
        json!({
            "fmax": {
                "$glbnet$clk_25mhz$TRELLIS_IO_IN": { "achieved": 300.0, "constraint": 25.0 },
                "clock": { "achieved": achieved, "constraint": 80.0 } },
            "utilization": { "TRELLIS_FF": { "available": 83640, "used": 32 } },
            "critical_paths": [
                { "from": "posedge clock", "to": "posedge clock", "path": [
                    { "delay": 0.5, "type": "clk-to-q", "from": end("a"), "to": end("a") },
                    { "delay": 9.5, "type": "routing", "net": "long", "from": end("a"),
                      "to": end("b") },
                    { "delay": 0.0, "type": "setup", "from": end("b"), "to": end("b") } ] },
                { "from": "<async>", "to": "posedge clock", "path": [] } ] })
        .to_string()
    }

    #[test]
    fn reports_are_read() {
        let timing = Timing::read(&report(100.0)).unwrap();
        assert_eq!(timing.clocks[0].name, "clk_25mhz");
        assert_eq!(timing.resources[0].used, 32);
        assert_eq!(timing.paths.len(), 1);
        assert!(timing.met());
        assert_eq!(timing.margin(), 1.25);
    }

    #[test]
    fn a_slow_path_is_explained() {
        let timing = Timing::read(&report(79.99)).unwrap();
        assert!(!timing.met());
        let text = timing.explanation();
        assert!(text.contains("clock"), "{text}");
        assert!(text.contains("slowest path of clock, 10.00 ns"), "{text}");
        assert!(text.contains("9.50 ns routing   long at 3,35"), "{text}");
        assert!(text.contains("0.50 ns clk-to-q  a.Q"), "{text}");
        assert!(text.ends_with("0.00 ns setup     b.Q at 3,35"), "{text}");
    }

    #[test]
    fn other_files_are_refused() {
        for text in [
            "",
            "{}",
            "{\"fmax\":{\"c\":{}},\"utilization\":{},\"critical_paths\":[]}",
        ] {
            assert!(Timing::read(text).is_err(), "{text}");
        }
    }
}
