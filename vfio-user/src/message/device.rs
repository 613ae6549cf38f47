//! `DEVICE_GET_INFO`.

use super::DecodeError;
use super::bytes::{Reader, Writer};

/// The device can be reset.
const RESET: u32 = 1 << 0;
/// The device is a PCI function.
const PCI: u32 = 1 << 1;

/// What a device consists of; the command has the same form with zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Whether it can be reset.
    pub resettable: bool,
    /// Whether it is a PCI function.
    pub pci: bool,
    /// Regions.
    pub regions: u32,
    /// Interrupt types.
    pub irqs: u32,
}

impl DeviceInfo {
    const BYTES: u32 = 16;

    /// From a payload, of the command or of its reply.
    ///
    /// # Errors
    /// A wrong length.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("DEVICE_GET_INFO", payload);
        reader.argsz(Self::BYTES)?;
        let flags = reader.u32()?;
        let (regions, irqs) = (reader.u32()?, reader.u32()?);
        reader.end()?;
        Ok(Self {
            resettable: flags & RESET != 0,
            pci: flags & PCI != 0,
            regions,
            irqs,
        })
    }

    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        let reset = if self.resettable { RESET } else { 0 };
        let pci = if self.pci { PCI } else { 0 };
        Writer::default()
            .u32(Self::BYTES)
            .u32(reset | pci)
            .u32(self.regions)
            .u32(self.irqs)
            .done()
    }
}
