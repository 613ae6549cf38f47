//! The register window as the host sees it.

use alloc::vec;
use alloc::vec::Vec;

use crate::config::Config;
use crate::error::ErrorCode;
use crate::model::Outcome;
use crate::queue::MAX_QUEUE_LOG2;
use crate::regs;

/// Registers of a bank.
const BANK: usize = (regs::QUEUE_STRIDE / 4) as usize;

/// Values of the registers that change.
#[derive(Clone, Debug)]
pub(super) struct Registers {
    config: Config,
    /// One value for each word below the counters.
    values: [u32; (regs::COUNTER_BASE / 4) as usize],
    queues: Vec<Queue>,
}

/// One queue: its registers, and what goes with them.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    values: [u32; BANK],
    /// Phase bit of the next completion.
    pub(super) phase: u8,
    /// Something new is to be told by a message.
    event: bool,
}

/// The bits of the bytes that `strobes` names.
fn bits(strobes: u8) -> u32 {
    (0..4)
        .filter(|byte| strobes >> byte & 1 == 1)
        .map(|byte| 0xff << (8 * byte))
        .sum()
}

impl Registers {
    pub(super) fn new(config: Config) -> Self {
        let mut values = [0; (regs::COUNTER_BASE / 4) as usize];
        for register in regs::REGISTERS {
            values[(register.offset / 4) as usize] = regs::reset_value(register.offset, &config);
        }
        let queues = vec![Queue::new(&config); config.queues as usize];
        Self {
            config,
            values,
            queues,
        }
    }

    pub(super) fn queues(&self) -> usize {
        self.queues.len()
    }

    pub(super) fn queue(&self, queue: usize) -> &Queue {
        &self.queues[queue]
    }

    pub(super) fn queue_mut(&mut self, queue: usize) -> &mut Queue {
        &mut self.queues[queue]
    }

    /// What the host reads: 0 where there is no register, and from every counter.
    pub(super) fn read(&self, offset: u32) -> u32 {
        let offset = offset % regs::WINDOW_BYTES;
        match regs::queue_of(offset) {
            Some((queue, register)) => match self.queues.get(queue as usize) {
                Some(queue) => queue.get(register),
                None => 0,
            },
            None => self.values.get((offset / 4) as usize).copied().unwrap_or(0),
        }
    }

    /// What the host writes: the bytes of `value` that `strobes` names.
    pub(super) fn write(&mut self, offset: u32, value: u32, strobes: u8) {
        let offset = offset % regs::WINDOW_BYTES / 4 * 4;
        if let Some((queue, register)) = regs::queue_of(offset) {
            let config = self.config;
            if let Some(queue) = self.queues.get_mut(queue as usize) {
                queue.write(register, value, bits(strobes), &config);
            }
            return;
        }
        let mask = regs::write_mask(offset) & bits(strobes);
        let kept = self.read(offset) & !mask;
        match offset {
            regs::CONTROL if value & mask & regs::CONTROL_RESET != 0 => {
                *self = Self::new(self.config);
            }
            regs::COUNTER_CONTROL => self.set(offset, kept | value & mask & !regs::COUNTERS_CLEAR),
            regs::WATCHDOG | regs::LINK_TIMEOUT => self.set(offset, kept | value & mask),
            _ => {}
        }
    }

    fn set(&mut self, offset: u32, value: u32) {
        if let Some(register) = self.values.get_mut((offset / 4) as usize) {
            *register = value;
        }
    }

    /// Remembers the cause of an error; success leaves the last one standing.
    pub(super) fn record(&mut self, queue: usize, outcome: Outcome) {
        if outcome.status != ErrorCode::Success {
            let error = u32::from(outcome.command) << 16 | outcome.status as u32;
            self.set(regs::ERROR, error);
            self.queues[queue].set(regs::QUEUE_ERROR, error);
        }
    }
}

impl Queue {
    fn new(config: &Config) -> Self {
        let mut queue = Self {
            values: [0; BANK],
            phase: 1,
            event: false,
        };
        for register in regs::QUEUE_REGISTERS {
            queue.set(register.offset, regs::reset_value(register.offset, config));
        }
        queue
    }

    fn write(&mut self, register: u32, value: u32, bits: u32, config: &Config) {
        let mask = regs::write_mask(register) & bits;
        let value = value & mask;
        let merged = self.get(register) & !mask | value;
        match register {
            regs::QUEUE_CONTROL if value & regs::QUEUE_RESET != 0 => *self = Self::new(config),
            regs::QUEUE_CONTROL => {
                let was_on = self.wants_irq();
                self.set(register, merged);
                self.event |= !was_on && self.irq();
                let status = self.get(regs::QUEUE_STATUS) & !regs::QUEUE_ENABLED;
                self.set(regs::QUEUE_STATUS, status | merged & regs::QUEUE_ENABLE);
            }
            regs::IRQ_STATUS => self.set(register, self.get(register) & !value),
            regs::QUEUE_LOG2 if self.enabled() || !(1..=MAX_QUEUE_LOG2).contains(&merged) => {}
            _ if mask != 0 => self.set(register, merged),
            _ => {}
        }
    }

    /// A register of [`regs::QUEUE_REGISTERS`]; 0 where there is none.
    pub(super) fn get(&self, register: u32) -> u32 {
        let index = (register - regs::QUEUE_BASE) / 4;
        self.values.get(index as usize).copied().unwrap_or(0)
    }

    pub(super) fn set(&mut self, register: u32, value: u32) {
        let index = (register - regs::QUEUE_BASE) / 4;
        if let Some(register) = self.values.get_mut(index as usize) {
            *register = value;
        }
    }

    pub(super) fn enabled(&self) -> bool {
        self.get(regs::QUEUE_CONTROL) & regs::QUEUE_ENABLE != 0
    }

    pub(super) fn failed(&self) -> bool {
        self.get(regs::QUEUE_STATUS) & regs::QUEUE_FAILED != 0
    }

    pub(super) fn irq(&self) -> bool {
        self.wants_irq() && (self.get(regs::IRQ_STATUS) != 0 || self.failed())
    }

    fn wants_irq(&self) -> bool {
        self.get(regs::QUEUE_CONTROL) & regs::QUEUE_IRQ_ENABLE != 0
    }

    /// Something happened that the host is to know.
    pub(super) fn signal(&mut self) {
        self.event |= self.wants_irq();
    }

    pub(super) fn take_event(&mut self) -> bool {
        core::mem::take(&mut self.event)
    }

    /// Whether there is a submission that may be taken.
    pub(super) fn has_work(&self) -> bool {
        let mask = self.ring_mask();
        let submitted = self.get(regs::SQ_TAIL) & mask != self.get(regs::SQ_HEAD) & mask;
        let next_tail = (self.get(regs::CQ_TAIL) + 1) & mask;
        let room = next_tail != self.get(regs::CQ_HEAD) & mask;
        self.enabled() && !self.failed() && submitted && room
    }

    /// A register pair as an address.
    pub(super) fn address(&self, low: u32, high: u32) -> u64 {
        u64::from(self.get(low)) | u64::from(self.get(high)) << 32
    }

    /// All ones up to the last index of a ring.
    pub(super) fn ring_mask(&self) -> u32 {
        (1 << self.get(regs::QUEUE_LOG2)) - 1
    }
}
