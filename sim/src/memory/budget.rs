//! The bandwidth that reads and writes share.

/// A token bucket, in units of 2^-16 bytes.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    tokens: u64,
    /// Cycle up to which tokens were given.
    filled: u64,
    per_cycle: u64,
    most: u64,
    per_beat: u64,
}

impl Budget {
    /// `bandwidth` in bytes a cycle.
    pub(super) fn new(bandwidth: f64, port_bytes: usize) -> Self {
        let unit = 65536.0;
        let per_cycle = ((bandwidth * unit) as u64).max(1);
        let per_beat = (port_bytes as u64) << 16;
        Self {
            tokens: per_beat,
            filled: 0,
            per_cycle,
            // What does not make a whole beat is kept; an idle memory saves up nothing more.
            most: per_beat.max(per_cycle) + per_cycle.min(per_beat) - 1,
            per_beat,
        }
    }

    /// Beats that can move in cycle `now`, which never goes back: 0, 1 or, for more, 2.
    pub(super) fn beats(&mut self, now: u64) -> u32 {
        let elapsed = now - self.filled;
        if elapsed != 0 {
            self.filled = now;
            let given = elapsed.saturating_mul(self.per_cycle);
            self.tokens = self.tokens.saturating_add(given).min(self.most);
        }
        u32::from(self.tokens >= self.per_beat) + u32::from(self.tokens >= 2 * self.per_beat)
    }

    /// Pays for a beat that [`Self::beats`] allowed.
    pub(super) fn spend(&mut self) {
        self.tokens = self.tokens.saturating_sub(self.per_beat);
    }
}
