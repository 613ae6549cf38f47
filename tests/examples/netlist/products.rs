//! Products of several shapes, with weights in all formats that the card takes.

use std::error::Error;

use isa::format::OutputFormat;
use sim::memory::{MemoryOptions, Random};
use systole::backend::{Backend, Place};
use systole::matmul::MatMul;

use crate::cards::Cards;
use crate::encoded::{Recipe, widen};
use crate::table::Table;

/// What a row of the table is called, and what it is made of.
type Case = (&'static str, Recipe);

/// The products of a card: those with formats that it has no datapath for are left out.
fn cases(cards: &Cards) -> Vec<Case> {
    let (rows, cols) = (cards.config.rows as usize, cards.config.cols as usize);
    let has = cards.config.datapaths;
    let blocks = Some((rows, cols, 50));
    let narrow = |bits, recipe| Recipe { bits, ..recipe };
    let grouped = |recipe| Recipe {
        group: 32,
        most_scale: 15,
        ..narrow(4, recipe)
    };
    let sparse = |recipe| Recipe {
        sparse: true,
        ..recipe
    };
    let blocked = |recipe| Recipe { blocks, ..recipe };
    // Where two products share a multiplier, weights of -128 are for the CPU.
    let full = if has.packed_products { 7 } else { 8 };
    let dense = |m, k, n, seed| Recipe {
        m,
        k,
        n,
        bits: full,
        group: 0,
        most_scale: 0,
        sparse: false,
        blocks: None,
        dead: (0, 1, 0),
        seed,
    };
    let all = has.narrow && has.groups && has.two_four && has.blocks;
    let drawn = [
        (true, "int8, one value", dense(1, 1, 1, 1)),
        (true, "int8", dense(5, 37, 9, 2)),
        (true, "int8, many tiles", dense(40, 70, 33, 3)),
        (has.narrow, "int4", narrow(4, dense(9, 50, 13, 4))),
        (has.narrow, "int3", narrow(3, dense(6, 33, 10, 5))),
        (
            has.groups,
            "int4, groups of 32",
            grouped(dense(9, 96, 12, 6)),
        ),
        (has.two_four, "int8, 2:4", sparse(dense(7, 64, 11, 7))),
        (has.blocks, "int8, blocks", blocked(dense(8, 64, 24, 8))),
        (
            all,
            "int4, groups of 32, 2:4, blocks",
            blocked(sparse(grouped(dense(8, 128, 24, 9)))),
        ),
    ];
    let drawn = drawn.into_iter().filter(|(has, ..)| *has);
    drawn.map(|(_, name, recipe)| (name, recipe)).collect()
}

/// Runs each product on memory that is always ready and on one that is not.
pub fn compare(cards: &Cards, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let moods = [
        ("", MemoryOptions::default()),
        (
            ", rough memory",
            MemoryOptions {
                random: Some(Random::rough(1)),
                ..MemoryOptions::default()
            },
        ),
    ];
    for (mood, memory) in &moods {
        for (name, recipe) in cases(cards) {
            let what = format!("{}x{}x{} {name}{mood}", recipe.m, recipe.k, recipe.n);
            eprintln!("{what}");
            let traces = cards.both(memory, |card| on_card(card, &recipe))?;
            table.add(what, &traces);
        }
    }
    Ok(())
}

/// Integers of a result, and the cycles that the card counted for them.
type Counted = (Vec<i32>, Option<u64>);

/// The integers of a product in each format of results, with the cycles that they took; an error
/// when they are not those that the definition gives.
fn on_card(card: &mut dyn Backend, recipe: &Recipe) -> Result<Vec<Counted>, Box<dyn Error>> {
    let product = recipe.product();
    let jobs: Vec<MatMul<'_>> = OutputFormat::ALL
        .into_iter()
        .map(|format| product.job(&product.weights, format))
        .collect();
    let mut results = Vec::new();
    for (job, outcome) in jobs.iter().zip(card.run(&jobs)?) {
        let report = outcome.report;
        if report.place != Place::Device {
            return Err(format!("the product did not run on the card: {}", report.reason).into());
        }
        let values = widen(&outcome.values);
        if values != product.expected(job.format()) {
            return Err(format!("{:?} are wrong integers on both cards", job.format()).into());
        }
        results.push((values, report.cycles));
    }
    Ok(results)
}
