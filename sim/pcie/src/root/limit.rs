//! How long packets of a kind may be.

/// Packets that the card may have cut before it was told a smaller size, and sends afterwards: more
/// than any of its queues holds. Nothing in the specification stops software from making the size
/// smaller meanwhile, and a packet that was cut is not cut again.
const CUT_BEFORE: u32 = 16;

/// The most bytes that packets of a kind may carry.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limit {
    most: u32,
    /// What was allowed before the limit became smaller.
    before: u32,
    /// To how many packets it still is.
    left: u32,
}

impl Limit {
    /// Allows this much from now on.
    pub(super) fn set(&mut self, most: u32) {
        if most < self.most {
            self.before = self.now();
            self.left = CUT_BEFORE;
        }
        self.most = most;
    }

    /// What the next packet may carry.
    fn now(&self) -> u32 {
        match self.left {
            0 => self.most,
            _ => self.most.max(self.before),
        }
    }

    /// A packet carries so many bytes.
    ///
    /// # Errors
    /// What it may carry at most.
    pub(super) fn take(&mut self, bytes: u64) -> Result<(), u32> {
        let now = self.now();
        self.left = self.left.saturating_sub(1);
        match bytes <= u64::from(now) {
            true => Ok(()),
            false => Err(now),
        }
    }
}
