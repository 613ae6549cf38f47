//! PCI functions as the kernel of the guest shows them.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// One function.
pub struct Function {
    address: String,
    folder: PathBuf,
}

/// All functions, by address.
pub fn functions() -> Result<Vec<Function>> {
    let mut functions = Vec::new();
    let folder = "/sys/bus/pci/devices";
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {folder}"))? {
        let entry = entry?;
        functions.push(Function {
            address: entry.file_name().to_string_lossy().into_owned(),
            folder: entry.path(),
        });
    }
    functions.sort_by(|a, b| a.address.cmp(&b.address));
    Ok(functions)
}

impl Function {
    /// What the host is told of it.
    pub fn describe(&self) -> Value {
        json!({
            "event": "pci",
            "address": self.address,
            "vendor": self.attribute("vendor"),
            "device": self.attribute("device"),
            "class": self.attribute("class"),
            "driver": self.link("driver"),
            "group": self.link("iommu_group"),
        })
    }

    fn attribute(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(self.folder.join(name)).ok()?;
        Some(text.trim().into())
    }

    fn link(&self, name: &str) -> Option<String> {
        let target = fs::read_link(self.folder.join(name)).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }
}
