//! The PCI Express endpoint: the transaction layer above a hard block.

mod ask;
mod banks;
mod bytes;
pub mod cause;
mod collect;
mod cut;
mod deadline;
mod gather;
mod lines;
#[allow(
    missing_docs,
    reason = "the derive of LogicStruct adds methods without docs"
)]
mod packet;
mod post;
mod read;
#[allow(
    missing_docs,
    reason = "the derive of LogicStruct adds methods without docs"
)]
mod slot;
mod table;
mod tags;
mod write;

pub use read::ReadEngine;
pub use write::WriteEngine;
