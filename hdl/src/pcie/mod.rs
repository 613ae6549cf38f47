//! The PCI Express endpoint, the transaction layer above a hard block: packets in, packets out.

mod ask;
mod banks;
#[allow(
    missing_docs,
    reason = "the derive of LogicStruct adds methods without docs"
)]
mod bursts;
mod bytes;
pub mod cause;
mod collect;
mod completion_head;
mod cut;
mod deadline;
mod decode;
mod endpoint;
mod gather;
mod lanes;
mod line_writer;
mod lines;
mod local_port;
mod msix;
#[allow(
    missing_docs,
    reason = "the derive of LogicStruct adds methods without docs"
)]
mod packet;
mod packet_queue;
mod post;
mod read;
mod receive;
#[allow(
    missing_docs,
    reason = "the derive of LogicStruct adds methods without docs"
)]
mod request;
#[allow(
    missing_docs,
    reason = "the derive of LogicStruct adds methods without docs"
)]
mod slot;
mod split;
mod table;
mod tags;
mod target;
mod top;
mod transmit;
mod word_queue;
mod write;

pub use bursts::{LocalBurst, Owed};
pub use completion_head::CompletionHead;
pub use decode::Decode;
pub use endpoint::{Endpoint, ResetState};
pub use lanes::Lanes;
pub use line_writer::LineWriter;
pub use local_port::LocalPort;
pub use msix::Msix;
pub use packet_queue::PacketQueue;
pub use read::ReadEngine;
pub use receive::Receive;
pub use request::{NonPosted, Posted, WINDOW_MEMORY, WINDOW_NONE, WINDOW_REGISTERS};
pub use split::Split;
pub use target::{Target, TargetState};
pub use top::PcieCard;
pub use transmit::Transmit;
pub use word_queue::WordQueue;
pub use write::WriteEngine;
