//! The driver on a card of RTL and on one of cells.

use std::error::Error;

use isa::config::Config;
use sim::library::Library;
use sim::memory::MemoryOptions;
use systole::cpu::CpuBackend;
use systole::device::{DeviceBackend, Options};
use systole::transport::SimTransport;

/// What both cards are made of.
pub struct Cards {
    /// The RTL.
    pub rtl: Library,
    /// The netlist.
    pub netlist: Library,
    /// Their shape.
    pub config: Config,
}

/// What work left behind.
#[derive(Debug, PartialEq)]
pub struct Trace<T> {
    /// What came of it.
    pub results: T,
    /// Cycles of the clock of the simulation, from power-up to the end of the work.
    pub clock: u64,
    /// What the card counted.
    pub counters: Vec<u64>,
}

impl Cards {
    /// Does the same on both cards, each after its power-up; the RTL comes first.
    pub fn both<T>(
        &self,
        memory: &MemoryOptions,
        mut work: impl FnMut(&mut DeviceBackend) -> Result<T, Box<dyn Error>>,
    ) -> Result<[Trace<T>; 2], Box<dyn Error>> {
        let mut on = |library| -> Result<Trace<T>, Box<dyn Error>> {
            let options = sim::Options {
                fst: false,
                memory: memory.clone(),
            };
            let card = SimTransport::with_library(library, &self.config, &options)?;
            let cpu = Box::new(CpuBackend::new(1));
            let mut card = DeviceBackend::new(Box::new(card), cpu, Options::default())?;
            let results = work(&mut card)?;
            if card.faults() > 0 {
                return Err(format!("the card failed {} times", card.faults()).into());
            }
            let clock = card.transport().clock();
            Ok(Trace {
                results,
                clock: clock.ok_or("a simulated card has a clock")?,
                counters: card.counters().0.clone(),
            })
        };
        Ok([on(&self.rtl)?, on(&self.netlist)?])
    }
}
