//! `systole doctor`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;
use systole::backend::Place;
use systole::matmul::{Finish, Layout, MatMul, Rhs};
use systole::model::cache;
use systole::model::fetch::{KNOWN, KnownModel};
use systole::sysfs::{SerialPort, Sysfs, SysfsError};

use super::card::{Engine, Surroundings};
use super::device::{Device, MachineArgs};
use super::failure::{Failure, Result};
use super::gemm::run_one;
use super::pci::{self, cards};
use super::print_json;
use super::table::known;

/// Check that everything is there, and say how to get what is not.
#[derive(clap::Args)]
pub struct Args {
    /// Print one object of JSON.
    #[arg(long)]
    json: bool,
    /// A folder that stands for `/` where cards are looked for.
    #[arg(long, value_name = "ROOT", default_value = "/", hide = true)]
    sysfs: PathBuf,
}

/// One thing that was looked for.
#[derive(Serialize)]
struct Check {
    name: &'static str,
    needed_for: &'static str,
    /// Whether the usual work needs it.
    required: bool,
    present: bool,
    /// What was found, or what went wrong.
    detail: String,
    /// The command that brings it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Json<'a> {
    /// Whether everything that is required is there.
    ready: bool,
    checks: &'a [Check],
    /// The cards in slots, as `systole device list --json` prints them. Nothing needs them.
    cards: &'a [pci::Device],
    /// Why they cannot be listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    cards_error: Option<String>,
    /// The serial ports on USB, at any of which there may be a card.
    serial_ports: Vec<Port<'a>>,
}

/// A serial port.
#[derive(Serialize)]
struct Port<'a> {
    path: &'a Path,
    vendor: &'a str,
    product: &'a str,
    name: Option<&'a str>,
}

impl<'a> From<&'a SerialPort> for Port<'a> {
    fn from(port: &'a SerialPort) -> Self {
        Self {
            path: &port.path,
            vendor: &port.vendor,
            product: &port.product,
            name: port.name.as_deref(),
        }
    }
}

