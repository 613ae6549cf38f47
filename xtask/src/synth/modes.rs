//! What each mode of the card costs beside dense int8.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::Result;
use isa::config::Datapaths;
use serde_json::{Map, Value, json};

use super::cells::{BLOCK_RAM, COLUMNS, Cells, DSP, FLIP_FLOP, LUTS};
use super::recorded::Recorded;
use super::{Block, Design, yosys};
use crate::array::ArraySize;
use crate::setup;

/// What is synthesised: the array in each of its kinds, which takes seconds, and the card in each
/// mode, which takes minutes. The first of each block is dense.
const MODES: [(Block, &str); 10] = [
    (Block::Array, "dense"),
    (Block::Array, "two-four"),
    (Block::Array, "packed"),
    (Block::Card, "dense"),
    (Block::Card, "narrow"),
    (Block::Card, "narrow,groups"),
    (Block::Card, "two-four"),
    (Block::Card, "blocks"),
    (Block::Card, "all"),
    (Block::Card, "packed"),
];

/// What the table of differences has; of what is few, a difference says little.
const COMPARED: [&str; 7] = [LUTS, "LUT4", "CCU2C", "PFUMX", FLIP_FLOP, DSP, BLOCK_RAM];

/// Runs of Yosys at the same time; a card takes half a gigabyte.
const AT_ONCE: usize = 2;

/// Synthesises all modes and prints what they take and what they add to dense; an error when one
/// breaks a limit or is not what was recorded. `record` records them instead.
pub fn run(size: ArraySize, json: bool, record: bool) -> Result<()> {
    setup::install(&setup::SYNTH)?;
    let designs = MODES.map(|(block, datapaths)| Design {
        block,
        size,
        datapaths: datapaths.parse().expect("a list of datapaths"),
    });
    for design in &designs {
        yosys::emit(design)?;
    }
    let cells = synthesise(&designs)?;
    let measured: Vec<(Design, Cells)> = designs.into_iter().zip(cells).collect();
    match json {
        true => println!("{}", in_json(&measured)),
        false => print!("{}", tables(&measured)),
    }
    for (design, cells) in &measured {
        design.check_multipliers(cells)?;
    }
    match record {
        true => Recorded::write(&measured),
        false => Recorded::read()?.check(&measured),
    }
}

/// Synthesises all designs, some at the same time. After a failure no further one is begun.
fn synthesise(designs: &[Design]) -> Result<Vec<Cells>> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, Cells)>> {
        let mut done = Vec::new();
        while let Some((at, design)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            designs.get(at).map(|design| (at, design))
        } {
            eprintln!("{design}");
            let cells = yosys::synthesise(design);
            if cells.is_err() {
                next.store(designs.len(), Ordering::Relaxed);
            }
            done.push((at, cells?));
        }
        Ok(done)
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
    Ok(all.into_iter().map(|(_, cells)| cells).collect())
}

/// The dense design of the same block.
fn dense<'a>(measured: &'a [(Design, Cells)], design: &Design) -> Option<&'a Cells> {
    let mut designs = measured.iter();
    let dense = designs
        .find(|(other, _)| other.block == design.block && other.datapaths == Datapaths::DENSE);
    dense.map(|(_, cells)| cells)
}

/// More than dense, in cells and in percent where dense has some.
fn beside(dense: u64, count: u64) -> (i64, Option<f64>) {
    let more = count as i64 - dense as i64;
    let percent = (dense > 0).then(|| more as f64 * 100.0 / dense as f64);
    (more, percent)
}

fn in_json(measured: &[(Design, Cells)]) -> Value {
    let designs = measured.iter().map(|(design, cells)| {
        let mut entry = design.json(cells);
        if let Some(dense) = dense(measured, design) {
            let columns = COLUMNS.iter().map(|column| {
                let (more, percent) = beside(dense.count(column), cells.count(column));
                let value = json!({ "more": more, "percent": percent });
                (column.to_string(), value)
            });
            entry["beside_dense"] = Value::Object(columns.collect::<Map<_, _>>());
        }
        entry
    });
    Value::Array(designs.collect())
}

/// A table of counts and one of differences, in Markdown.
fn tables(measured: &[(Design, Cells)]) -> String {
    let head = |columns: &[&str]| {
        format!(
            "| | {} |\n|---|{}\n",
            columns.join(" | "),
            "---|".repeat(columns.len())
        )
    };
    let row = |design: &Design, columns: &[&str], cell: &dyn Fn(&str) -> String| {
        let cells: Vec<String> = columns.iter().map(|column| cell(column)).collect();
        let name = format!("{}, {}", design.block.name(), design.datapaths);
        format!("| {name} | {} |\n", cells.join(" | "))
    };
    let counts = measured
        .iter()
        .map(|(design, cells)| row(design, &COLUMNS, &|column| thousands(cells.count(column))));
    let differences = measured.iter().filter_map(|(design, cells)| {
        let dense = dense(measured, design).filter(|_| design.datapaths != Datapaths::DENSE)?;
        Some(row(design, &COMPARED, &|column| {
            difference(beside(dense.count(column), cells.count(column)))
        }))
    });
    format!(
        "{}{}\nBeside dense:\n\n{}{}",
        head(&COLUMNS),
        counts.collect::<String>(),
        head(&COMPARED),
        differences.collect::<String>()
    )
}

fn difference((more, percent): (i64, Option<f64>)) -> String {
    let sign = match more {
        0 => return "0".to_string(),
        1.. => '+',
        _ => '-',
    };
    let count = thousands(more.unsigned_abs());
    match percent {
        Some(percent) => format!("{sign}{count} ({percent:+.1} %)"),
        None => format!("{sign}{count}"),
    }
}

/// A number with a comma before each three digits.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_can_be_built_and_has_a_dense_one_beside_it() {
        for (block, datapaths) in MODES {
            let config = isa::config::Config {
                datapaths: datapaths.parse().unwrap(),
                ..isa::config::Config::with_array(8, 8)
            };
            assert_eq!(config.check(), Ok(()), "{datapaths}");
            assert!(MODES.contains(&(block, "dense")));
        }
    }

    #[test]
    fn differences_have_a_sign_and_a_share() {
        assert_eq!(difference(beside(1000, 1500)), "+500 (+50.0 %)");
        assert_eq!(difference(beside(64, 32)), "-32 (-50.0 %)");
        assert_eq!(difference(beside(7, 7)), "0");
        assert_eq!(difference(beside(0, 1234)), "+1,234");
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(12_345_678), "12,345,678");
    }

    #[test]
    fn tables_have_all_designs() {
        let design = |datapaths: &str| Design {
            block: Block::Card,
            size: "8x8".parse().unwrap(),
            datapaths: datapaths.parse().unwrap(),
        };
        let cells = |luts: u64| Cells::of(&json!({ "LUT4": luts }));
        let measured = [(design("dense"), cells(1000)), (design("all"), cells(1100))];
        let text = tables(&measured);
        let all = "| card, narrow,groups,two-four,blocks |";
        assert!(
            text.contains("| card, dense | 1,000 | 1,000 | 0 |"),
            "{text}"
        );
        assert!(text.contains(&format!("{all} 1,100 |")), "{text}");
        assert!(text.contains(&format!("{all} +100 (+10.0 %) |")), "{text}");
        assert_eq!(text.matches("card, dense").count(), 1, "{text}");
        let json = in_json(&measured);
        assert_eq!(json[1]["beside_dense"]["LUTs"]["more"], 100);
        assert_eq!(json[1]["cells"]["LUTs"], 1100);
        assert_eq!(json[0]["datapaths"], "dense");
    }
}
