//! `systole info`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use isa::config::Config;
use isa::regs::{QUEUE_REGISTERS, REGISTERS, Register, VERSION_VALUE};
use serde::Serialize;
use systole::cpu::Kernels;
use systole::model::fetch::KNOWN;
use systole::model::{ModelError, cache};

use super::card::{Surroundings, open_card};
use super::device::{DEVICES, Device, MachineArgs};
use super::failure::{Failure, Result};
use super::print_json;
use super::table::{Table, grouped};

/// Show the card, the CPU kernels, the versions and the caches.
#[derive(clap::Args)]
pub struct Args {
    /// The card to ask: sim, sim-pcie, model, model-pcie, vfio:ADDRESS or vfio-user:PATH.
    #[arg(long, value_name = "CARD", default_value_t = Device::Sim, long_help = DEVICES)]
    device: Device,
    #[command(flatten)]
    machine: MachineArgs,
    /// Print one object of JSON.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Json {
    version: &'static str,
    /// Version of the contract between host and card.
    contract: String,
    /// Whether the simulated card was built into this program.
    sim: bool,
    cpu: Cpu,
    card: Card,
    caches: Caches,
}

#[derive(Serialize)]
struct Cpu {
    kernels: &'static str,
    threads: usize,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Card {
    Open {
        device: String,
        config: Config,
        registers: BTreeMap<&'static str, u32>,
    },
    Closed {
        error: String,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Caches {
    Found {
        folder: PathBuf,
        models: BTreeMap<&'static str, Option<PathBuf>>,
        quantised: Usage,
        cards: Usage,
    },
    Absent {
        error: String,
    },
}

/// Files in a folder.
#[derive(Default, Serialize)]
struct Usage {
    files: u64,
    bytes: u64,
}

/// Runs the command.
pub fn run(args: Args) -> Result<()> {
    if !args.device.is_card() {
        let text = "only a card can be asked: take --device sim, --device model or another card";
        return Err(Failure::Usage(text.into()));
    }
    let (major, minor) = (VERSION_VALUE >> 16, VERSION_VALUE & 0xffff);
    let json = Json {
        version: env!("CARGO_PKG_VERSION"),
        contract: format!("{major}.{minor}"),
        sim: cfg!(feature = "sim"),
        cpu: Cpu {
            kernels: Kernels::best().name(),
            threads: args.machine.threads(),
        },
        card: card(&args)?,
        caches: caches().unwrap_or_else(|error| Caches::Absent {
            error: error.to_string(),
        }),
    };
    if args.json {
        return print_json(&json);
    }
    print(&json)
}

/// Asks the card. One that cannot be opened is part of the answer, not the end of it.
fn card(args: &Args) -> Result<Card> {
    use systole::backend::Backend;

    let mut card = match open_card(&args.device, &args.machine, &Surroundings::default()) {
        Ok(card) => card,
        Err(Failure::Device(error)) => return Ok(Card::Closed { error }),
        Err(failure) => return Err(failure),
    };
    let mut registers = BTreeMap::new();
    for register in shown() {
        let value = card.transport().read(register.offset);
        let value = value.map_err(|error| Failure::Device(error.to_string()))?;
        registers.insert(register.name, value);
    }
    Ok(Card::Open {
        device: card.name().into(),
        config: *card.config(),
        registers,
    })
}

/// The registers that are shown: those of the card and of queue 0, which `systole` uses.
fn shown() -> impl Iterator<Item = &'static Register> {
    REGISTERS.iter().chain(QUEUE_REGISTERS)
}

/// Looks into the caches. That there are none is part of the answer too.
fn caches() -> std::result::Result<Caches, ModelError> {
    let folder = cache::folder()?;
    let mut models = BTreeMap::new();
    for model in KNOWN {
        models.insert(model.name, model.present()?);
    }
    Ok(Caches::Found {
        models,
        quantised: usage(&folder.join("quantised")),
        cards: usage(&folder.join("cards")),
        folder,
    })
}

/// Files directly in `folder`, which need not exist.
fn usage(folder: &std::path::Path) -> Usage {
    let mut usage = Usage::default();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if let Some(data) = entry.metadata().ok().filter(|data| data.is_file()) {
            usage.files += 1;
            usage.bytes += data.len();
        }
    }
    usage
}

fn print(json: &Json) -> Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    writeln!(
        out,
        "systole      {} (contract {})",
        json.version, json.contract
    )?;
    let Cpu { kernels, threads } = json.cpu;
    writeln!(out, "CPU kernels  {kernels}, {threads} thread(s)")?;
    match &json.caches {
        Caches::Absent { error } => writeln!(out, "cache        none: {error}")?,
        Caches::Found {
            folder,
            models,
            quantised,
            cards,
        } => {
            writeln!(out, "cache        {}", folder.display())?;
            for (name, folder) in models {
                match folder {
                    Some(folder) => writeln!(out, "  model      {name}: {}", folder.display())?,
                    None => writeln!(out, "  model      {name}: not there, or not whole")?,
                }
            }
            for (name, usage) in [("quantised", quantised), ("cards", cards)] {
                let (files, kib) = (usage.files, grouped(usage.bytes >> 10));
                writeln!(out, "  {name:<11}{files} file(s), {kib} KiB")?;
            }
        }
    }
    match &json.card {
        Card::Closed { error } => writeln!(out, "card         none: {error}")?,
        Card::Open {
            device,
            config,
            registers,
        } => {
            writeln!(out, "card         {device}")?;
            let Config {
                rows,
                cols,
                port_bytes,
                ..
            } = config;
            writeln!(
                out,
                "  array      {rows}x{cols}, memory port of {port_bytes} bytes"
            )?;
            let mut table = Table::new(&["  register", ">value", "meaning"]);
            for register in shown() {
                let value = registers[register.name];
                let name = format!("  {}", register.name);
                table.row(vec![name, format!("{value:#010x}"), register.doc.into()]);
            }
            write!(out, "\n{table}")?;
        }
    }
    Ok(out.flush()?)
}
