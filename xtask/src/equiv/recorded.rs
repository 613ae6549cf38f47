//! Modules that were proved before, so that a proof which is lost shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::run::root;

/// How the file is made anew.
const AGAIN: &str = "cargo xtask equiv --record";

/// Names of modules by the name of their design.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recorded(BTreeMap<String, BTreeSet<String>>);

fn path() -> PathBuf {
    root().join("xtask/equiv.json")
}

impl Recorded {
    /// What stands in the file.
    pub fn read() -> Result<Self> {
        let path = path();
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text)
            .with_context(|| format!("{} is not what `{AGAIN}` writes", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let file: Value = serde_json::from_str(text)?;
        let designs = file.get("designs").and_then(Value::as_object);
        let designs = designs.context("no designs")?;
        let entries = designs.iter().map(|(design, modules)| {
            let modules = modules.as_array().context("modules are no list")?;
            let names = modules.iter().filter_map(Value::as_str).map(String::from);
            Ok((design.clone(), names.collect()))
        });
        Ok(Self(entries.collect::<Result<_>>()?))
    }

    fn text(&self) -> String {
        let file = json!({
            "about": format!("modules whose netlist `cargo xtask equiv` must prove; `{AGAIN}` writes them anew"),
            "designs": self.0,
        });
        format!("{file:#}\n")
    }

    /// Writes down what was proved of a design.
    pub fn record(mut self, design: String, proved: BTreeSet<String>) -> Result<()> {
        self.0.insert(design, proved);
        let path = path();
        fs::write(&path, self.text()).with_context(|| format!("cannot write {}", path.display()))
    }

    /// What was proved once must be proved now, of the modules that were asked for.
    pub fn check(
        &self,
        design: &str,
        asked: impl Fn(&str) -> bool,
        proved: &BTreeSet<String>,
    ) -> Result<()> {
        let Some(before) = self.0.get(design) else {
            return Ok(());
        };
        let lost: Vec<&str> = before
            .difference(proved)
            .map(String::as_str)
            .filter(|name| asked(name))
            .collect();
        if !lost.is_empty() {
            bail!(
                "{design}: no longer proved: {}; their netlists differ from the RTL, or their \
                 registers lost their names; if they are gone or that is meant, record it with \
                 `{AGAIN}`",
                lost.join(", ")
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn a_lost_proof_shows() {
        let recorded = Recorded([("card".to_string(), names(&["a", "b"]))].into());
        assert_eq!(Recorded::parse(&recorded.text()).unwrap(), recorded);
        let all = |_: &str| true;
        assert!(
            recorded
                .check("card", all, &names(&["a", "b", "c"]))
                .is_ok()
        );
        assert!(recorded.check("other", all, &names(&[])).is_ok());
        let error = recorded.check("card", all, &names(&["b"])).unwrap_err();
        assert!(
            error.to_string().contains("no longer proved: a;"),
            "{error}"
        );
        assert!(
            recorded
                .check("card", |name| name == "b", &names(&["b"]))
                .is_ok()
        );
        assert!(Recorded::parse("{}").is_err());
    }

    #[test]
    fn the_repository_has_a_record() {
        assert!(!Recorded::read().unwrap().0.is_empty());
    }
}
