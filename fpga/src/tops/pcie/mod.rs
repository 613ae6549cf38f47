//! A PCI Express link of the 7 series: the hard block and a transceiver, and what is ours between
//! them and the endpoint.
//!
//! ```text
//!          125 MHz (PIPE)                         62.5 MHz
//!                +-----+      +-----------+ b_* +-----------+ rx_*
//! +-----------+  |     |----->|           |---->| FromBlock |----->
//! |transceiver|->| Phy |      | hard block|     +-----------+       hdl::pcie::PcieCard
//! |           |<-|     |      |           | b_* +-----------+ tx_*
//! +-----------+  +-----+      |           |<----|  ToBlock  |<-----
//!   ^  |                ----->|           |     +-----------+
//!   |  v clocks               |           |---> Identity ---> cfg_id
//!   |                         |           |<--> PacketMemory, one for each direction
//!  lane                       +-----------+
//! ```
//!
//! The cells of the part are printed with settings of our own after the data sheets of the part:
//! UG477 and PG054 (the block), UG482 (the transceiver), UG472 (clocks). No vendor's code is part of
//! it. Values of attributes that those documents only call recommended are those that open
//! endpoints run with on hardware.

mod clocks;
mod from_block;
mod hard_block;
mod identity;
mod instance;
mod lane_in;
mod packet_memory;
mod phy;
mod to_block;
mod transceiver;
mod wake;
mod width_bit;

pub use clocks::{CLOCKS, clocks};
pub use from_block::FromBlock;
pub use hard_block::{HARD_BLOCK, hard_block};
pub use identity::Identity;
pub use lane_in::LaneIn;
pub use packet_memory::{PACKET_ROWS, PacketMemory};
pub use phy::Phy;
pub use to_block::ToBlock;
pub use transceiver::{TRANSCEIVER, transceiver};
pub use wake::{Wake, WakeState};
pub use width_bit::{WidthBit, WidthState};
