//! The generator of `docs/isa.md`: prose and tables of the contract, from the contract itself.
//!
//! `cargo run -p systole-isa --features doc --example isa_docs` writes the page, and a test fails
//! when it is stale.

mod checks;
mod commands;
mod numbers;
mod queue;
mod registers;
mod tables;

use alloc::string::String;

pub use checks::{Check, checks};

const INTRODUCTION: &str = "\
<!-- Generated: `cargo run -p systole-isa --features doc --example isa_docs`. Do not edit. -->

# The contract of the card

What the host and the card agree on, bit by bit. Its source is the crate `isa/`; this page is \
generated from the same tables as the encoders, the decoders and the RTL, so it cannot disagree \
with them. The executable meaning of everything here is the functional model, `isa::model`.

How a program comes to run:

1. The host writes a **program**, an array of 64-byte commands, and the data into memory.
2. It writes a **submission** (64 bytes: where the program is, how long, a tag) into the \
submission ring and tells the card with a **doorbell** register.
3. The card's front end reads the commands in order, checks each, and hands it to one of three \
**engines**: LOAD (memory to on-chip buffers), GEMM (the array) and STORE (accumulators to memory).
4. The engines run at once. **Tokens** in the commands say who waits for whom.
5. At the end, or at the first error, the card writes a **completion** (32 bytes: the tag, the \
cause, the cycles) into the completion ring and may raise an interrupt.

Words used on this page:

| Word | Meaning |
|---|---|
| line | `port_bytes` bytes, the width of the memory port; the unit of every transfer |
| rows, cols | the size of the array: it takes `rows` values of K and makes `cols` values of N in a cycle |
| tile | `rows` values of K of some rows of the activations, or `rows` x `cols` weights |
| word | 32 bits, little-endian; in tables, bit 0 is the lowest |
| reserved | a bit that no table names; it must be zero |

Contents: [programs and tokens](#programs-and-tokens) · [LOAD](#load) · [GEMM](#gemm) · \
[STORE](#store) · [data layout](#layout-of-data) · [streams of weights](#streams-of-weights) · \
[number formats](#number-formats) · \
[queue pair](#queue-pair) · [error codes](#error-codes) · [registers](#registers) · \
[counters](#counters)
";

/// The whole of `docs/isa.md`.
pub fn page() -> String {
    let mut out = String::from(INTRODUCTION);
    commands::write(&mut out);
    numbers::write(&mut out);
    queue::write(&mut out);
    registers::write(&mut out);
    out
}
