//! On-chip memories.

mod accumulators;
mod blocks;
mod buffer;
mod fifo;
mod line_fifo;
mod line_queue;
mod line_slice;
mod shown_fifo;

pub use accumulators::Accumulators;
pub use buffer::Buffer;
pub use fifo::Fifo;
pub use line_fifo::LineFifo;
pub use line_queue::LineQueue;
pub use line_slice::LineSlice;
pub use shown_fifo::ShownFifo;
