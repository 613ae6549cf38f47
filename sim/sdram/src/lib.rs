//! An SDRAM chip of 256 Mbit with 16 data pins, at pin level and in plain Rust.
//!
//! [`Chip`] takes the pins once a cycle, stores and gives data, and writes down every rule of the
//! data sheet that is broken, with its cycle. It knows nothing of the controller: times are those of
//! [`DataSheet`] in picoseconds, and it counts time, not cycles. [`WiredChip`] is one whose clock is a
//! wire too, and which sees when within a cycle its pins change.

mod bank;
mod chip;
mod data_sheet;
mod pins;
mod rule;
mod wired;

pub use chip::Chip;
pub use data_sheet::DataSheet;
pub use pins::{Command, Pins};
pub use rule::{Rule, Violation};
pub use wired::WiredChip;
