//! Simulated cards: in process, as PCI functions, behind a socket.
//!
//! [`Card`] is a card that runs cycle by cycle in front of any [`memory::HostMemory`]. Its memory
//! port goes through [`memory::Dram`], which has latency, bandwidth and moods, and which refuses a
//! card that breaks the rules of AXI4.
//!
//! [`function::Function`] is a card as a PCI function: configuration space, windows, interrupts,
//! and [`dma`], the memory of the host that it may reach. [`RtlCard`] is one cycle by cycle: the
//! Verilated card with its PCIe endpoint, behind a link to a root complex that checks every packet.
//! [`FunctionalCard`] is one without a clock. [`server`] shows any of them to drivers and virtual
//! machines; [`serial`] is for cards that have a serial line instead.

mod cache;
mod card;
pub mod dma;
mod error;
pub mod function;
mod functional;
pub mod library;
mod link;
pub mod memory;
mod ports;
mod rtl;
pub mod serial;
pub mod server;

pub use card::{Card, Options};
pub use error::Error;
pub use functional::FunctionalCard;
pub use link::{LinkOptions, RtlCard};
