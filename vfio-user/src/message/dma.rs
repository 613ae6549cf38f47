//! `DMA_MAP` and `DMA_UNMAP`.

use super::DecodeError;
use super::bytes::{Reader, Writer};
use crate::device::MapFlags;

/// Flag of [`DmaUnmapRequest`]: the reply should tell which pages were written.
pub const UNMAP_GET_DIRTY: u32 = 1 << 0;
/// Flag of [`DmaUnmapRequest`]: every mapping goes; address and size are 0.
pub const UNMAP_ALL: u32 = 1 << 1;

/// `DMA_MAP`: a range that the device may reach; the reply is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaMapRequest {
    /// What the device may do with it.
    pub flags: MapFlags,
    /// Where it begins in the file that comes along, in bytes.
    pub offset: u64,
    /// Its first address.
    pub iova: u64,
    /// Its size in bytes.
    pub length: u64,
}

impl DmaMapRequest {
    const BYTES: u32 = 32;

    /// From a payload.
    ///
    /// # Errors
    /// A wrong length, unknown flags, an empty range, or one that goes beyond 64 bits.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("DMA_MAP", payload);
        reader.argsz(Self::BYTES)?;
        let bits = reader.u32()?;
        let flags = MapFlags::from_bits(bits).ok_or_else(|| reader.field("flags", bits.into()))?;
        let (offset, iova, length) = (reader.u64()?, reader.u64()?, reader.u64()?);
        // The last byte must have an address; the first one behind it need not.
        let last = length
            .checked_sub(1)
            .filter(|last| iova.checked_add(*last).is_some());
        if last.is_none() {
            return Err(reader.field("size", length));
        }
        if offset.checked_add(length).is_none() {
            return Err(reader.field("offset", offset));
        }
        reader.end()?;
        Ok(Self {
            flags,
            offset,
            iova,
            length,
        })
    }

    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        Writer::default()
            .u32(Self::BYTES)
            .u32(self.flags.bits())
            .u64(self.offset)
            .u64(self.iova)
            .u64(self.length)
            .done()
    }
}

/// `DMA_UNMAP`: a range that the device may not reach any more; the reply is the same again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaUnmapRequest {
    /// Bytes that the reply may have.
    pub argsz: u32,
    /// [`UNMAP_ALL`], [`UNMAP_GET_DIRTY`] or bits that nobody knows.
    pub flags: u32,
    /// Its first address.
    pub iova: u64,
    /// Its size in bytes.
    pub length: u64,
}

impl DmaUnmapRequest {
    const BYTES: u32 = 24;

    /// A range, or all with `iova` and `length` 0 and [`UNMAP_ALL`].
    pub fn new(flags: u32, iova: u64, length: u64) -> Self {
        Self {
            argsz: Self::BYTES,
            flags,
            iova,
            length,
        }
    }

    /// From a payload, of the command or of its reply. A request for dirty pages has more in its
    /// payload, which is not looked at.
    ///
    /// # Errors
    /// A wrong length, a range that goes beyond 64 bits, an empty one without [`UNMAP_ALL`] or
    /// another one with it.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("DMA_UNMAP", payload);
        let argsz = reader.argsz(Self::BYTES)?;
        let (flags, iova, length) = (reader.u32()?, reader.u64()?, reader.u64()?);
        let sound = if flags & UNMAP_ALL != 0 {
            iova == 0 && length == 0
        } else {
            length
                .checked_sub(1)
                .is_some_and(|last| iova.checked_add(last).is_some())
        };
        if !sound {
            return Err(reader.field("size", length));
        }
        if flags & UNMAP_GET_DIRTY == 0 {
            reader.end()?;
        }
        Ok(Self {
            argsz,
            flags,
            iova,
            length,
        })
    }

    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        Writer::default()
            .u32(self.argsz)
            .u32(self.flags)
            .u64(self.iova)
            .u64(self.length)
            .done()
    }
}
