//! A netlist in the folder of its design, made once.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fpga::flow::yosys::{ECP5_DEFINE, elaborate};
use isa::config::Datapaths;
use sha2::{Digest, Sha256};

use crate::array::ArraySize;
use crate::setup;
use crate::synth::{Block, Design, yosys};

/// What is made of a design.
#[derive(Clone, Copy, Debug)]
pub struct Netlist {
    pub design: Design,
    /// What the RTL is read with.
    define: Option<&'static str>,
    /// Options of `synth_ecp5`.
    options: &'static str,
    /// What the files are called.
    name: &'static str,
    /// What is done before the netlist is written.
    last: &'static str,
    /// How it is written.
    write: &'static str,
    suffix: &'static str,
}

impl Netlist {
    /// The netlist of a card as a bitstream is made of it, for Verilator. Nets are split into bits,
    /// because each is driven alone: as parts of words they would be taken out and put back.
    pub fn card(size: ArraySize, datapaths: Datapaths, nodsp: bool) -> Self {
        Self {
            design: card(size, datapaths),
            define: (!nodsp).then_some(ECP5_DEFINE),
            options: if nodsp { "-nodsp" } else { "" },
            name: if nodsp { "netlist-nodsp" } else { "netlist" },
            last: "splitnets; clean",
            write: "write_verilog -noattr -simple-lhs",
            suffix: "v",
        }
    }

    /// The netlist of a card whose modules and registers have the names of the RTL.
    pub fn modules(size: ArraySize, datapaths: Datapaths) -> Self {
        Self {
            design: card(size, datapaths),
            define: Some(ECP5_DEFINE),
            options: "-noflatten",
            name: "modules",
            last: "clean",
            write: "write_rtlil",
            suffix: "il",
        }
    }

    /// The file, which is made unless it is there already for this Verilog and these tools.
    pub fn make(&self) -> Result<PathBuf> {
        yosys::emit(&self.design)?;
        let folder = yosys::folder(&self.design);
        let work = fs::canonicalize(&folder)
            .with_context(|| format!("cannot resolve {}", folder.display()))?;
        let top = self.design.block.top();
        let (options, last, write) = (self.options, self.last, self.write);
        let file = format!("{}.{}", self.name, self.suffix);
        // A file that is there has all of its lines.
        let draft = format!("draft-{file}");
        let elaborate = elaborate(top, self.define);
        let script = format!("{elaborate}synth_ecp5 {options} -top {top}; {last}; {write} {draft}");
        let verilog = read(&work.join(format!("{top}.v")))?;
        let stamp = work.join(format!("{}.stamp", self.name));
        let fingerprint = fingerprint(&[&verilog, &script, setup::SYNTH.requirements()]);
        let path = work.join(&file);
        let made = fs::read_to_string(&stamp).is_ok_and(|stamp| stamp == fingerprint);
        if made && path.exists() {
            return Ok(path);
        }
        yosys::run(&work, &script).with_context(|| format!("cannot synthesise {}", self.design))?;
        fs::rename(work.join(&draft), &path)
            .with_context(|| format!("cannot move {draft} to {file}"))?;
        fs::write(&stamp, fingerprint)
            .with_context(|| format!("cannot write {}", stamp.display()))?;
        Ok(path)
    }
}

fn card(size: ArraySize, datapaths: Datapaths) -> Design {
    Design {
        block: Block::Card,
        size,
        datapaths,
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Text that is another when one of the parts is.
pub fn fingerprint(parts: &[&str]) -> String {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_le_bytes());
        sha.update(part);
    }
    sha.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_list_of_parts_has_another_fingerprint() {
        let prints = [
            fingerprint(&["a", "b"]),
            fingerprint(&["ab", ""]),
            fingerprint(&["ab"]),
        ];
        assert_ne!(prints[0], prints[1]);
        assert_ne!(prints[1], prints[2]);
        assert_eq!(prints[2], fingerprint(&["ab"]));
    }
}
