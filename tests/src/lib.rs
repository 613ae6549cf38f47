//! Helpers of the tests that cross rooms: a queue pair by hand, on the RTL and on the model, and
//! random programs for it.

pub mod bench;
pub mod program;
pub mod rng;
