//! What was proved.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::proof::Verdict;

/// A module.
pub struct Row {
    pub module: String,
    /// How often it is in the design.
    pub instances: u64,
    /// Cells of ECP5 in it, without those of modules in it.
    pub cells: u64,
    pub verdict: Verdict,
    pub time: Duration,
}

/// All modules.
pub struct Table(pub Vec<Row>);

impl Table {
    pub fn proved(&self) -> impl Iterator<Item = &Row> {
        self.0.iter().filter(|row| row.verdict.is_proved())
    }

    /// Modules and cells of the design: proved, and all.
    fn shares(&self) -> [(u64, u64); 2] {
        let cells = |row: &Row| row.cells * row.instances;
        [
            (self.proved().count() as u64, self.0.len() as u64),
            (
                self.proved().map(cells).sum(),
                self.0.iter().map(cells).sum(),
            ),
        ]
    }

    /// The table for a program.
    pub fn json(&self, design: &str) -> Value {
        let rows = self.0.iter().map(|row| {
            json!({
                "module": row.module,
                "instances": row.instances,
                "cells": row.cells,
                "proved": row.verdict.is_proved(),
                "how": how(&row.verdict),
                "seconds": row.time.as_secs_f64(),
            })
        });
        let [modules, cells] = self.shares();
        json!({
            "design": design,
            "modules": rows.collect::<Vec<_>>(),
            "modules_proved": modules.0,
            "cells": cells.1,
            "cells_proved": cells.0,
        })
    }
}

fn how(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Simple => "one step",
        Verdict::Induction => "induction",
        Verdict::Not(reason) => reason,
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<20} instances    cells  proved  seconds  how, or why not",
            "module"
        )?;
        for row in &self.0 {
            writeln!(
                f,
                "{:<20} {:>9} {:>8}  {:<6} {:>8.1}  {}",
                row.module,
                row.instances,
                row.cells,
                if row.verdict.is_proved() { "yes" } else { "no" },
                row.time.as_secs_f64(),
                how(&row.verdict)
            )?;
        }
        for ((proved, all), what) in self.shares().into_iter().zip(["modules", "cells"]) {
            let percent = proved as f64 * 100.0 / all.max(1) as f64;
            writeln!(f, "{what}: {proved} of {all} proved, {percent:.1} %")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_count_instances() {
        let row = |module: &str, instances, cells, verdict| Row {
            module: module.into(),
            instances,
            cells,
            verdict,
            time: Duration::ZERO,
        };
        let table = Table(vec![
            row("a", 3, 10, Verdict::Simple),
            row("b", 1, 20, Verdict::Not("has a memory".into())),
        ]);
        let text = table.to_string();
        assert!(text.contains("modules: 1 of 2 proved, 50.0 %"), "{text}");
        assert!(text.contains("cells: 30 of 50 proved, 60.0 %"), "{text}");
        assert_eq!(table.json("card")["cells_proved"], 30);
    }
}
