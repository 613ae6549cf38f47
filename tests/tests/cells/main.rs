//! The models of cells of an ECP5 against plain Rust, over random and extreme inputs.

mod bench;
mod memory;
mod multiplier;
mod table;
