//! `VERSION`: what the two ends agree on.

use serde_json::{Map, Value, json};

use super::DecodeError;
use super::bytes::{Reader, Writer};

/// The major version that this crate speaks.
pub const MAJOR: u16 = 0;
/// The highest minor version that this crate speaks.
pub const MINOR: u16 = 1;

/// What the sender can take; what a message leaves out has the value of [`Capabilities::default`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// File descriptors in one message.
    pub max_msg_fds: u32,
    /// Bytes of data in one message that reads or writes.
    pub max_data_xfer_size: u32,
    /// Ranges that may be mapped at once.
    pub max_dma_maps: u32,
    /// Sizes of pages that can be mapped, one bit each.
    pub pgsizes: u64,
    /// Whether `REGION_WRITE_MULTI` is understood.
    pub write_multiple: bool,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            max_msg_fds: 1,
            max_data_xfer_size: 1 << 20,
            max_dma_maps: 65535,
            pgsizes: 4096,
            write_multiple: false,
        }
    }
}

impl Capabilities {
    fn decode(text: &str) -> Result<Self, DecodeError> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| DecodeError::Text(error.to_string()))?;
        let Value::Object(all) = value else {
            return Err(DecodeError::Text("not an object".into()));
        };
        let mut found = Self::default();
        let capabilities = match all.get("capabilities") {
            None => return Ok(found),
            Some(Value::Object(capabilities)) => capabilities,
            Some(_) => {
                return Err(DecodeError::Text("capabilities are not an object".into()));
            }
        };
        if let Some(fds) = number(capabilities, "max_msg_fds")? {
            // Who asks for more than a message can carry gets what it can carry.
            found.max_msg_fds = clamp(fds);
        }
        if let Some(bytes) = number(capabilities, "max_data_xfer_size")? {
            if bytes == 0 {
                return Err(DecodeError::Text("max_data_xfer_size is 0".into()));
            }
            found.max_data_xfer_size = clamp(bytes);
        }
        if let Some(maps) = number(capabilities, "max_dma_maps")? {
            found.max_dma_maps = clamp(maps);
        }
        if let Some(sizes) = number(capabilities, "pgsizes")? {
            found.pgsizes = sizes;
        }
        match capabilities.get("write_multiple") {
            None => {}
            Some(Value::Bool(can)) => found.write_multiple = *can,
            Some(_) => {
                return Err(DecodeError::Text("write_multiple is not a boolean".into()));
            }
        }
        Ok(found)
    }

    fn encode(&self) -> String {
        json!({
            "capabilities": {
                "max_msg_fds": self.max_msg_fds,
                "max_data_xfer_size": self.max_data_xfer_size,
                "max_dma_maps": self.max_dma_maps,
                "pgsizes": self.pgsizes,
                "write_multiple": self.write_multiple,
            }
        })
        .to_string()
    }
}

/// A number of the capabilities, where there is one.
fn number(capabilities: &Map<String, Value>, name: &str) -> Result<Option<u64>, DecodeError> {
    match capabilities.get(name) {
        None => Ok(None),
        Some(value) => value
            .as_u64()
            .map(Some)
            .ok_or_else(|| DecodeError::Text(format!("{name} is not a number of 64 bits"))),
    }
}

/// The number, or the largest that fits.
fn clamp(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A version and capabilities, in the command as in its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Changes that are not compatible.
    pub major: u16,
    /// Changes that are.
    pub minor: u16,
    /// What the sender can take.
    pub capabilities: Capabilities,
}

impl Version {
    /// From a payload.
    ///
    /// # Errors
    /// Text that does not end with its only NUL, is not UTF-8 or JSON, or whose capabilities are of
    /// wrong types. Capabilities that this crate does not know are passed over.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("version", payload);
        let (major, minor) = (reader.u16()?, reader.u16()?);
        let text = reader.rest();
        let capabilities = if text.is_empty() {
            Capabilities::default()
        } else {
            let text = std::ffi::CStr::from_bytes_with_nul(text)
                .map_err(|error| DecodeError::Text(error.to_string()))?
                .to_str()
                .map_err(|error| DecodeError::Text(error.to_string()))?;
            Capabilities::decode(text)?
        };
        Ok(Self {
            major,
            minor,
            capabilities,
        })
    }

    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        Writer::default()
            .u16(self.major)
            .u16(self.minor)
            .bytes(self.capabilities.encode().as_bytes())
            .bytes(&[0])
            .done()
    }
}
