//! Helpers of the tests that cross rooms: a queue pair by hand, on the RTL and on the model.

pub mod bench;
