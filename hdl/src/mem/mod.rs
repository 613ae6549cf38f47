//! On-chip memories.

mod accumulators;
mod blocks;
mod buffer;
mod fifo;
mod line_fifo;
mod line_queue;

pub use accumulators::Accumulators;
pub use buffer::Buffer;
pub use fifo::Fifo;
pub use line_fifo::LineFifo;
pub use line_queue::LineQueue;
