//! The RTL of Systole in Rust-HDL, one block a file, and the emitter that makes Verilog of it.
#![allow(
    clippy::collapsible_match,
    reason = "rust-hdl's kernels know no match guards"
)]

pub mod array;
mod buses;
pub mod card;
pub mod emit;
mod endpoint_wrapper;
pub mod engine;
pub mod front;
pub mod mem;
pub mod pcie;
pub mod sdram;
pub mod serial;
pub mod weights;
mod wrapper;

pub use endpoint_wrapper::{ENDPOINT_TOP, emit_endpoint};
pub use wrapper::{
    EmitCardError, LinkConfig, PCIE_TOP, SERIAL_TOP, SerialConfig, TOP, UART_TOP, emit_card,
    emit_pcie_card, emit_serial_card, emit_uart,
};
