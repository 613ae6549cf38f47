//! The PCI Express endpoint above a hard block: packets in, packets out.

#[allow(
    missing_docs,
    reason = "the derive of LogicStruct adds methods without docs"
)]
mod bursts;
mod bytes;
mod completion_head;
mod decode;
mod lanes;
mod line_writer;
mod local_port;
mod packet_queue;
mod receive;
#[allow(
    missing_docs,
    reason = "the derive of LogicStruct adds methods without docs"
)]
mod request;
mod split;
mod target;
mod word_queue;

pub use bursts::{LocalBurst, Owed};
pub use completion_head::CompletionHead;
pub use decode::Decode;
pub use lanes::Lanes;
pub use line_writer::LineWriter;
pub use local_port::LocalPort;
pub use packet_queue::PacketQueue;
pub use receive::Receive;
pub use request::{NonPosted, Posted, WINDOW_MEMORY, WINDOW_NONE, WINDOW_REGISTERS};
pub use split::Split;
pub use target::{Target, TargetState};
pub use word_queue::WordQueue;
