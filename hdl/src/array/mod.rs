//! The systolic array.

mod delay;
mod grid;
mod pe;

pub use delay::Delay;
pub use grid::Array;
pub use pe::{Pe, SUM_BITS};
