//! From the weight buffer into the array: what is read when, and what it means.

#[allow(
    missing_docs,
    reason = "the derive of LogicStruct adds methods without docs"
)]
mod entry;
mod lane;
mod packed;
mod plain;
mod scale;
mod unpack;
mod window;

pub use entry::{Action, WeightsEntry};
pub use lane::CodeLane;
pub use packed::PackedFeed;
pub use plain::PlainFeed;
pub use scale::ScaleLane;
pub use unpack::Unpack;
pub use window::Window;

use isa::config::Datapaths;

/// Cycles from a step of a feed to its weights at the array: two of the buffer, or one of the
/// window and one of the widening, and two more where codes are multiplied by scales.
pub const fn step_latency(datapaths: &Datapaths) -> usize {
    if datapaths.groups { 4 } else { 2 }
}
