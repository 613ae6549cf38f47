//! Reads and writes of regions and of the client's memory.

use super::DecodeError;
use super::bytes::{Reader, Writer};

/// `REGION_READ`, `REGION_WRITE` and their replies. The data of a write follows it, and so does
/// that of a reply to a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionAccess {
    /// Where in the region, in bytes.
    pub offset: u64,
    /// The region.
    pub region: u32,
    /// Bytes of data.
    pub count: u32,
}

impl RegionAccess {
    /// Bytes before the data.
    pub const BYTES: usize = 16;

    fn fields<'a>(what: &'static str, payload: &'a [u8]) -> Result<(Self, &'a [u8]), DecodeError> {
        let mut reader = Reader::new(what, payload);
        let access = Self {
            offset: reader.u64()?,
            region: reader.u32()?,
            count: reader.u32()?,
        };
        Ok((access, reader.rest()))
    }

    /// From a payload without data: the command of a read, the reply to a write.
    ///
    /// # Errors
    /// A wrong length.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let (access, rest) = Self::fields("access to a region", payload)?;
        Reader::new("what follows an access to a region", rest).end()?;
        Ok(access)
    }

    /// From a payload with data: the command of a write, the reply to a read.
    ///
    /// # Errors
    /// A wrong length.
    pub fn decode_with_data(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let (access, rest) = Self::fields("access to a region", payload)?;
        Reader::new("data of a region", rest).end_with(access.count as usize)?;
        Ok((access, rest))
    }

    /// The payload without data.
    pub fn encode(&self) -> Vec<u8> {
        Writer::default()
            .u64(self.offset)
            .u32(self.region)
            .u32(self.count)
            .done()
    }
}

/// Where the data of a `DMA_READ` or `DMA_WRITE` begins.
///
/// The specification makes the count one of 64 bits. QEMU (10.1 to 11.1 at least) declares it with
/// 32 bits, so that it takes and puts the data four bytes earlier, although it counts the messages
/// as if it were not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DmaLayout {
    /// Data at byte 16 of the payload, as specified.
    Specified,
    /// Data at byte 12 of the payload and four bytes of nothing behind it.
    Early,
}

/// `DMA_READ`, `DMA_WRITE` and their replies. The data of a write follows it, and so does that of a
/// reply to a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaAccess {
    /// The first address.
    pub address: u64,
    /// Bytes of data.
    pub count: u64,
}

impl DmaAccess {
    /// Bytes before the data.
    pub const BYTES: usize = 16;
    /// Bytes of the reply to a write where the count is one of 32 bits, as one place of the
    /// specification has it.
    const SHORT: usize = 12;

    /// From a payload without data: the command of a read.
    ///
    /// # Errors
    /// A wrong length, or a range that goes beyond 64 bits.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let (access, rest) = Self::decode_range(payload)?;
        Reader::new("what follows an access to memory", rest).end()?;
        Ok(access)
    }

    fn decode_range(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let mut reader = Reader::new("access to memory", payload);
        let access = Self {
            address: reader.u64()?,
            count: reader.u64()?,
        };
        // The last byte must have an address; the first one behind it need not.
        let last = access.count.saturating_sub(1);
        if access.address.checked_add(last).is_none() {
            return Err(reader.field("count", access.count));
        }
        Ok((access, reader.rest()))
    }

    /// From a payload with data as specified: the command of a write.
    ///
    /// # Errors
    /// A wrong length, or a range that goes beyond 64 bits.
    pub fn decode_with_data(payload: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let (access, rest) = Self::decode_range(payload)?;
        let count = usize::try_from(access.count).unwrap_or(usize::MAX);
        Reader::new("data of memory", rest).end_with(count)?;
        Ok((access, rest))
    }

    /// The data in the reply to this read.
    ///
    /// # Errors
    /// A wrong length, or a reply to something else.
    pub fn data_of_reply<'a>(
        &self,
        payload: &'a [u8],
        layout: DmaLayout,
    ) -> Result<&'a [u8], DecodeError> {
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        match layout {
            DmaLayout::Specified => {
                let (reply, data) = Self::decode_with_data(payload)?;
                if reply != *self {
                    return Err(DecodeError::Field {
                        what: "reply to a read of memory",
                        field: "address",
                        value: reply.address,
                    });
                }
                Ok(data)
            }
            DmaLayout::Early => {
                let mut reader = Reader::new("reply to a read of memory", payload);
                let (address, low) = (reader.u64()?, reader.u32()?);
                if address != self.address || u64::from(low) != self.count {
                    return Err(reader.field("address", address));
                }
                let data = reader.end_with(count.saturating_add(4))?;
                Ok(&data[..count])
            }
        }
    }

    /// Whether a payload is a reply to this write, in any of the forms that peers use: nothing, or
    /// the access again with a count of 32 or 64 bits.
    pub fn is_replied_by(&self, payload: &[u8]) -> bool {
        let whole = self.encode();
        payload.is_empty() || payload == whole || payload == &whole[..Self::SHORT]
    }

    /// The payload before the data, whose beginning and end it leaves to the layout.
    pub fn encode(&self) -> Vec<u8> {
        Writer::default().u64(self.address).u64(self.count).done()
    }

    /// The payload of a write with its data.
    pub fn encode_with_data(&self, data: &[u8], layout: DmaLayout) -> Vec<u8> {
        match layout {
            DmaLayout::Specified => Writer::default()
                .u64(self.address)
                .u64(self.count)
                .bytes(data)
                .done(),
            DmaLayout::Early => Writer::default()
                .u64(self.address)
                .u32(self.count as u32)
                .bytes(data)
                .u32(0)
                .done(),
        }
    }
}

/// `REGION_WRITE_MULTI`: several writes of at most 8 bytes; the reply is their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteMulti {
    /// The writes in their order: where, and the bytes of which the first `count` are written.
    pub writes: Vec<(RegionAccess, [u8; 8])>,
}

impl WriteMulti {
    /// Bytes of one write.
    pub const ONE: usize = 24;
    /// Bytes before the first write.
    pub const BYTES: usize = 8;

    /// From a payload.
    ///
    /// # Errors
    /// A wrong length, or a write of more than 8 bytes.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let what = "REGION_WRITE_MULTI";
        let mut reader = Reader::new(what, payload);
        let count = usize::try_from(reader.u64()?).unwrap_or(usize::MAX);
        let rest = reader.end_with(count.saturating_mul(Self::ONE))?;
        let mut writes = Vec::with_capacity(count);
        for one in rest.chunks_exact(Self::ONE) {
            let (access, data) = RegionAccess::fields(what, one)?;
            if access.count > 8 {
                return Err(DecodeError::Field {
                    what,
                    field: "count",
                    value: access.count.into(),
                });
            }
            let mut bytes = [0; 8];
            bytes.copy_from_slice(data);
            writes.push((access, bytes));
        }
        Ok(Self { writes })
    }

    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        self.writes
            .iter()
            .fold(
                Writer::default().u64(self.writes.len() as u64),
                |payload, (access, data)| payload.bytes(&access.encode()).bytes(data),
            )
            .done()
    }

    /// The payload of the reply: how many writes were done.
    pub fn encode_reply(done: u64) -> Vec<u8> {
        Writer::default().u64(done).done()
    }

    /// How many writes were done, from the payload of the reply.
    ///
    /// # Errors
    /// A wrong length.
    pub fn decode_reply(payload: &[u8]) -> Result<u64, DecodeError> {
        let mut reader = Reader::new("reply to REGION_WRITE_MULTI", payload);
        let done = reader.u64()?;
        reader.end()?;
        Ok(done)
    }
}
