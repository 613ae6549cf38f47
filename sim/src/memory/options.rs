//! What the memory is like.

use std::ops::Range;

/// Behaviour of the memory behind the card's port.
///
/// The default is a DRAM with 100 cycles of latency that moves 16 bytes a cycle and never stalls.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryOptions {
    /// Cycles from the handshake of a read address to its first data, and from the last write data
    /// to the answer; at least 1, less than half of what the card's watchdog allows.
    pub latency: u32,
    /// Bytes a cycle that reads and writes share; more than 0. A beat costs the whole width of the
    /// port, however many bytes of it are written.
    pub bandwidth: f64,
    /// Bursts that may be under way, reads and writes each; 1 to 256.
    pub outstanding: usize,
    /// Disturbances; none by default.
    pub random: Option<Random>,
    /// Addresses that answer with an error.
    pub faults: Vec<Fault>,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self {
            latency: 100,
            bandwidth: 16.0,
            outstanding: 64,
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
    /// Chance in each cycle that a channel is held up, for each of the five; 0 to less than 1.
    pub stall: f64,
    /// Up to this many cycles are added to the latency of each burst.
    pub jitter: u32,
    /// Whether bursts of different identifiers overtake each other, and read data of different
    /// identifiers interleave.
    pub reorder: bool,
}

impl Random {
    /// A rough memory: stalls in a third of all cycles, 50 cycles of jitter, reordering.
    pub fn rough(seed: u64) -> Self {
        Self {
            seed,
            stall: 0.33,
            jitter: 50,
            reorder: true,
        }
    }
}

/// A range of addresses that answers with SLVERR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Beats that touch these addresses fail.
    pub addresses: Range<u64>,
    /// Whether reads fail.
    pub reads: bool,
    /// Whether writes fail; bytes of a failing beat are not written.
    pub writes: bool,
}

impl MemoryOptions {
    /// Checks every value.
    ///
    /// # Errors
    /// Says which value is wrong and what it may be.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.latency == 0 {
            return Err("the latency of the memory must be at least 1 cycle");
        }
        // While the card waits nothing moves, and its watchdog ends what does not move.
        if self.latency >= isa::regs::WATCHDOG_RESET / 2 {
            return Err(
                "the latency of the memory must be less than 524,288 cycles, half of what the \
                 card's watchdog allows",
            );
        }
        // The upper bound keeps the arithmetic of the budget exact.
        if !(self.bandwidth >= 1.0 / 64.0 && self.bandwidth <= 4096.0) {
            return Err("the bandwidth of the memory must be 1/64 to 4,096 bytes a cycle");
        }
        if !(1..=256).contains(&self.outstanding) {
            return Err("the memory must allow 1 to 256 outstanding bursts");
        }
        match self.random {
            Some(random) if !(0.0..1.0).contains(&random.stall) => {
                Err("the chance of a stall must be at least 0 and less than 1")
            }
            _ => Ok(()),
        }
    }
}
