//! The register window as the host sees it.

use crate::config::Config;
use crate::error::ErrorCode;
use crate::model::Outcome;
use crate::queue::MAX_QUEUE_LOG2;
use crate::regs;

/// Values of the registers that change.
#[derive(Clone, Debug)]
pub(super) struct Registers {
    config: Config,
    /// One value for each word below the counters.
    values: [u32; (regs::COUNTER_BASE / 4) as usize],
}

impl Registers {
    pub(super) fn new(config: Config) -> Self {
        let mut values = [0; (regs::COUNTER_BASE / 4) as usize];
        for register in regs::REGISTERS {
            values[(register.offset / 4) as usize] = regs::reset_value(register.offset, &config);
        }
        Self { config, values }
    }

    /// What the host reads: 0 where there is no register, and from every counter.
    pub(super) fn read(&self, offset: u32) -> u32 {
        let index = (offset % regs::WINDOW_BYTES / 4) as usize;
        self.values.get(index).copied().unwrap_or(0)
    }

    /// What the host writes. Returns `true` when the write asks for a reset, which has then
    /// happened to the registers.
    pub(super) fn write(&mut self, offset: u32, value: u32) -> bool {
        let offset = offset % regs::WINDOW_BYTES / 4 * 4;
        let value = value & regs::write_mask(offset);
        match offset {
            regs::CONTROL if value & regs::CONTROL_RESET != 0 => {
                *self = Self::new(self.config);
                return true;
            }
            regs::CONTROL => {
                self.set(offset, value);
                let status = self.read(regs::STATUS) & !regs::STATUS_ENABLED;
                self.set(regs::STATUS, status | value & regs::CONTROL_ENABLE);
            }
            regs::IRQ_STATUS => self.set(offset, self.read(offset) & !value),
            regs::QUEUE_LOG2 if self.enabled() || !(1..=MAX_QUEUE_LOG2).contains(&value) => {}
            regs::COUNTER_CONTROL => self.set(offset, value & !regs::COUNTERS_CLEAR),
            _ if regs::write_mask(offset) != 0 => self.set(offset, value),
            _ => {}
        }
        false
    }

    pub(super) fn set(&mut self, offset: u32, value: u32) {
        if let Some(register) = self.values.get_mut((offset / 4) as usize) {
            *register = value;
        }
    }

    pub(super) fn enabled(&self) -> bool {
        self.read(regs::CONTROL) & regs::CONTROL_ENABLE != 0
    }

    pub(super) fn fatal(&self) -> bool {
        self.read(regs::STATUS) & regs::STATUS_FATAL != 0
    }

    pub(super) fn set_fatal(&mut self) {
        self.set(regs::STATUS, self.read(regs::STATUS) | regs::STATUS_FATAL);
    }

    /// Remembers the cause of an error; success leaves the last one standing.
    pub(super) fn record(&mut self, outcome: Outcome) {
        if outcome.status != ErrorCode::Success {
            let error = u32::from(outcome.command) << 16 | outcome.status as u32;
            self.set(regs::ERROR, error);
        }
    }

    /// A register pair as an address.
    pub(super) fn address(&self, low: u32, high: u32) -> u64 {
        u64::from(self.read(low)) | u64::from(self.read(high)) << 32
    }

    /// All ones up to the last index of a ring.
    pub(super) fn ring_mask(&self) -> u32 {
        (1 << self.read(regs::QUEUE_LOG2)) - 1
    }
}
