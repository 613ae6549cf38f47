//! Numbers in and out of payloads, in the byte order of the host.

use super::DecodeError;

/// A payload that is taken apart from its beginning.
pub(super) struct Reader<'a> {
    what: &'static str,
    all: usize,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A payload that should be a `what`.
    pub fn new(what: &'static str, payload: &'a [u8]) -> Self {
        Self {
            what,
            all: payload.len(),
            rest: payload,
        }
    }

    /// The next `N` bytes.
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some((head, rest)) = self.rest.split_first_chunk() else {
            return Err(DecodeError::Length {
                what: self.what,
                bytes: self.all,
                wanted: self.all - self.rest.len() + N,
            });
        };
        self.rest = rest;
        Ok(*head)
    }

    /// The next 16 bits.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_ne_bytes)
    }

    /// The next 32 bits.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_ne_bytes)
    }

    /// The next 64 bits.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_ne_bytes)
    }

    /// The next 32 bits, a size of at least `least` bytes.
    pub fn argsz(&mut self, least: u32) -> Result<u32, DecodeError> {
        let argsz = self.u32()?;
        if argsz < least {
            return Err(self.field("argsz", argsz.into()));
        }
        Ok(argsz)
    }

    /// All that is left.
    pub fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Nothing is left.
    pub fn end(self) -> Result<(), DecodeError> {
        self.end_with(0)?;
        Ok(())
    }

    /// Exactly `bytes` bytes are left.
    pub fn end_with(self, bytes: usize) -> Result<&'a [u8], DecodeError> {
        if self.rest.len() != bytes {
            return Err(DecodeError::Length {
                what: self.what,
                bytes: self.all,
                wanted: (self.all - self.rest.len()).saturating_add(bytes),
            });
        }
        Ok(self.rest)
    }

    /// A field that holds what it must not.
    pub fn field(&self, field: &'static str, value: u64) -> DecodeError {
        DecodeError::Field {
            what: self.what,
            field,
            value,
        }
    }
}

/// A payload that is put together.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// Appends 16 bits.
    pub fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    /// Appends 32 bits.
    pub fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    /// Appends 64 bits.
    pub fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    /// Appends bytes.
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// The payload.
    pub fn done(self) -> Vec<u8> {
        self.0
    }
}
