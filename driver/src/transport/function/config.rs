//! Configuration space: where things stand in it (PCI Local Bus Specification 3.0, chapter 6).

use super::Function;
use crate::transport::TransportError;

/// Vendor, 16 bits.
pub(crate) const VENDOR: u16 = 0x00;
/// Command register, 16 bits.
pub(crate) const COMMAND: u16 = 0x04;
/// [`COMMAND`]: the BARs answer.
pub(crate) const COMMAND_MEMORY: u16 = 1 << 1;
/// [`COMMAND`]: the function may access memory and send interrupts.
pub(crate) const COMMAND_BUS_MASTER: u16 = 1 << 2;
/// Status register, 16 bits.
pub(crate) const STATUS: u16 = 0x06;
/// [`STATUS`]: there is a list of capabilities.
pub(crate) const STATUS_CAPABILITIES: u16 = 1 << 4;
/// Offset of the first capability, 8 bits.
pub(crate) const CAPABILITIES: u16 = 0x34;
/// Number of the capability PCI Express.
#[cfg(feature = "sim")]
pub(crate) const CAPABILITY_EXPRESS: u8 = 0x10;
/// Device control, from the capability PCI Express on, 16 bits.
#[cfg(feature = "sim")]
pub(crate) const DEVICE_CONTROL: u16 = 8;
/// [`DEVICE_CONTROL`]: the function is reset.
#[cfg(feature = "sim")]
pub(crate) const DEVICE_CONTROL_RESET: u16 = 1 << 15;
/// Number of the capability MSI-X.
pub(crate) const CAPABILITY_MSIX: u8 = 0x11;
/// Message control of MSI-X, from its capability on, 16 bits.
pub(crate) const MSIX_CONTROL: u16 = 2;
/// [`MSIX_CONTROL`]: vectors less one.
pub(crate) const MSIX_CONTROL_VECTORS: u16 = 0x7ff;
/// [`MSIX_CONTROL`]: MSI-X is on.
#[cfg(feature = "sim")]
pub(crate) const MSIX_CONTROL_ENABLE: u16 = 1 << 15;
/// Where the table of MSI-X stands, from its capability on: BAR in bits 2:0, offset above.
#[cfg(feature = "sim")]
pub(crate) const MSIX_TABLE: u16 = 4;
/// Capabilities that fit the space behind the header.
const MOST_CAPABILITIES: u32 = 48;

/// Reads 16 bits.
pub(crate) fn read16<F: Function + ?Sized>(
    function: &F,
    offset: u16,
) -> Result<u16, TransportError> {
    let mut data = [0; 2];
    function.config_read(offset, &mut data)?;
    Ok(u16::from_le_bytes(data))
}

/// Sets the bits of the command register that are in `mask` to those of `value`.
pub(crate) fn command<F: Function + ?Sized>(
    function: &F,
    mask: u16,
    value: u16,
) -> Result<(), TransportError> {
    let now = read16(function, COMMAND)?;
    function.config_write(COMMAND, &(now & !mask | value & mask).to_le_bytes())
}

/// Offset of the capability with this number, as `read` gives the 16 bits at an offset; a list that
/// bites its tail ends.
pub(crate) fn find_capability<E>(
    number: u8,
    mut read: impl FnMut(u16) -> Result<u16, E>,
) -> Result<Option<u16>, E> {
    if read(STATUS)? & STATUS_CAPABILITIES == 0 {
        return Ok(None);
    }
    let mut at = read(CAPABILITIES)? & 0xfc;
    for _ in 0..MOST_CAPABILITIES {
        if at < 0x40 {
            break;
        }
        let head = read(at)?;
        if head as u8 == number {
            return Ok(Some(at));
        }
        at = head >> 8 & 0xfc;
    }
    Ok(None)
}
