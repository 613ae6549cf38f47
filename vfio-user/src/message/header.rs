//! What every message begins with.

/// Bytes of a header.
pub const HEADER_BYTES: usize = 16;
/// Bits of the flags that hold the kind of the message.
const KIND: u32 = 0xf;
/// Flag of a command that wants no reply.
pub const NO_REPLY: u32 = 1 << 4;
/// Flag of a reply that tells of an error.
pub const ERROR: u32 = 1 << 5;

/// What a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Command {
    /// Agree on a version and on limits; the first command of a connection.
    Version = 1,
    /// Let the device reach memory.
    DmaMap = 2,
    /// Take memory away from the device.
    DmaUnmap = 3,
    /// How many regions and interrupt types there are.
    DeviceGetInfo = 4,
    /// What a region is.
    DeviceGetRegionInfo = 5,
    /// Descriptors that stand for accesses to a region.
    DeviceGetRegionIoFds = 6,
    /// What an interrupt type is.
    DeviceGetIrqInfo = 7,
    /// Set up, mask or signal interrupts.
    DeviceSetIrqs = 8,
    /// Read a region.
    RegionRead = 9,
    /// Write a region.
    RegionWrite = 10,
    /// Read the client's memory; from the server.
    DmaRead = 11,
    /// Write the client's memory; from the server.
    DmaWrite = 12,
    /// Reset the device.
    DeviceReset = 13,
    /// Track what the device writes; of earlier drafts.
    DirtyPages = 14,
    /// Several small writes of regions in one message.
    RegionWriteMulti = 15,
}

impl Command {
    /// All commands.
    pub const ALL: [Self; 15] = [
        Self::Version,
        Self::DmaMap,
        Self::DmaUnmap,
        Self::DeviceGetInfo,
        Self::DeviceGetRegionInfo,
        Self::DeviceGetRegionIoFds,
        Self::DeviceGetIrqInfo,
        Self::DeviceSetIrqs,
        Self::RegionRead,
        Self::RegionWrite,
        Self::DmaRead,
        Self::DmaWrite,
        Self::DeviceReset,
        Self::DirtyPages,
        Self::RegionWriteMulti,
    ];

    /// The command with this number.
    pub fn from_number(number: u16) -> Option<Self> {
        let index = usize::from(number).checked_sub(1)?;
        Self::ALL.get(index).copied()
    }
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It asks for something.
    Command,
    /// It answers.
    Reply,
}

/// The header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Chosen by the sender of the command, repeated in the reply.
    pub id: u16,
    /// The command's number, which may be none that exists.
    pub command: u16,
    /// Bytes of the whole message, this header included.
    pub size: u32,
    /// Kind and flags, see [`NO_REPLY`] and [`ERROR`].
    pub flags: u32,
    /// The error number of a reply with [`ERROR`].
    pub error: u32,
}

impl Header {
    /// The header from its bytes; whether it makes sense is not looked at.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Self {
        let half = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        let word = |at: usize| {
            u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Self {
            id: half(0),
            command: half(2),
            size: word(4),
            flags: word(8),
            error: word(12),
        }
    }

    /// The bytes of the header.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..2].copy_from_slice(&self.id.to_ne_bytes());
        bytes[2..4].copy_from_slice(&self.command.to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.size.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.flags.to_ne_bytes());
        bytes[12..16].copy_from_slice(&self.error.to_ne_bytes());
        bytes
    }

    /// Which way the message goes, where that is known.
    pub fn kind(&self) -> Option<Kind> {
        match self.flags & KIND {
            0 => Some(Kind::Command),
            1 => Some(Kind::Reply),
            _ => None,
        }
    }

    /// Whether the sender of this command wants no reply.
    pub fn no_reply(&self) -> bool {
        self.flags & NO_REPLY != 0
    }

    /// Whether this reply tells of an error.
    pub fn is_error(&self) -> bool {
        self.flags & ERROR != 0
    }

    /// Whether flags are set that a command does not have.
    pub fn has_foreign_flags(&self) -> bool {
        self.flags & !(KIND | NO_REPLY) != 0
    }

    /// Bytes that follow the header, where the size makes sense.
    pub fn payload_bytes(&self) -> Option<usize> {
        usize::try_from(self.size).ok()?.checked_sub(HEADER_BYTES)
    }

    /// A header for `payload` bytes, which fit the field.
    pub(crate) fn new(id: u16, command: u16, kind: Kind, payload: usize) -> Self {
        Self {
            id,
            command,
            size: (HEADER_BYTES + payload) as u32,
            flags: match kind {
                Kind::Command => 0,
                Kind::Reply => 1,
            },
            error: 0,
        }
    }
}