/// Runs the command.
pub fn run(args: Args) -> Result<()> {
    let mut checks = vec![verilator(), compiler(), python(), cache_folder()];
    checks.extend(KNOWN.iter().map(model));
    checks.push(device());
    let missing = checks
        .iter()
        .filter(|check| check.required && !check.present);
    let missing = missing.count();
    let sysfs = Sysfs::new(args.sysfs);
    let ports = sysfs.serial_ports();
    let (cards, cards_error) = match cards(&sysfs) {
        Ok(cards) => (cards, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let printed = match args.json {
        true => print_json(&Json {
            ready: missing == 0,
            checks: &checks,
            cards: &cards,
            cards_error: cards_error.map(|error| error.to_string()),
            serial_ports: ports.iter().map(Port::from).collect(),
        }),
        false => print(&checks)
            .and_then(|()| print_cards(&cards, cards_error.as_ref()))
            .and_then(|()| print_ports(&ports)),
    };
    // What is missing stays missing where a reader leaves early.
    match missing {
        0 => printed,
        _ => Err(Failure::Failed(format!(
            "{missing} thing(s) missing; the lines above say how to get them"
        ))),
    }
}

fn print(checks: &[Check]) -> Result<()> {
    let mut out = io::stdout().lock();
    for check in checks {
        let state = match (check.present, check.required) {
            (true, _) => "ok      ",
            (false, true) => "MISSING ",
            (false, false) => "optional",
        };
        let Check {
            name,
            needed_for,
            detail,
            ..
        } = check;
        writeln!(out, "{state}  {name} (for {needed_for}): {detail}")?;
        if let Some(fix) = &check.fix {
            writeln!(out, "          to get it: {fix}")?;
        }
    }
    Ok(())
}

fn print_cards(cards: &[pci::Device], error: Option<&SysfsError>) -> Result<()> {
    let mut out = io::stdout().lock();
    if cards.is_empty() {
        let found = error.map_or("none is in this machine".into(), ToString::to_string);
        writeln!(
            out,
            "optional  cards in slots (for --device vfio:ADDRESS): {found}"
        )?;
    }
    for card in cards {
        let state = if card.ready { "ok      " } else { "optional" };
        let address = &card.address;
        writeln!(
            out,
            "{state}  card {address} (for --device vfio:{address}): driver {}, IOMMU {}, group {}",
            known(card.driver.as_ref(), Clone::clone),
            known(card.iommu.as_ref(), Clone::clone),
            known(card.group, |number| number.to_string()),
        )?;
        match card.ready {
            true => writeln!(
                out,
                "          to use it: systole embed --device vfio:{address}; auto takes the first \
                 card that is ready by itself"
            )?,
            false => {
                for obstacle in &card.obstacles {
                    writeln!(out, "          to use it: {obstacle}")?;
                }
            }
        }
    }
    Ok(())
}

fn print_ports(ports: &[SerialPort]) -> Result<()> {
    let mut out = io::stdout().lock();
    if ports.is_empty() {
        writeln!(
            out,
            "optional  serial ports (for --device serial:PATH): none is on USB"
        )?;
    }
    for port in ports {
        let SerialPort {
            path,
            vendor,
            product,
            name,
        } = port;
        let path = path.display();
        writeln!(
            out,
            "optional  serial port {path} (for --device serial:{path}): USB {vendor}:{product}, {}",
            known(name.as_ref(), Clone::clone)
        )?;
        writeln!(
            out,
            "          a board with a card may be there; nothing was sent to find out"
        )?;
    }
    Ok(())
}

impl Check {
    /// A check that came out as `found`, with a command for the case that it failed.
    fn new(
        name: &'static str,
        needed_for: &'static str,
        required: bool,
        found: std::result::Result<String, String>,
        fix: &str,
    ) -> Self {
        let present = found.is_ok();
        Self {
            name,
            needed_for,
            required,
            present,
            detail: found.unwrap_or_else(|problem| problem),
            fix: (!present && !fix.is_empty()).then(|| fix.into()),
        }
    }
}

#[cfg(feature = "sim")]
fn verilator() -> Check {
    let found = verilate::Verilator::find()
        .map(|_| "the pinned version".into())
        .map_err(|error| error.to_string());
    let purpose = "simulated cards of other shapes and waveforms";
    Check::new("Verilator", purpose, false, found, "cargo xtask setup")
}

#[cfg(not(feature = "sim"))]
fn verilator() -> Check {
    let found = Err("this program was built without the simulated card".into());
    let fix = "cargo build --release --package systole --features sim";
    Check::new("Verilator", "simulated cards", false, found, fix)
}

/// The C++ compiler that builds simulated cards.
fn cxx() -> String {
    std::env::var("CXX").unwrap_or_else(|_| "g++".into())
}

fn compiler() -> Check {
    let found = first_line(Command::new(cxx()).arg("--version"));
    let purpose = "simulated cards of other shapes and waveforms";
    Check::new(
        "C++ compiler",
        purpose,
        false,
        found,
        "sudo apt-get install g++",
    )
}

fn python() -> Check {
    let found = first_line(Command::new("python3").args(["-m", "pip", "--version"]));
    let fix = "sudo apt-get install python3 python3-pip python3-venv";
    Check::new(
        "Python with pip",
        "fetching models and tools",
        false,
        found,
        fix,
    )
}

fn cache_folder() -> Check {
    let found = cache::folder().and_then(|folder| {
        let probe = folder.join(".doctor");
        cache::write_whole(&probe, b"")?;
        // That it could be written is the answer; a leftover of no bytes hurts nobody.
        let _ = std::fs::remove_file(probe);
        Ok(folder.display().to_string())
    });
    let found = found.map_err(|error| error.to_string());
    let fix = "export SYSTOLE_CACHE=/a/folder/that/can/be/written";
    Check::new(
        "cache folder",
        "models and simulated cards",
        true,
        found,
        fix,
    )
}

fn model(model: &KnownModel) -> Check {
    let found = match model.folder() {
        Ok(folder) if !folder.exists() => Err("not fetched".into()),
        Ok(_) => model
            .verify()
            .map(|folder| folder.display().to_string())
            .map_err(|error| format!("damaged: {error}")),
        Err(error) => Err(error.to_string()),
    };
    let fix = format!("systole model fetch {}", model.name);
    Check::new(model.name, "embed, similarity", true, found, &fix)
}

/// Runs a small product on the simulated card.
fn device() -> Check {
    let found = try_device().map_err(|failure| match failure {
        Failure::Device(text) | Failure::Failed(text) | Failure::Usage(text) => text,
        other => format!("{other:?}"),
    });
    let required = cfg!(feature = "sim");
    let fix = "cargo xtask setup && cargo build --release --package systole";
    Check::new("simulated card", "--device sim", required, found, fix)
}

fn try_device() -> Result<String> {
    let (m, k, n) = (17, 20, 18);
    let a: Vec<i8> = (0..m * k).map(|index| (index * 37 % 255) as i8).collect();
    let b: Vec<i8> = (0..k * n).map(|index| (index * 91 % 253) as i8).collect();
    let job = MatMul {
        name: "check",
        m,
        k,
        n,
        a: &a,
        b: Rhs::Once(Layout::RowMajor, &b),
        finish: Finish::Raw,
    };
    let mut expected = vec![0; m * n];
    isa::numerics::gemm_i8(m, k, n, &a, &b, &mut expected);
    let mut engine = Engine::open(
        &Device::Sim,
        &MachineArgs::default(),
        &Surroundings::default(),
    )?;
    let (values, report) = run_one(&mut engine, &job)?;
    if report.place == Place::Cpu {
        return Err(Failure::Device(report.reason));
    }
    if values != expected {
        return Err(Failure::Device("it gives a wrong product".into()));
    }
    Ok("16x16, gives the right product".into())
}

/// First line of what a command says when it succeeds, or why it does not.
fn first_line(command: &mut Command) -> std::result::Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("`{program}` does not start: {error}"))?;
    let line = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes)
            .lines()
            .next()
            .unwrap_or_default()
            .to_string()
    };
    match output.status.success() {
        true => Ok(line(&output.stdout)),
        false => Err(format!("`{program}` fails: {}", line(&output.stderr))),
    }
}
