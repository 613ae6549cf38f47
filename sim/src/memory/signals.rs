//! The wires of the memory port, an AXI4 master on the card's side.

use isa::error::FaultCause;

/// Widest memory port in bytes.
pub const MAX_PORT_BYTES: usize = 32;

/// Answers on the R and B channels.
pub mod resp {
    /// Done.
    pub const OKAY: u8 = 0;
    /// The target refuses.
    pub const SLVERR: u8 = 2;
    /// There is nothing at this address.
    pub const DECERR: u8 = 3;
}

/// An address channel, AR or AW. The payload means something only while `valid`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// A burst is asked for.
    pub valid: bool,
    /// Address of the first byte.
    pub addr: u64,
    /// Beats less one.
    pub len: u8,
    /// Identifier, `0..16`; answers to one identifier keep their order.
    pub id: u8,
    /// Bytes of a beat, as a power of two.
    pub size: u8,
    /// Kind of burst; 1 is INCR.
    pub burst: u8,
}

/// The write data channel. The payload means something only while `valid`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteData {
    /// A beat is offered.
    pub valid: bool,
    /// The bytes, `port_bytes` of them.
    pub data: [u8; MAX_PORT_BYTES],
    /// The bytes that are written, one bit each.
    pub strobes: u32,
    /// The last beat of the burst.
    pub last: bool,
}

/// What the card drives in a cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Master {
    /// Read addresses.
    pub ar: Address,
    /// Write addresses.
    pub aw: Address,
    /// Write data.
    pub w: WriteData,
    /// The card takes read data.
    pub r_ready: bool,
    /// The card takes answers to writes.
    pub b_ready: bool,
}

/// The read data channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadData {
    /// A beat is offered.
    pub valid: bool,
    /// The bytes, `port_bytes` of them.
    pub data: [u8; MAX_PORT_BYTES],
    /// Identifier of the burst.
    pub id: u8,
    /// One of [`resp`].
    pub resp: u8,
    /// Why, if the answer is an error.
    pub cause: FaultCause,
    /// The last beat of the burst.
    pub last: bool,
}

/// The write answer channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteAnswer {
    /// An answer is offered.
    pub valid: bool,
    /// Identifier of the burst.
    pub id: u8,
    /// One of [`resp`].
    pub resp: u8,
    /// Why, if the answer is an error.
    pub cause: FaultCause,
}

/// What the memory drives in a cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slave {
    /// The memory takes a read address.
    pub ar_ready: bool,
    /// The memory takes a write address.
    pub aw_ready: bool,
    /// The memory takes write data.
    pub w_ready: bool,
    /// Read data.
    pub r: ReadData,
    /// Answers to writes.
    pub b: WriteAnswer,
}
