//! Number formats and the layout of tiles in memory.

/// Format of what STORE writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OutputFormat {
    /// The raw int32 accumulator.
    I32 = 0,
    /// Requantised to int16.
    I16 = 1,
    /// Requantised to int8.
    I8 = 2,
}

impl OutputFormat {
    /// All formats, in the order of their codes.
    pub const ALL: [Self; 3] = [Self::I32, Self::I16, Self::I8];

    /// The format with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|format| *format as u8 == code)
    }

    /// Bytes of one value.
    pub const fn bytes(self) -> usize {
        match self {
            Self::I32 => 4,
            Self::I16 => 2,
            Self::I8 => 1,
        }
    }
}
