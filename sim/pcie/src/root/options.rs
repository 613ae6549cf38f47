//! What the root complex is like.

use std::ops::Range;

use crate::tlp::Id;

/// Behaviour of the root complex.
///
/// The default is a link of 64-bit beats whose memory answers after 250 cycles (1 us at 250 MHz),
/// in order, with the longest completions that the function may get, and never stalls.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Doublewords of a beat: 2 or 4.
    pub words: usize,
    /// Cycles from the last beat of the card's read to the first beat of the answer; 1 to 2^20.
    pub latency: u32,
    /// Read completion boundary in bytes: 64 or 128.
    pub boundary: u32,
    /// Most payload of a completion in bytes: a multiple of the boundary, at most 4096. What the
    /// function is set to is a limit too.
    pub completion_bytes: u32,
    /// Tags for reads of the host; 1 to 256.
    pub tags: u16,
    /// Most bytes of one read of the host: a power of two, 128 to 4096.
    pub max_read: u32,
    /// Cycles without progress after which an access of the host fails; more than 0. Answers to a
    /// read are progress, and so are the packets of an access and of those before it; no packet
    /// should take longer.
    pub access_timeout: u32,
    /// Cycles after which the card may use the tag of a read again that never got an answer.
    pub stale_tag: u64,
    /// Disturbances; none by default.
    pub random: Option<Random>,
    /// Reads of the card that go wrong.
    pub faults: Vec<Fault>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            words: 2,
            latency: 250,
            boundary: 64,
            completion_bytes: 4096,
            tags: 32,
            max_read: 512,
            access_timeout: 1 << 20,
            stale_tag: 0,
            random: None,
            faults: Vec::new(),
        }
    }
}

/// Disturbances, all drawn from one seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Random {
    /// The same seed gives the same run.
    pub seed: u64,
    /// Chance in each cycle that a beat of the card is not taken; 0 to less than 1.
    pub stall: f64,
    /// Chance in each cycle that the card gets no beat, also within a packet; 0 to less than 1.
    pub gap: f64,
    /// Up to this many cycles are added to the latency of each read.
    pub jitter: u32,
    /// Whether answers to different reads overtake each other and interleave.
    pub reorder: bool,
    /// Whether answers and accesses of the host are cut at random where they may be.
    pub split: bool,
}

impl Random {
    pub(super) const NONE: Self = Self {
        seed: 0,
        stall: 0.0,
        gap: 0.0,
        jitter: 0,
        reorder: false,
        split: false,
    };

    /// A rough link: stalls and gaps in a third of all cycles, 100 cycles of jitter, answers in any
    /// order and any legal pieces.
    pub fn rough(seed: u64) -> Self {
        Self {
            seed,
            stall: 0.33,
            gap: 0.33,
            jitter: 100,
            reorder: true,
            split: true,
        }
    }
}

/// How a read of the card goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A completion says that its payload is wrong.
    Poisoned,
    /// Completer abort.
    Abort,
    /// Unsupported request.
    Unsupported,
    /// The answer never comes.
    Dropped,
    /// The answer comes this many cycles later.
    Late(u64),
}

/// Reads of the card that go wrong.
///
/// With [`Random::split`] the first pieces of the answer may still be good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Reads that touch these addresses.
    pub addresses: Range<u64>,
    /// What happens to them.
    pub kind: FaultKind,
    /// To how many of them; `None` for all.
    pub times: Option<u32>,
}

/// How the function is set up: what a hard block tells the logic behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bus, device and function.
    pub id: Id,
    /// The function may send requests.
    pub bus_master: bool,
    /// A function-level reset is under way: the function begins no packet.
    pub resetting: bool,
    /// Max_Payload_Size in bytes: a power of two, 128 to 4096.
    pub max_payload: u32,
    /// Max_Read_Request_Size in bytes: a power of two, 128 to 4096.
    pub max_read: u32,
}

impl Default for Settings {
    /// A function after its reset, first on bus 1.
    fn default() -> Self {
        Self {
            id: Id(0x0100),
            bus_master: false,
            resetting: false,
            max_payload: 128,
            max_read: 512,
        }
    }
}

/// Whether these are the bytes of a payload or of a read that a register can name.
fn is_size(bytes: u32) -> bool {
    bytes.is_power_of_two() && (128..=4096).contains(&bytes)
}

impl Options {
    /// Checks every value.
    ///
    /// # Errors
    /// Says which value is wrong and what it may be.
    pub fn check(&self) -> Result<(), &'static str> {
        if !matches!(self.words, 2 | 4) {
            return Err("a beat of the link must have 2 or 4 doublewords");
        }
        if !(1..=1 << 20).contains(&self.latency) {
            return Err("the latency of the root complex must be 1 to 1,048,576 cycles");
        }
        if !matches!(self.boundary, 64 | 128) {
            return Err("the read completion boundary must be 64 or 128 bytes");
        }
        if !(1..=4096).contains(&self.completion_bytes)
            || !self.completion_bytes.is_multiple_of(self.boundary)
        {
            return Err(
                "a completion must have room for a multiple of the read completion boundary, at \
                 most 4096 bytes",
            );
        }
        if !(1..=256).contains(&self.tags) {
            return Err("the root complex must have 1 to 256 tags");
        }
        if !is_size(self.max_read) {
            return Err("reads of the host must be cut at 128, 256, 512, 1024, 2048 or 4096 bytes");
        }
        if self.access_timeout == 0 {
            return Err("the timeout of the host's accesses must be more than 0 cycles");
        }
        match self.random {
            Some(random)
                if !(0.0..1.0).contains(&random.stall) || !(0.0..1.0).contains(&random.gap) =>
            {
                Err("the chances of a stall and of a gap must be at least 0 and less than 1")
            }
            _ => Ok(()),
        }
    }
}

impl Settings {
    /// Checks every value.
    ///
    /// # Errors
    /// Says which value is wrong and what it may be.
    pub fn check(&self) -> Result<(), &'static str> {
        if !is_size(self.max_payload) {
            return Err("the largest payload must be 128, 256, 512, 1024, 2048 or 4096 bytes");
        }
        if !is_size(self.max_read) {
            return Err("the largest read must be 128, 256, 512, 1024, 2048 or 4096 bytes");
        }
        Ok(())
    }
}
