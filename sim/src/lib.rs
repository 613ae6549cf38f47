//! The Verilated card in process: RTL, memory model, waveforms.
//!
//! [`Card`] is a card that runs cycle by cycle in front of any [`memory::HostMemory`]. Its memory
//! port goes through [`memory::Dram`], which has latency, bandwidth and moods, and which refuses a
//! card that breaks the rules of AXI4.

mod cache;
mod card;
mod error;
pub mod library;
pub mod memory;
mod ports;
mod rtl;

pub use card::{Card, Options};
pub use error::Error;
