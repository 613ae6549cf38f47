//! Prints how fast idle cards are simulated on one core, by the size of the array.
//!
//! `cargo run --release -p systole-sim --example card_speed -- 4x4 8x8 16x16`
//!
//! An idle card costs what a busy one does: Verilator evaluates every register in every cycle.
//! The best of 40 runs of 25,000 cycles counts, so that other work on the machine shows less.

use std::error::Error;

use isa::config::Config;
use isa::model::SliceMemory;
use isa::regs;
use sim::{Card, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let sizes: Vec<String> = std::env::args().skip(1).collect();
    let sizes = if sizes.is_empty() {
        vec!["16x16".to_string()]
    } else {
        sizes
    };
    for size in sizes {
        let (rows, cols) = size
            .split_once('x')
            .ok_or_else(|| format!("`{size}` is no array size: write it like 16x16"))?;
        let config = Config::with_array(rows.parse()?, cols.parse()?);
        let mut card = Card::open(&config, &Options::default(), SliceMemory::new(0, 4096))?;
        if card.read_reg(regs::ID)? != regs::ID_VALUE {
            return Err("the card does not tell its identity".into());
        }
        let mut best = 0f64;
        for _ in 0..40 {
            let (cycles, wall) = (card.cycles(), card.wall_time());
            card.step(25_000)?;
            let seconds = (card.wall_time() - wall).as_secs_f64();
            best = best.max((card.cycles() - cycles) as f64 / seconds);
        }
        println!("{size}: {:.0},000 cycles a second", best / 1000.0);
    }
    Ok(())
}
