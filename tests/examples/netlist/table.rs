//! What was compared, and how it came out.

use std::fmt;

use isa::config::Config;
use serde_json::{Value, json};

use crate::cards::Trace;

/// One piece of work.
struct Row {
    what: String,
    /// Cycles on the RTL and on the netlist.
    cycles: [u64; 2],
    /// Whether all results are the same.
    bits: bool,
    /// Whether all cycles and counters are.
    times: bool,
}

/// All pieces of work.
#[derive(Default)]
pub struct Table(Vec<Row>);

impl Table {
    /// Adds what both cards left behind.
    pub fn add<T: PartialEq>(&mut self, what: String, [rtl, netlist]: &[Trace<T>; 2]) {
        self.0.push(Row {
            what,
            cycles: [rtl.clock, netlist.clock],
            bits: rtl.results == netlist.results,
            times: rtl.clock == netlist.clock && rtl.counters == netlist.counters,
        });
    }

    /// Whether nothing is different.
    pub fn is_equal(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|row| row.bits && row.times)
    }

    /// The table for a program.
    pub fn json(&self, config: &Config) -> Value {
        let rows = self.0.iter().map(|row| {
            json!({
                "what": row.what,
                "cycles_rtl": row.cycles[0],
                "cycles_netlist": row.cycles[1],
                "bits_equal": row.bits,
                "cycles_equal": row.times,
            })
        });
        json!({
            "array": format!("{}x{}", config.rows, config.cols),
            "datapaths": config.datapaths.to_string(),
            "rows": rows.collect::<Vec<_>>(),
            "equal": self.is_equal(),
        })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.0.iter().map(|row| row.what.len()).max().unwrap_or(0);
        writeln!(
            f,
            "{:<widest$}  cycles RTL  cycles netlist  bits   cycles",
            "what"
        )?;
        let verdict = |same| if same { "equal" } else { "DIFFER" };
        for row in &self.0 {
            let [rtl, netlist] = row.cycles;
            let (bits, times) = (verdict(row.bits), verdict(row.times));
            let what = &row.what;
            writeln!(
                f,
                "{what:<widest$}  {rtl:>10}  {netlist:>14}  {bits:<6} {times}"
            )?;
        }
        Ok(())
    }
}
