//! Cheap repeatable randomness.

use super::options::Random;

/// xorshift64* and the settings that it serves.
#[derive(Clone, Debug)]
pub(super) struct Dice {
    state: u64,
    settings: Random,
    /// Chances, in 2^-16.
    stall: u64,
    gap: u64,
}

impl Dice {
    pub(super) fn new(random: Option<Random>) -> Self {
        let settings = random.unwrap_or(Random::NONE);
        Self {
            // The generator must not begin at 0.
            state: settings.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            stall: (settings.stall * 65536.0) as u64,
            gap: (settings.gap * 65536.0) as u64,
            settings,
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

    /// The root complex takes no beat in this cycle.
    pub(super) fn stalls(&mut self) -> bool {
        self.stall != 0 && self.next() >> 48 < self.stall
    }

    /// The root complex offers no new beat in this cycle.
    pub(super) fn leaves_gap(&mut self) -> bool {
        self.gap != 0 && self.next() >> 48 < self.gap
    }

    /// Cycles to add to the latency of a read.
    pub(super) fn jitter(&mut self) -> u64 {
        match u64::from(self.settings.jitter) {
            0 => 0,
            jitter => self.below(jitter + 1),
        }
    }

    /// Whether reads may overtake each other.
    pub(super) fn reorders(&self) -> bool {
        self.settings.reorder
    }

    /// One of the pieces `1..=most` into which something may be cut; all of it without
    /// [`Random::split`].
    pub(super) fn cut(&mut self, most: u64) -> u64 {
        if self.settings.split && most > 1 {
            1 + self.below(most)
        } else {
            most
        }
    }

    /// True in one of two cases with [`Random::split`], otherwise never.
    pub(super) fn hesitates(&mut self) -> bool {
        self.settings.split && self.next() >> 63 == 1
    }
}
