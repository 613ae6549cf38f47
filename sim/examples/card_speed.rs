//! Prints how fast an idle card of the default shape is simulated.
//!
//! `cargo run --release -p systole-sim --example card_speed`

use isa::config::Config;
use isa::model::SliceMemory;
use isa::regs;
use sim::{Card, Options};

fn main() -> Result<(), sim::Error> {
    let host = SliceMemory::new(0, 4096);
    let mut card = Card::open(&Config::default(), &Options::default(), host)?;
    println!("identity {:#010x}", card.read_reg(regs::ID)?);
    let mut best = 0f64;
    for _ in 0..20 {
        let (cycles, wall) = (card.cycles(), card.wall_time());
        card.step(50_000)?;
        let seconds = (card.wall_time() - wall).as_secs_f64();
        best = best.max((card.cycles() - cycles) as f64 / seconds);
    }
    println!("idle: {best:.0} cycles a second");
    Ok(())
}
