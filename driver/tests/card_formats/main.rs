//! Products with packed and sparse weights on cards: the bits of the dense matrix that the weights
//! mean, on the functional card for many shapes of cards, on the Verilated one under stalls; and
//! what is left out is not fetched.
//!
//! `SYSTOLE_FULL=1` draws ten times as many products and builds more cards.

mod cards;
mod check;
mod corners;
#[path = "../encoded/mod.rs"]
mod encoded;
mod functional;
mod recipes;
#[cfg(feature = "sim")]
mod verilated;
