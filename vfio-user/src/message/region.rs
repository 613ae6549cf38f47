//! `DEVICE_GET_REGION_INFO` with its capabilities, and `DEVICE_GET_REGION_IO_FDS`.

use super::DecodeError;
use super::bytes::{Reader, Writer};
use crate::device::{Area, RegionFlags};

/// Bytes of the fixed part, in the command and in its reply.
const FIXED: u32 = 32;
/// The region may be mapped.
const MMAP: u32 = 1 << 2;
/// Capabilities follow.
const CAPS: u32 = 1 << 3;
/// Capability: only these parts may be mapped.
const SPARSE_MMAP: u16 = 1;
/// Capability: the pages of the MSI-X table may be mapped as well.
const MSIX_MAPPABLE: u16 = 3;
/// Bytes of the header of a capability.
const CAP_HEADER: usize = 8;

/// The command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionInfoRequest {
    /// Bytes that the payload of the reply may have, at least 32.
    pub argsz: u32,
    /// The region.
    pub index: u32,
}

impl RegionInfoRequest {
    /// From a payload.
    ///
    /// # Errors
    /// A wrong length.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("DEVICE_GET_REGION_INFO", payload);
        let argsz = reader.argsz(FIXED)?;
        reader.u32()?;
        let index = reader.u32()?;
        reader.u32()?;
        reader.u64()?;
        reader.u64()?;
        reader.end()?;
        Ok(Self { argsz, index })
    }

    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        Writer::default()
            .u32(self.argsz)
            .u32(0)
            .u32(self.index)
            .u32(0)
            .u64(0)
            .u64(0)
            .done()
    }
}

/// The reply: what a region is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionInfo {
    /// The region.
    pub index: u32,
    /// How it may be accessed by messages.
    pub flags: RegionFlags,
    /// Whether it may be mapped, by the descriptor that comes along.
    pub mappable: bool,
    /// Its size in bytes.
    pub size: u64,
    /// Where it begins in the file, in bytes.
    pub offset: u64,
    /// What may be mapped of it; empty means all.
    pub areas: Vec<Area>,
    /// Whether the pages with the MSI-X table may be mapped as well.
    pub msix_mappable: bool,
}

impl RegionInfo {
    /// The payload, and whether it holds all: the capabilities are left out where the client has
    /// no room for them, and it is told how much they need.
    pub fn encode(&self, argsz: u32) -> (Vec<u8>, bool) {
        let sparse = (!self.areas.is_empty()).then(|| 8 + 16 * self.areas.len());
        let msix = self.msix_mappable.then_some(0);
        let caps: usize = [sparse, msix]
            .iter()
            .flatten()
            .map(|body| CAP_HEADER + body)
            .sum();
        // At most one area a page of the region, and regions are described by this process.
        let needed = FIXED + caps as u32;
        let whole = argsz >= needed;

        let mmap = if self.mappable { MMAP } else { 0 };
        let flags = self.flags.bits() | mmap | if caps > 0 { CAPS } else { 0 };
        let mut payload = Writer::default()
            .u32(needed)
            .u32(flags)
            .u32(self.index)
            .u32(if caps > 0 { FIXED } else { 0 })
            .u64(self.size)
            .u64(self.offset);
        if whole {
            if let Some(body) = sparse {
                let end = FIXED + (CAP_HEADER + body) as u32;
                payload = payload
                    .u16(SPARSE_MMAP)
                    .u16(1)
                    .u32(if msix.is_some() { end } else { 0 })
                    .u32(self.areas.len() as u32)
                    .u32(0);
                for area in &self.areas {
                    payload = payload.u64(area.offset).u64(area.size);
                }
            }
            if msix.is_some() {
                payload = payload.u16(MSIX_MAPPABLE).u16(1).u32(0);
            }
        }
        (payload.done(), whole)
    }

