//! The serial link: how host and card talk where there is no PCI Express, over a pair of wires or
//! anything else that carries bytes in order and may lose or spoil some.
//!
//! Three layers, each with constants here:
//!
//! 1. **Framing.** A frame is a header, a payload and a check sequence, stuffed into bytes between
//!    two [`FLAG`]s as RFC 1662 (PPP in HDLC-like framing), section 4.2, does it. One flag may end a
//!    frame and begin the next; nothing between two flags is no frame. Whatever comes after noise is
//!    understood again from the next flag on.
//! 2. **Link.** [`FrameKind::Data`] frames carry messages, each exactly once and in order: a frame
//!    has a sequence number, and whoever sends keeps it until it is acknowledged. There may be
//!    [`WINDOW`] such frames in one direction. The receiver takes only the frame that it expects
//!    next; one that comes again is dropped and acknowledged anew, one from further ahead is dropped
//!    and answered with [`FrameKind::Nak`], as a spoiled one is, once until the expected one comes.
//!    Whoever gets a NAK, or no acknowledgement in time, sends everything anew that is not
//!    acknowledged. The host acknowledges a frame when it has arrived, the card when it has consumed
//!    the message, so that the window is also the room that the card promises.
//! 3. **Messages.** What the host may ask of the card ([`HostMessage`]) and the card of the host
//!    ([`CardMessage`]). They are worked on in their order; there are no tags, because answers come
//!    in the order of what they answer.
//!
//! # Frame
//!
//! | Bytes | Field |
//! |---|---|
//! | 1 | [`FrameKind`] |
//! | 1 | sequence number of a data frame, from 0 on after a hello, modulo 256; else 0 |
//! | 1 | acknowledgement: the sequence number that its sender expects next |
//! | 0 to [`MAX_PAYLOAD`] | payload |
//! | 4 | CRC-32 of all before it, lowest byte first |
//!
//! The CRC is the 32-bit check sequence of RFC 1662, appendix C.3 (that of Ethernet and zip):
//! reflected polynomial [`CRC_POLYNOMIAL`], begun with ones, complemented at the end.
//!
//! # Beginning
//!
//! Nothing is understood before a [`FrameKind::Hello`], whose payload is a number that the host
//! chooses (4 bytes, lowest first). The card stops everything, resets itself as its reset pin would,
//! forgets all frames, and answers with [`FrameKind::Welcome`] when it is ready: the same number,
//! [`VERSION`] (1 byte) and the bytes of a line of its memory port (1 byte). Sequence numbers begin
//! at 0 on both sides. A hello is good at any time; the card knows no other way to lose a session.
//! Until its own welcome has come, the host drops all other frames.

/// Begins and ends a frame.
pub const FLAG: u8 = 0x7e;
/// Announces a stuffed byte.
pub const ESCAPE: u8 = 0x7d;
/// What a stuffed byte is combined with, by exclusive or.
pub const STUFFING: u8 = 0x20;

/// Polynomial of the check sequence, lowest bit first.
pub const CRC_POLYNOMIAL: u32 = 0xedb8_8320;

/// Version of this protocol.
pub const VERSION: u8 = 1;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 3;
/// Bytes of a check sequence.
pub const CRC_BYTES: usize = 4;
/// Data frames that may be unacknowledged in one direction.
pub const WINDOW: usize = 8;
/// Bytes of memory that a message carries at most; a multiple of every line.
pub const MAX_DATA: usize = 128;
/// Bytes of a payload at most: a kind, an address and data.
pub const MAX_PAYLOAD: usize = 1 + 8 + MAX_DATA;
/// Bits a second, 8 data bits, no parity, one stop bit, unless a board says otherwise. The fastest
/// that an FT231X takes.
pub const DEFAULT_BAUD: u32 = 3_000_000;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// Only acknowledges.
    Ack = 0,
    /// Acknowledges and asks for everything after that anew.
    Nak = 1,
    /// Carries a message.
    Data = 2,
    /// Begins a session; from the host.
    Hello = 3,
    /// Answers a hello; from the card.
    Welcome = 4,
    /// Asks for an acknowledgement, to see whether anybody is there. Answered at once.
    Ping = 5,
}

impl FrameKind {
    /// All kinds in order.
    pub const ALL: [Self; 6] = [
        Self::Ack,
        Self::Nak,
        Self::Data,
        Self::Hello,
        Self::Welcome,
        Self::Ping,
    ];

    /// The kind of this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// First byte of a message from the host. Numbers of several bytes come lowest byte first.
///
/// A message of another kind or length, or with an address beyond what there is, does nothing, and
/// [`CardMessage::Refused`] answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum HostMessage {
    /// Write a register: offset (2), value (4).
    WriteRegister = 0x01,
    /// Read a register: offset (2). Answered by [`CardMessage::Register`].
    ReadRegister = 0x02,
    /// Write the card's own memory: address (4, of a line), whole lines up to [`MAX_DATA`].
    WriteMemory = 0x03,
    /// Read the card's own memory: address (4, of a line), lines (1, as many as [`MAX_DATA`] holds
    /// at most). Answered by [`CardMessage::Memory`].
    ReadMemory = 0x04,
    /// Answers [`CardMessage::ReadHost`]: 0, or one more than the code of a
    /// [`FaultCause`](crate::error::FaultCause) (1); then whole lines up to [`MAX_DATA`], cut as the
    /// host likes, several messages until all are there. A cause stands alone and answers all lines
    /// that are still owed. The oldest read is answered first; a message with more lines than it
    /// is owed, or when none is, is refused.
    HostData = 0x05,
    /// Reset the card as a function-level reset does; the session goes on. Answered by
    /// [`CardMessage::ResetDone`], after which the card sends nothing of what was before. From the
    /// reset until then the host answers no [`CardMessage::ReadHost`].
    Reset = 0x06,
}

/// First byte of a message from the card. Numbers of several bytes come lowest byte first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CardMessage {
    /// Value of a register (4).
    Register = 0x81,
    /// 0, or 1 where memory failed (1); the lines that were asked for, unspecified where it failed.
    Memory = 0x82,
    /// Read the host's memory: address (8, of a line), lines (2). Answered by
    /// [`HostMessage::HostData`].
    ReadHost = 0x83,
    /// Write the host's memory: address (8, of a line), up to [`MAX_DATA`] bytes, whole 32-bit
    /// words. Not answered.
    WriteHost = 0x84,
    /// Interrupts (1): bit `i` for queue `i`.
    Events = 0x85,
    /// A reset is over.
    ResetDone = 0x86,
    /// A message was not understood: its first byte, 0 if it has none (1).
    Refused = 0x87,
}

const _: () = assert!(MAX_DATA.is_multiple_of(32) && MAX_PAYLOAD < 256);
