//! The host library of Systole.

pub mod backend;
pub mod compile;
pub mod cpu;
pub mod device;
pub mod dma;
pub mod embed;
pub mod encoding;
pub mod eval;
pub mod matmul;
pub mod model;
pub mod output;
pub mod quant;
pub mod queue;
pub mod sched;
pub mod sysfs;
pub mod transport;
