//! What happens to a wire on its way.

use crate::random;

/// Turns the level of a wire around for short times that look random and are the same in every run.
#[derive(Clone, Debug)]
pub struct Noise {
    /// Mean time between two pulses, picoseconds.
    every: u64,
    /// How long each lasts, picoseconds.
    width: u64,
    state: u64,
    begin: u64,
}

impl Noise {
    /// A pulse of `width` picoseconds about every `every` picoseconds, at least 1.
    pub fn new(every: u64, width: u64, seed: u64) -> Self {
        let mut noise = Self {
            every: every.max(1),
            width,
            state: seed | 1,
            begin: 0,
        };
        noise.next(0);
        noise
    }

    fn next(&mut self, from: u64) {
        self.begin = from + (random::next(&mut self.state) >> 8) % (2 * self.every);
    }

    /// Whether the level is turned around at `now`; the times that are asked for grow.
    #[inline]
    pub(crate) fn flips(&mut self, now: u64) -> bool {
        if now < self.begin {
            return false;
        }
        if now < self.begin + self.width {
            return true;
        }
        self.next(now);
        false
    }
}
