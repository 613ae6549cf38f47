//! The vfio-user protocol: a PCI device in another process, over a UNIX socket.
//!
//! A *server* holds the device, a *client* drives it. This crate has both ends and the messages
//! between them, as QEMU's `docs/interop/vfio-user.rst` specifies them (version 0.1 without
//! migration), and knows nothing of any particular device.
//!
//! * [`server::Server`] listens, [`server::Session`] is one client of it, and [`Device`] is what
//!   it shows; [`Memory`] is what a device may reach of its client.
//! * [`client::Client`] drives the device of a server.
//! * [`message`] has every message and its form on the wire.
//! * All numbers on the wire are in the byte order of the host; both ends run on one machine.

mod calls;
pub mod client;
pub mod device;
mod errno;
mod memory;
pub mod message;
pub mod server;
mod socket;

pub use device::{
    Area, Description, Device, DmaMap, Irq, IrqAction, IrqData, IrqFlags, IrqSet, MapFlags,
    Mapping, Region, RegionFlags,
};
pub use errno::Errno;
pub use memory::Memory;
