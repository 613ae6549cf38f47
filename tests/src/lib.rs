//! Helpers of the tests that cross rooms: a queue pair by hand, on the RTL and on the model, and
//! random programs for it; the driver on cards to which something happens.

pub mod bench;
pub mod link;
pub mod meddle;
pub mod netlist;
pub mod product;
pub mod program;
pub mod rig;
pub mod rng;

/// Whether the long tier is asked for, as `cargo xtask test --full` does.
pub fn full() -> bool {
    std::env::var_os("SYSTOLE_FULL").is_some_and(|value| value != "0")
}
