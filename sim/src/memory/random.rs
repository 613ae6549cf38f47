//! Cheap repeatable randomness.

use super::options::Random;

/// Channels in the order in which [`Dice::stalls`] reports them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Channel {
    Ar,
    R,
    Aw,
    W,
    B,
}

/// xorshift64* and the settings that it serves.
#[derive(Clone, Debug)]
pub(super) struct Dice {
    state: u64,
    /// A channel stalls when its 12 bits are below this.
    threshold: u64,
    jitter: u64,
    pub(super) reorder: bool,
}

impl Dice {
    pub(super) fn new(random: Option<Random>) -> Self {
        let random = random.unwrap_or(Random {
            seed: 0,
            stall: 0.0,
            jitter: 0,
            reorder: false,
        });
        Self {
            // The generator must not begin at 0.
            state: random.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            threshold: (random.stall * 4096.0) as u64,
            jitter: u64::from(random.jitter),
            reorder: random.reorder,
        }
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, which is small and not 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 32) % bound
    }

    /// Cycles to add to the latency of a burst.
    pub(super) fn jitter(&mut self) -> u64 {
        match self.jitter {
            0 => 0,
            jitter => self.below(jitter + 1),
        }
    }

    /// Which channels stall in this cycle.
    pub(super) fn stalls(&mut self) -> Stalls {
        if self.threshold == 0 {
            return Stalls(0);
        }
        let bits = self.next();
        let mut stalls = 0;
        for channel in 0..5 {
            let draw = bits >> (12 * channel) & 0xfff;
            stalls |= u8::from(draw < self.threshold) << channel;
        }
        Stalls(stalls)
    }

    pub(super) fn can_stall(&self) -> bool {
        self.threshold != 0
    }
}

/// A set of channels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stalls(u8);

impl Stalls {
    pub(super) const ALL: Self = Self(0x1f);

    pub(super) fn has(self, channel: Channel) -> bool {
        self.0 >> channel as u8 & 1 == 1
    }
}
