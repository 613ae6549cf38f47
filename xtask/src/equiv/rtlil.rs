//! The modules of a netlist in Yosys's own text.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

/// A module of a netlist.
pub struct Module {
    /// Its text, which Yosys reads.
    pub text: String,
    /// How many cells of each kind it has, other modules among them.
    pub cells: BTreeMap<String, u64>,
}

/// All modules by their names.
pub struct Modules(pub BTreeMap<String, Module>);

impl Modules {
    /// Takes those modules out of a text that `wanted` names; Yosys writes the cells of the chip as
    /// modules too.
    pub fn parse(text: &str, wanted: impl Fn(&str) -> bool) -> Result<Self> {
        let mut modules = BTreeMap::new();
        let mut lines = text.split_inclusive('\n');
        while let Some(line) = lines.next() {
            let Some(name) = line.strip_prefix("module \\") else {
                continue;
            };
            let name = name.trim_end().to_string();
            let mut module = Module {
                text: line.to_string(),
                cells: BTreeMap::new(),
            };
            loop {
                let line = lines
                    .next()
                    .with_context(|| format!("module {name} has no end"))?;
                module.text += line;
                if line.trim_end() == "end" {
                    break;
                }
                let kind = line.trim_start().strip_prefix("cell \\");
                if let Some(kind) = kind.and_then(|rest| rest.split_whitespace().next()) {
                    *module.cells.entry(kind.to_string()).or_default() += 1;
                }
            }
            if wanted(&name) {
                modules.insert(name, module);
            }
        }
        Ok(Self(modules))
    }

    /// How often each module is in the design.
    pub fn instances(&self, top: &str) -> BTreeMap<&str, u64> {
        let mut counts = BTreeMap::new();
        self.count(top, 1, &mut counts);
        counts
    }

    fn count<'a>(&'a self, name: &str, times: u64, counts: &mut BTreeMap<&'a str, u64>) {
        let Some((name, module)) = self.0.get_key_value(name) else {
            return;
        };
        *counts.entry(name).or_default() += times;
        for (kind, cells) in &module.cells {
            self.count(kind, times * cells, counts);
        }
    }
}

impl Module {
    /// Cells of this kind.
    pub fn count(&self, kind: &str) -> u64 {
        self.cells.get(kind).copied().unwrap_or(0)
    }

    /// Its cells without the modules in it.
    pub fn own_cells(&self, modules: &Modules) -> u64 {
        let own = self.cells.iter();
        own.filter(|(kind, _)| !modules.0.contains_key(*kind))
            .map(|(_, count)| count)
            .sum()
    }

    /// The same with one bit of one look-up table another; `None` when it has no such bit.
    pub fn mutated(&self, bit: usize) -> Option<String> {
        const INIT: &str = "parameter \\INIT 16'";
        let table = self.text.find("cell \\LUT4 ")?;
        let init = table + self.text[table..].find(INIT)? + INIT.len();
        let at = init + 15usize.checked_sub(bit)?;
        let other = match self.text.as_bytes().get(at)? {
            b'0' => "1",
            b'1' => "0",
            _ => return None,
        };
        let mut text = self.text.clone();
        text.replace_range(at..=at, other);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Yosys\nautoidx 1\nattribute \\top 1\nmodule \\top\n  cell \\leaf \\a\n  end\n  cell \\leaf \\b\n  end\nend\nmodule \\leaf\n  cell \\LUT4 \\x\n    parameter \\INIT 16'0000000000000001\n  end\nend\n";

    #[test]
    fn modules_and_cells_are_counted() {
        let modules = Modules::parse(TEXT, |_| true).unwrap();
        let leaf = &modules.0["leaf"];
        assert_eq!(leaf.count("LUT4"), 1);
        assert_eq!(leaf.own_cells(&modules), 1);
        assert_eq!(modules.0["top"].own_cells(&modules), 0);
        assert_eq!(
            modules.instances("top"),
            BTreeMap::from([("leaf", 2), ("top", 1)])
        );
        assert!(leaf.text.starts_with("module \\leaf\n"));
        assert!(leaf.text.ends_with("end\n"));
        let top = Modules::parse(TEXT, |name| name == "top").unwrap();
        assert_eq!(top.0["top"].own_cells(&top), 2);
        assert!(Modules::parse("module \\x\n", |_| true).is_err());
    }

    #[test]
    fn a_mutation_is_one_bit() {
        let modules = Modules::parse(TEXT, |_| true).unwrap();
        let leaf = &modules.0["leaf"];
        assert!(leaf.mutated(0).unwrap().contains("16'0000000000000000"));
        assert!(leaf.mutated(1).unwrap().contains("16'0000000000000011"));
        assert!(leaf.mutated(15).unwrap().contains("16'1000000000000001"));
        assert_eq!(leaf.mutated(16), None);
        assert_eq!(modules.0["top"].mutated(0), None);
    }
}
