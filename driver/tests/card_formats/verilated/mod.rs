//! The Verilated card.

mod corners;
mod counted;
mod decoding;
mod speed;
mod sweeps;
mod weight_bytes;

use isa::config::Config;
use sim::memory::MemoryOptions;
use systole::device::DeviceBackend;
use systole::transport::SimTransport;

use crate::check::backend;

/// A card in front of this memory.
fn card(config: &Config, memory: MemoryOptions) -> DeviceBackend {
    let options = sim::Options { fst: false, memory };
    backend(Box::new(
        SimTransport::open(config, &options).expect("the card builds"),
    ))
}

/// Whether the long tier is asked for, as `cargo xtask test --full` does.
fn full() -> bool {
    std::env::var_os("SYSTOLE_FULL").is_some_and(|value| value != "0")
}
