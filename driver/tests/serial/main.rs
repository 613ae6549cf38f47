//! The driver over a serial line: products, noise, lines that are cut, cards that misbehave.

#![cfg(feature = "sim")]

#[path = "../road/mod.rs"]
#[allow(dead_code, reason = "only its products are of use here")]
mod road;

mod bad_cards;
mod bad_lines;
mod devices;
mod products;
