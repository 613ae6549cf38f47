//! The contract between the rooms of Systole: registers, commands, queue entries, number formats
//! and the one definition of every integer function.
//!
//! Two rooms that must agree on a number find it here and nowhere else. `docs/isa.md` and the
//! constants of the RTL are generated from these tables.
//!
//! Features: `alloc` adds what packs weights for a card, `model` the functional model of a card,
//! `doc` the generator of `docs/isa.md`; both need `alloc`. Without it the crate allocates nothing.
#![no_std]

#[cfg(feature = "alloc")]
extern crate alloc;

pub mod command;
pub mod config;
#[cfg(feature = "doc")]
pub mod doc;
pub mod error;
pub mod format;
#[cfg(feature = "model")]
pub mod model;
pub mod numerics;
pub mod pci;
pub mod queue;
pub mod record;
pub mod regs;
pub mod serial;
pub mod weights;