    /// From a payload: how many bytes the whole answer needs, and the answer. Where the first is
    /// more than the payload has, the capabilities are not in it yet.
    ///
    /// # Errors
    /// A wrong length, capabilities that lie outside the payload, overlap or do not end, a second
    /// list of areas, and areas outside the region. Capabilities and flags that are not known are
    /// passed over.
    pub fn decode(payload: &[u8]) -> Result<(u32, Self), DecodeError> {
        let mut reader = Reader::new("DEVICE_GET_REGION_INFO", payload);
        let argsz = reader.argsz(FIXED)?;
        let (bits, index, first) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let (size, offset) = (reader.u64()?, reader.u64()?);
        let mut info = Self {
            index,
            flags: RegionFlags::from_bits_truncate(bits),
            mappable: bits & MMAP != 0,
            size,
            offset,
            areas: Vec::new(),
            msix_mappable: false,
        };
        if offset.checked_add(size).is_none() {
            return Err(reader.field("offset", offset));
        }
        if argsz as usize > payload.len() || bits & CAPS == 0 {
            return Ok((argsz, info));
        }
        info.decode_capabilities(payload, first)?;
        Ok((argsz, info))
    }

    /// Takes the list of capabilities that begins with the one at `next`.
    ///
    /// Every capability must lie behind the whole of the one before it: the list ends, and what it
    /// says takes no more memory than the payload does.
    fn decode_capabilities(&mut self, payload: &[u8], mut next: u32) -> Result<(), DecodeError> {
        const WHAT: &str = "capability of a region";
        let mut least = FIXED as usize;
        let mut sparse = false;
        while next != 0 {
            let at = next as usize;
            let end = at.saturating_add(CAP_HEADER);
            if at < least || end > payload.len() {
                return Err(DecodeError::Field {
                    what: WHAT,
                    field: "offset",
                    value: next.into(),
                });
            }
            let (head, body) = (&payload[at..end], &payload[end..]);
            let mut header = Reader::new(WHAT, head);
            let (id, _version) = (header.u16()?, header.u16()?);
            next = header.u32()?;
            least = end;
            match id {
                SPARSE_MMAP if sparse => return Err(header.field("second id", id.into())),
                SPARSE_MMAP => {
                    sparse = true;
                    least += self.decode_areas(body)?;
                }
                MSIX_MAPPABLE => self.msix_mappable = true,
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes the areas that may be mapped, and says how many bytes they are.
    fn decode_areas(&mut self, bytes: &[u8]) -> Result<usize, DecodeError> {
        let mut reader = Reader::new("sparse areas of a region", bytes);
        let count = reader.u32()?;
        reader.u32()?;
        for _ in 0..count {
            let (offset, size) = (reader.u64()?, reader.u64()?);
            let within = offset.checked_add(size).is_some_and(|end| end <= self.size);
            if !within {
                return Err(reader.field("offset", offset));
            }
            self.areas.push(Area { offset, size });
        }
        Ok(bytes.len() - reader.rest().len())
    }
}

/// `DEVICE_GET_REGION_IO_FDS`, of which only the command is known here: it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionIoFds {
    /// Bytes that the payload of the reply may have.
    pub argsz: u32,
    /// The region.
    pub index: u32,
}

impl RegionIoFds {
    const BYTES: u32 = 16;

    /// From a payload.
    ///
    /// # Errors
    /// A wrong length, or fields that are not 0.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("DEVICE_GET_REGION_IO_FDS", payload);
        let argsz = reader.argsz(Self::BYTES)?;
        let (flags, index, count) = (reader.u32()?, reader.u32()?, reader.u32()?);
        if flags != 0 || count != 0 {
            return Err(reader.field("flags", flags.into()));
        }
        reader.end()?;
        Ok(Self { argsz, index })
    }

    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        Writer::default()
            .u32(self.argsz)
            .u32(0)
            .u32(self.index)
            .u32(0)
            .done()
    }
}
