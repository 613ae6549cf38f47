//! The RTL of Systole in Rust-HDL, one block a file, and the emitter that makes Verilog of it.
#![allow(
    clippy::collapsible_match,
    reason = "rust-hdl's kernels know no match guards"
)]

pub mod array;
pub mod card;
pub mod emit;
pub mod engine;
pub mod front;
pub mod mem;
pub mod pcie;
mod wrapper;

pub use wrapper::{EmitCardError, LinkConfig, PCIE_TOP, TOP, emit_card, emit_pcie_card};
