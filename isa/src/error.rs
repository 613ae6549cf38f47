//! Why a program ended.

/// Status of a completion. Zero is success; every other code names a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum ErrorCode {
    /// The program ran to its end.
    Success = 0,
    /// The operation code is none of the card's.
    UnknownOpcode = 1,
    /// A bit that must be zero is not.
    ReservedBits = 2,
    /// An operand has a value that its field can hold but that means nothing.
    BadOperand = 3,
    /// A number of rows, lines or tiles is zero.
    ZeroShape = 4,
    /// An address or a stride is not a multiple of the line.
    Misaligned = 5,
    /// An address in memory is above the addresses that the card can reach.
    AddressRange = 6,
    /// A command reaches beyond the end of an on-chip buffer.
    BufferRange = 7,
    /// The card was built without the datapath that the command asks for.
    Unsupported = 8,
    /// Every command that is left waits for a token that nothing will give.
    TokenNeverGiven = 9,
    /// A token was given more often than it can count.
    TokenOverflow = 10,
    /// A read from memory was answered with an error.
    ReadFault = 11,
    /// A write to memory was answered with an error.
    WriteFault = 12,
    /// The submission itself is malformed (no commands, bad address, reserved bits).
    BadSubmission = 13,
    /// Nothing moved for as many cycles as the watchdog allows.
    Watchdog = 14,
    /// A read over PCIe was not answered in time.
    CompletionTimeout = 15,
    /// A read over PCIe was answered with data that are marked as broken (poisoned).
    PoisonedCompletion = 16,
    /// A read over PCIe found nobody at its address, or nobody who may be read (unsupported request).
    UnsupportedRequest = 17,
    /// A read over PCIe was given up by who should have answered (completer abort).
    CompleterAbort = 18,
    /// The host does not let the card access memory (bus master enable is off).
    BusMasterOff = 19,
}

impl ErrorCode {
    /// All codes in order.
    pub const ALL: [Self; 20] = [
        Self::Success,
        Self::UnknownOpcode,
        Self::ReservedBits,
        Self::BadOperand,
        Self::ZeroShape,
        Self::Misaligned,
        Self::AddressRange,
        Self::BufferRange,
        Self::Unsupported,
        Self::TokenNeverGiven,
        Self::TokenOverflow,
        Self::ReadFault,
        Self::WriteFault,
        Self::BadSubmission,
        Self::Watchdog,
        Self::CompletionTimeout,
        Self::PoisonedCompletion,
        Self::UnsupportedRequest,
        Self::CompleterAbort,
        Self::BusMasterOff,
    ];

    /// The error with this code.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|error| *error as u16 == code)
    }

    /// One sentence for people.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Success => "the program ran to its end",
            Self::UnknownOpcode => "the operation code is none of the card's",
            Self::ReservedBits => "a bit that must be zero is not",
            Self::BadOperand => "an operand has a value that means nothing",
            Self::ZeroShape => "a number of rows, lines or tiles is zero",
            Self::Misaligned => "an address or a stride is not a multiple of the line",
            Self::AddressRange => "an address in memory is beyond the card's reach",
            Self::BufferRange => "a command reaches beyond the end of an on-chip buffer",
            Self::Unsupported => "the card was built without the datapath that a command asks for",
            Self::TokenNeverGiven => "a command waits for a token that nothing will give",
            Self::TokenOverflow => "a token was given more often than it can count",
            Self::ReadFault => "a read from memory was answered with an error",
            Self::WriteFault => "a write to memory was answered with an error",
            Self::BadSubmission => "the submission is malformed",
            Self::Watchdog => "nothing moved for as long as the watchdog allows",
            Self::CompletionTimeout => "a read over PCIe was not answered in time",
            Self::PoisonedCompletion => "a read over PCIe was answered with poisoned data",
            Self::UnsupportedRequest => {
                "a read over PCIe was answered as unsupported: nothing may be read there"
            }
            Self::CompleterAbort => "a read over PCIe was aborted by the host",
            Self::BusMasterOff => "the host does not let the card access memory (bus master off)",
        }
    }
}

impl core::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.describe())
    }
}

impl core::error::Error for ErrorCode {}

/// Why an access to memory failed: what stands beside the error on the card's memory port
/// (`m_ruser`, `m_buser`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FaultCause {
    /// Memory says no more than that.
    #[default]
    Plain = 0,
    /// No answer in time.
    Timeout = 1,
    /// The data are marked as broken.
    Poisoned = 2,
    /// Nobody is there.
    Unsupported = 3,
    /// Who is there gave it up.
    Abort = 4,
    /// The card may not access memory.
    BusMasterOff = 5,
}

impl FaultCause {
    /// All causes in order.
    pub const ALL: [Self; 6] = [
        Self::Plain,
        Self::Timeout,
        Self::Poisoned,
        Self::Unsupported,
        Self::Abort,
        Self::BusMasterOff,
    ];

    /// The cause of this code; codes that name none are plain.
    pub fn from_code(code: u8) -> Self {
        let known = Self::ALL.into_iter().find(|cause| *cause as u8 == code);
        known.unwrap_or_default()
    }

    /// The error of a program whose read failed so.
    pub const fn of_read(self) -> ErrorCode {
        self.or(ErrorCode::ReadFault)
    }

    /// The error of a program whose write failed so.
    pub const fn of_write(self) -> ErrorCode {
        self.or(ErrorCode::WriteFault)
    }

    const fn or(self, plain: ErrorCode) -> ErrorCode {
        match self {
            Self::Plain => plain,
            Self::Timeout => ErrorCode::CompletionTimeout,
            Self::Poisoned => ErrorCode::PoisonedCompletion,
            Self::Unsupported => ErrorCode::UnsupportedRequest,
            Self::Abort => ErrorCode::CompleterAbort,
            Self::BusMasterOff => ErrorCode::BusMasterOff,
        }
    }
}
