//! Prints how fast cards behind PCIe are simulated on one core, idle, by the size of the array.
//!
//! `cargo run --release -p systole-sim --example link_speed -- 4x4 16x16`
//!
//! Compare with `card_speed`, which runs the same card without its endpoint.

use std::error::Error;

use isa::config::Config;
use isa::pci::REGISTER_BAR;
use isa::regs;
use pcie::config_space::registers::{COMMAND, COMMAND_MEMORY};
use sim::function::Function;
use sim::{LinkOptions, RtlCard};

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
        let mut card = RtlCard::open(&config, &LinkOptions::default())?;
        card.config_write(COMMAND, &COMMAND_MEMORY.to_le_bytes());
        let mut id = [0; 4];
        card.bar_read(REGISTER_BAR, regs::ID.into(), &mut id)?;
        if u32::from_le_bytes(id) != regs::ID_VALUE {
            return Err("the card does not tell its identity".into());
        }
        let mut best = 0f64;
        for _ in 0..40 {
            let (cycles, wall) = (card.cycles(), card.wall_time());
            card.step(25_000)?;
            let seconds = (card.wall_time() - wall).as_secs_f64();
            let cycles = card
                .cycles()
                .zip(cycles)
                .map_or(0, |(now, then)| now - then);
            best = best.max(cycles as f64 / seconds);
        }
        println!("{size}: {:.0},000 cycles a second", best / 1000.0);
    }
    Ok(())
}
