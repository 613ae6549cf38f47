//! Memory of the host by the address at which a card sees it (IOVA).
//!
//! [`DmaTable`] does what an IOMMU does: it knows which addresses a card may read and write, and
//! refuses, counts and names everything else.

mod backing;
mod fault;
mod huge;
mod table;

pub use backing::{Backing, HostBytes};
pub use fault::{DmaFault, Faults, MapError};
pub use table::{DmaTable, Permissions};
