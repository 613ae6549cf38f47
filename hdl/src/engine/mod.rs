//! The engines that run commands at the same time.

mod burst;
mod entry;
mod gemm;
mod join;
mod load;
mod requant;
mod store;

pub use burst::BurstCutter;
pub use entry::{GemmEntry, LoadEntry, StoreEntry};
pub use gemm::{GemmEngine, StreamTag};
pub use load::LoadEngine;
pub use requant::RequantLane;
pub use store::StoreEngine;
