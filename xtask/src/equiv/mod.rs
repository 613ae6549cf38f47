//! Equivalence of the modules of the RTL and of the netlist, with Yosys's SAT engine.

mod proof;
mod recorded;
mod rtlil;
mod table;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use isa::config::Datapaths;

use crate::array::ArraySize;
use crate::netlist::Netlist;
use crate::setup;
use crate::synth::cells::{BLOCK_RAM, DSP};
use crate::synth::yosys;

use proof::{Setting, Verdict};
use recorded::Recorded;
use rtlil::{Module, Modules};
use table::{Row, Table};

/// The memory of look-up tables.
const TABLE_RAM: &str = "TRELLIS_DPR16X4";

/// Runs of Yosys at the same time.
const AT_ONCE: usize = 2;

/// When the proof of a module is given up, unless asked otherwise.
pub const LIMIT: Duration = Duration::from_secs(LIMIT_SECONDS);

/// The same in seconds.
pub const LIMIT_SECONDS: u64 = 300;

/// What is asked for.
pub struct Plan<'a> {
    pub size: ArraySize,
    pub datapaths: Datapaths,
    /// Only these modules, if any are named.
    pub modules: &'a [String],
    /// When a proof is given up.
    pub limit: Duration,
    /// Record what is proved.
    pub record: bool,
    pub json: bool,
}

impl Plan<'_> {
    /// All modules of a card with all datapaths.
    pub fn of(size: ArraySize) -> Self {
        Self {
            size,
            datapaths: Datapaths::ALL,
            modules: &[],
            limit: LIMIT,
            record: false,
            json: false,
        }
    }

    fn asks_for(&self, module: &str) -> bool {
        self.modules.is_empty() || self.modules.iter().any(|name| name == module)
    }
}

/// Proves what can be proved and prints a table; an error when something that was proved before is
/// not, or when a netlist with a wrong bit passes.
pub fn run(plan: &Plan<'_>) -> Result<()> {
    setup::install(&setup::SYNTH)?;
    let netlist = Netlist::modules(plan.size, plan.datapaths);
    let file = netlist.make()?;
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let work = fs::canonicalize(yosys::folder(&netlist.design))?;
    let modules = Modules::parse(&text, |name| rtl(&work, name).exists())?;
    if let Some(name) = plan
        .modules
        .iter()
        .find(|name| !modules.0.contains_key(*name))
    {
        let known: Vec<&str> = modules.0.keys().map(String::as_str).collect();
        bail!("there is no module {name}; there are: {}", known.join(", "));
    }
    let top = netlist.design.block.top();
    let setting = Setting {
        work: &work,
        top,
        limit: plan.limit,
    };
    let chosen: Vec<(&String, &Module)> = modules
        .0
        .iter()
        .filter(|(name, _)| plan.asks_for(name))
        .collect();
    let instances = modules.instances(top);
    let rows = prove(&setting, &chosen)?.into_iter().zip(&chosen).map(
        |((verdict, time), (name, module))| Row {
            module: name.to_string(),
            instances: instances.get(name.as_str()).copied().unwrap_or(0),
            cells: module.own_cells(&modules),
            verdict,
            time,
        },
    );
    let table = Table(rows.collect());
    match plan.json {
        true => println!("{}", table.json(&netlist.design.to_string())),
        false => print!("{table}"),
    }
    let proved: BTreeSet<String> = table.proved().map(|row| row.module.clone()).collect();
    find_mutation(&setting, &modules, &proved)?;
    let design = netlist.design.to_string();
    match plan.record {
        true => Recorded::read().unwrap_or_default().record(design, proved),
        false => Recorded::read()?.check(&design, |name| plan.asks_for(name), &proved),
    }
}

/// The file of a module in the RTL.
fn rtl(work: &Path, module: &str) -> PathBuf {
    work.join(format!("modules/{module}.v"))
}

/// Why a module is not tried: the netlist has a cell for what the RTL has no cell for. Where the RTL
/// names the cell, it is the same black box on both sides.
fn cut(module: &Module, rtl: &str) -> Option<&'static str> {
    const REASONS: [(&str, &str); 3] = [
        (BLOCK_RAM, "has a memory that was inferred"),
        (TABLE_RAM, "has a memory that was inferred"),
        (DSP, "has a multiplier that was inferred"),
    ];
    let mut reasons = REASONS.iter();
    let inferred = reasons.find(|(cell, _)| module.count(cell) > 0 && !rtl.contains(cell));
    inferred.map(|(_, reason)| *reason)
}

/// The verdicts of all modules and the time that each took, some at the same time.
fn prove(
    setting: &Setting<'_>,
    modules: &[(&String, &Module)],
) -> Result<Vec<(Verdict, Duration)>> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, (Verdict, Duration))>> {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((name, module)) = modules.get(at) else {
                return Ok(done);
            };
            let path = rtl(setting.work, name);
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let start = Instant::now();
            let verdict = match cut(module, &text) {
                Some(reason) => Verdict::Not(reason.into()),
                None => {
                    eprintln!("{name} ({} of {})", at + 1, modules.len());
                    setting.prove(name, &module.text, "")?
                }
            };
            done.push((at, (verdict, start.elapsed())));
        }
    };
    let mut all = thread::scope(|scope| -> Result<Vec<_>> {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::new();
        for worker in workers {
            all.extend(worker.join().expect("a worker does not panic")?);
        }
        Ok(all)
    })?;
    all.sort_by_key(|(at, _)| *at);
    Ok(all.into_iter().map(|(_, verdict)| verdict).collect())
}

/// One bit of a look-up table is another: that must not be proved. The bits of one table are tried
/// until one is found, since the inputs that some of them stand for may never come.
fn find_mutation(
    setting: &Setting<'_>,
    modules: &Modules,
    proved: &BTreeSet<String>,
) -> Result<()> {
    let smallest = proved
        .iter()
        .filter_map(|name| Some((name, modules.0.get(name)?)))
        .filter(|(_, module)| module.mutated(0).is_some())
        .min_by_key(|(_, module)| module.count("LUT4"));
    let Some((name, module)) = smallest else {
        return Ok(());
    };
    for bit in 0..16 {
        let Some(text) = module.mutated(bit) else {
            continue;
        };
        if !setting.prove(name, &text, "-mutated")?.is_proved() {
            eprintln!("bit {bit} of a look-up table of {name} was inverted, and that was found");
            return Ok(());
        }
    }
    bail!("a look-up table of {name} may have any bit inverted, and it is proved all the same")
}
