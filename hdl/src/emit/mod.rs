//! From Rust-HDL blocks to readable Verilog.
//!
//! rust-hdl's own printer disagrees with its kernel language in places (precedence of `&` and
//! `==`, carries that survive a cast, literals that are always 32 bits wide, products at the
//! operand's width) and makes a module of every instance. This back end walks the same blocks and
//! the same syntax trees and prints what the kernels mean: every operation in parentheses, every
//! literal and every extension at its exact width, registers as registers, and one module for all
//! instances that are alike. A width that does not fit is an error here, not a warning later.

mod design;
mod expr;
mod groups;
mod index;
mod module;
mod names;

pub use design::{EmitError, Emitted, Port, emit};
