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
use isa::weights::{INDEX_STEPS, SCALE_UNITS, StreamFormat};

/// Cycles from a step of a feed to its weights at the array: two of the buffer, or one of the
/// window and one of the widening, and two more where codes are multiplied by scales.
pub const fn step_latency(datapaths: &Datapaths) -> usize {
    if datapaths.groups { 4 } else { 2 }
}

/// Units that one action takes the indices of, in an array of `rows` rows: two for each of the steps
/// that share them.
pub(crate) fn index_units(rows: usize) -> usize {
    2 * (rows / 2).min(INDEX_STEPS as usize)
}

/// What divides the units of every action, and so the position of each, in an array of `rows x cols`:
/// 1, 2, 4 or 8. Each is a power of two, or narrow codes make it 1.
pub(crate) fn position_step(rows: usize, cols: usize, datapaths: &Datapaths) -> usize {
    let parts = [
        (datapaths.narrow, 1),
        (datapaths.groups, SCALE_UNITS as usize),
        (datapaths.two_four, index_units(rows)),
        (
            datapaths.blocks,
            StreamFormat::header_units(cols as u32) as usize,
        ),
    ];
    let here = parts.iter().filter(|(has, _)| *has);
    here.map(|(_, units)| *units).min().unwrap_or(8)
}
