//! Performance counters of the card.

use isa::regs::{self, COUNTERS};

use crate::transport::{Transport, TransportError};

/// Values of [`COUNTERS`], in their order; all zero on a card without a clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters(pub Vec<u64>);

impl Default for Counters {
    fn default() -> Self {
        Self(vec![0; COUNTERS.len()])
    }
}

impl Counters {
    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        COUNTERS
            .iter()
            .map(|counter| counter.name)
            .zip(self.0.iter().copied())
    }

    /// The counter of this name.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.iter()
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value)
    }

    pub(super) fn clear(transport: &mut dyn Transport) -> Result<(), TransportError> {
        transport.write(regs::COUNTER_CONTROL, regs::COUNTERS_CLEAR)
    }

    /// Reads all counters at one moment.
    pub(super) fn read(transport: &mut dyn Transport) -> Result<Self, TransportError> {
        transport.write(regs::COUNTER_CONTROL, regs::COUNTERS_FREEZE)?;
        let mut values = Vec::with_capacity(COUNTERS.len());
        for index in 0..COUNTERS.len() {
            let offset = regs::counter_offset(index);
            let low = u64::from(transport.read(offset)?);
            let high = u64::from(transport.read(offset + 4)?);
            values.push(high << 32 | low);
        }
        transport.write(regs::COUNTER_CONTROL, 0)?;
        Ok(Self(values))
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (mine, other) in self.0.iter_mut().zip(&other.0) {
            *mine += other;
        }
    }
}
