//! The vfio-user protocol: a PCI device in another process, over a UNIX socket.
//!
//! A *server* holds the device, a *client* drives it. This crate has both ends and the messages
//! between them, as QEMU's `docs/interop/vfio-user.rst` specifies them (version 0.1 without
//! migration), and knows nothing of any particular device.
//!
//! * [`Device`] is what a server shows; [`Memory`] is what a device may reach of its client.
//! * All numbers on the wire are in the byte order of the host; both ends run on one machine.

pub mod device;
mod errno;
mod memory;

pub use device::{
    Area, Description, Device, DmaMap, Irq, IrqAction, IrqData, IrqFlags, IrqSet, MapFlags,
    Mapping, Region, RegionFlags,
};
pub use errno::Errno;
pub use memory::Memory;
