//! The card as a PCI function: identity, windows and interrupts.

/// Vendor. The identity of the FPGA's maker, as open designs for its hard block use it.
pub const VENDOR_ID: u16 = 0x10ee;
/// Device: the letters SY.
pub const DEVICE_ID: u16 = 0x5359;
/// Subsystem vendor.
pub const SUBSYSTEM_VENDOR_ID: u16 = 0x10ee;
/// Subsystem: the letters ST.
pub const SUBSYSTEM_ID: u16 = 0x5354;
/// Class: processing accelerator (PCI Code and ID Assignment Specification, 1.19).
pub const CLASS: u32 = 0x12_0000;
/// Revision.
pub const REVISION: u8 = 1;

/// BAR of the registers, 32 bits, not prefetchable.
pub const REGISTER_BAR: u8 = 0;
/// Bytes of [`REGISTER_BAR`]: the registers of [`crate::regs`] at 0, the table of MSI-X and its
/// pending bits further up, each on pages of its own, nothing elsewhere.
pub const REGISTER_BAR_BYTES: u64 = 0x1_0000;
/// Where the table of MSI-X stands in [`REGISTER_BAR`].
pub const MSIX_TABLE: u32 = 0x8000;
/// Where the pending bits of MSI-X stand in [`REGISTER_BAR`].
pub const MSIX_PENDING: u32 = 0xc000;
/// BAR of the card's memory, 64 bits, prefetchable; absent on a card without memory.
pub const MEMORY_BAR: u8 = 2;
