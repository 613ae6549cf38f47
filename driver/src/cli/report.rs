//! What is said about where work ran: totals, warnings, the table of `--explain`.

use std::collections::BTreeMap;
use std::io::Write;

use clap::ValueEnum;
use serde::Serialize;
use systole::backend::{NodeReport, Place};
use systole::device::Counters;

use super::card::Engine;
use super::failure::Result;
use super::say;
use super::table::{Table, grouped, known, percent};

/// How much `--explain` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Explain {
    /// One row for all layers of a kind of node.
    Brief,
    /// One row for each node.
    Full,
}

/// Sums over nodes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Totals {
    /// Cycles on the device; `None` where no node has any.
    pub total_cycles: Option<u64>,
    /// Of the device, over all its cycles.
    pub utilisation: Option<f64>,
    /// Multiply-accumulates of all nodes, wherever they ran.
    pub macs: u64,
}

impl Totals {
    /// Sums up nodes.
    pub fn of(nodes: &[NodeReport]) -> Self {
        let mut whole = nodes.first().cloned();
        for node in nodes.iter().skip(1) {
            if let Some(whole) = &mut whole {
                whole.absorb(node);
            }
        }
        Self {
            total_cycles: whole.as_ref().and_then(|whole| whole.cycles),
            utilisation: whole.as_ref().and_then(|whole| whole.utilisation),
            macs: whole.map_or(0, |whole| whole.macs),
        }
    }
}

/// Counters by name.
pub fn by_name(counters: Option<Counters>) -> Option<BTreeMap<&'static str, u64>> {
    counters.map(|counters| counters.iter().collect())
}

/// Says on standard error what did not run on the card that was asked for.
pub fn warn_of_moves(engine: &Engine, nodes: &[NodeReport]) {
    let Engine::Card(card) = engine else { return };
    if card.faults() > 0 {
        say(format_args!(
            "warning: the card failed {} time(s); the work went on elsewhere",
            card.faults()
        ));
    }
    let mut reasons = BTreeMap::new();
    for node in nodes.iter().filter(|node| node.place == Place::Cpu) {
        *reasons.entry(node.reason.as_str()).or_insert(0) += node.jobs;
    }
    for (reason, jobs) in reasons {
        say(format_args!(
            "warning: {jobs} product(s) ran on the CPU: {reason}"
        ));
    }
}

/// Writes the table of nodes, the totals and the counters.
pub fn explain(
    out: &mut impl Write,
    how: Explain,
    nodes: &[NodeReport],
    engine: &mut Engine,
) -> Result<()> {
    let merged = match how {
        Explain::Full => nodes.to_vec(),
        Explain::Brief => by_kind(nodes),
    };
    let mut reasons: Vec<&str> = Vec::new();
    let mut table = Table::new(&[
        "node",
        "where",
        "why",
        ">products",
        ">MACs",
        ">cycles",
        ">foreseen",
        ">used",
        ">ms",
    ]);
    for node in &merged {
        let known_reason = reasons.iter().position(|reason| *reason == node.reason);
        let reason = known_reason.unwrap_or_else(|| {
            reasons.push(&node.reason);
            reasons.len() - 1
        });
        table.row(vec![
            node.name.clone(),
            place(node.place).into(),
            format!("[{}]", reason + 1),
            grouped(node.jobs),
            grouped(node.macs),
            known(node.cycles, grouped),
            known(node.predicted_cycles, grouped),
            known(node.utilisation, percent),
            format!("{:.1}", node.micros / 1e3),
        ]);
    }
    write!(out, "\n{table}")?;
    for (index, reason) in reasons.iter().enumerate() {
        writeln!(out, "[{}] {reason}", index + 1)?;
    }
    if let Engine::Auto(auto) = engine {
        writeln!(out, "{}", auto.basis())?;
    }
    let totals = Totals::of(nodes);
    if let Some(cycles) = totals.total_cycles {
        let used = known(totals.utilisation, percent);
        writeln!(
            out,
            "\nall nodes: {} cycles, array used {used}",
            grouped(cycles)
        )?;
    }
    if let Some(speed) = engine.speed() {
        writeln!(out, "simulation: {} cycles/s", grouped(speed as u64))?;
    }
    if let Some(line) = engine.traffic() {
        writeln!(
            out,
            "line: {} bytes in {} messages to the card, {} of them for its memory; {} bytes in {} \
             messages from it; {} frames sent again",
            grouped(line.bytes_sent),
            grouped(line.messages_sent),
            grouped(line.card_memory_bytes),
            grouped(line.bytes_received),
            grouped(line.messages_received),
            grouped(line.frames_repeated)
        )?;
    }
    if let Some(counters) = engine.counters() {
        write!(out, "\n{}", counter_table(&counters))?;
    }
    Ok(())
}

/// Counters, one a row, with their part of all cycles where they count cycles.
pub fn counter_table(counters: &Counters) -> Table {
    let all = counters.get("cycles").filter(|cycles| *cycles > 0);
    let mut table = Table::new(&["counter", ">value", ">of cycles"]);
    for (name, value) in counters.iter() {
        let part = all.filter(|_| !name.ends_with(".lines") && name != "cycles");
        let part = known(part, |all| percent(value as f64 / all as f64));
        table.row(vec![name.into(), grouped(value), part]);
    }
    table
}

/// Short name of a place.
pub fn place(place: Place) -> &'static str {
    match place {
        Place::Cpu => "cpu",
        Place::Device => "card",
    }
}

/// Nodes that differ only by their layer, summed up in the order of the first of each.
fn by_kind(nodes: &[NodeReport]) -> Vec<NodeReport> {
    let mut kinds: Vec<NodeReport> = Vec::new();
    for node in nodes {
        let mut node = node.clone();
        node.name = kind(&node.name).to_string();
        match kinds.iter_mut().find(|kind| kind.same_node(&node)) {
            Some(kind) => kind.absorb(&node),
            None => kinds.push(node),
        }
    }
    kinds
}

/// `attention.scores` of `layer.3.attention.scores`.
fn kind(name: &str) -> &str {
    let inner = name
        .strip_prefix("layer.")
        .and_then(|rest| rest.split_once('.'));
    inner.map_or(name, |(_, kind)| kind)
}
