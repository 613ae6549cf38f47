//! The engines that run commands at the same time.

mod burst;
#[allow(
    missing_docs,
    reason = "the derive of LogicStruct adds methods without docs"
)]
mod entry;
mod gemm;
mod join;
mod lanes;
mod load;
mod requant;
mod store;
#[allow(
    missing_docs,
    reason = "the derive of LogicStruct adds methods without docs"
)]
mod tag;

pub use burst::BurstCutter;
pub use entry::{GemmEntry, LoadEntry, StoreEntry};
pub use gemm::GemmEngine;
pub use lanes::ActLanes;
pub use load::LoadEngine;
pub use requant::RequantLane;
pub use store::StoreEngine;
pub use tag::StreamTag;
