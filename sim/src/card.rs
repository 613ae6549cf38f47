//! A simulated card with its memory.

use std::path::Path;
use std::time::{Duration, Instant};

use isa::config::Config;
use isa::queue::MAX_QUEUES;
use isa::regs::RESET_HOLD_CYCLES;
use verilate::{Library, Model};

use crate::memory::signals::Master;
use crate::memory::{Dram, HostMemory, MemoryOptions, ProtocolError};
use crate::ports::Ports;
use crate::{Error, library};

/// Cycles for which the reset pin is held.
const RESET_CYCLES: u64 = 4;
/// Cycles after that until the card works again.
const HOLD_CYCLES: u64 = RESET_HOLD_CYCLES as u64 + 1;

/// How a card is simulated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Whether [`Card::trace`] can write waveforms, which costs some speed.
    pub fst: bool,
    /// The memory behind the card's port.
    pub memory: MemoryOptions,
}

/// A card, cycle by cycle, and the host's memory behind its port.
///
/// Time stands still between calls: the card runs only in [`Self::step`], [`Self::run_until`] and,
/// one cycle each, in register accesses. After an [`Error::Protocol`] every call that needs a cycle
/// gives the same error again.
#[derive(Debug)]
pub struct Card<H> {
    config: Config,
    model: Model,
    ports: Ports,
    dram: Dram,
    host: H,
    master: Master,
    cycles: u64,
    wall: Duration,
    broken: Option<ProtocolError>,
}

impl<H: HostMemory> Card<H> {
    /// A card of this shape after its reset, in front of `host`.
    ///
    /// The model of the default shape is part of this library; another one is taken from the cache
    /// or built, which takes tens of seconds and is announced at level `info` of `tracing`.
    ///
    /// # Errors
    /// A wrong configuration or wrong options, and what can go wrong while the model is built.
    pub fn open(config: &Config, options: &Options, host: H) -> Result<Self, Error> {
        let library = library::for_config(config, options.fst)?;
        Self::with_library(&library, config, options, host)
    }

    /// A card whose model is at hand.
    ///
    /// # Errors
    /// A wrong configuration, wrong options, or a model whose pins are not those of the card.
    pub fn with_library(
        library: &Library,
        config: &Config,
        options: &Options,
        host: H,
    ) -> Result<Self, Error> {
        config.check()?;
        let dram =
            Dram::new(options.memory.clone(), config.port_bytes as usize).map_err(Error::Memory)?;
        let model = library.instantiate();
        let ports = Ports::new(&model, config)?;
        let mut card = Self {
            config: *config,
            model,
            ports,
            dram,
            host,
            master: Master::default(),
            cycles: 0,
            wall: Duration::ZERO,
            broken: None,
        };
        card.reset();
        Ok(card)
    }

    /// The shape of the card.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The host's memory.
    pub fn host(&mut self) -> &mut H {
        &mut self.host
    }

    /// The memory model: traffic, errors, hangs.
    pub fn memory(&mut self) -> &mut Dram {
        &mut self.dram
    }

    /// Resets the card by its pin and drops every transfer that is under way.
    pub fn reset(&mut self) {
        self.broken = None;
        self.dram.reset();
        self.ports
            .memory
            .drive(&mut self.model, &Default::default());
        self.model.set(self.ports.reset, 1);
        self.model.cycles(RESET_CYCLES);
        self.model.set(self.ports.reset, 0);
        self.model.cycles(HOLD_CYCLES);
        self.cycles += RESET_CYCLES + HOLD_CYCLES;
    }

    /// Reads a register; takes one cycle. Offsets beyond the window wrap.
    ///
    /// # Errors
    /// [`Error::Protocol`].
    pub fn read_reg(&mut self, offset: u32) -> Result<u32, Error> {
        self.model.set(self.ports.reg_addr, offset.into());
        self.model.set(self.ports.reg_read, 1);
        let done = self.step(1);
        self.model.set(self.ports.reg_read, 0);
        done?;
        Ok(self.model.get(self.ports.reg_rdata) as u32)
    }

    /// Writes a register; takes one cycle. Offsets beyond the window wrap.
    ///
    /// # Errors
    /// [`Error::Protocol`].
    pub fn write_reg(&mut self, offset: u32, value: u32) -> Result<(), Error> {
        self.write_reg_bytes(offset, value, 0xf)
    }

    /// Writes the bytes of a register that `strobes` names, bit 0 for bits 7:0 of `value`; takes one
    /// cycle. Offsets beyond the window wrap.
    ///
    /// # Errors
    /// [`Error::Protocol`].
    pub fn write_reg_bytes(&mut self, offset: u32, value: u32, strobes: u8) -> Result<(), Error> {
        self.model.set(self.ports.reg_addr, offset.into());
        self.model.set(self.ports.reg_wdata, value.into());
        self.model
            .set(self.ports.reg_strobes, u64::from(strobes & 0xf));
        self.model.set(self.ports.reg_write, 1);
        let done = self.step(1);
        self.model.set(self.ports.reg_write, 0);
        done
    }

    /// Whether the interrupt line of any queue is high.
    #[inline]
    pub fn irq(&self) -> bool {
        self.model.get(self.ports.irq) != 0
    }

    /// The interrupt line of a queue; low where there is no such queue.
    #[inline]
    pub fn queue_irq(&self, queue: u32) -> bool {
        queue < MAX_QUEUES && self.model.get(self.ports.irq) >> queue & 1 != 0
    }

    /// Whether work is at hand or under way; otherwise nothing happens until a register is written.
    #[inline]
    pub fn active(&self) -> bool {
        self.model.get(self.ports.active) != 0
    }

    /// Runs `cycles` cycles.
    ///
    /// # Errors
    /// [`Error::Protocol`].
    pub fn step(&mut self, cycles: u64) -> Result<(), Error> {
        self.run_until(cycles, |_| false).map(|_| ())
    }

    /// Runs until the interrupt line of any queue is high, at most `most` cycles; says whether it is.
    ///
    /// # Errors
    /// [`Error::Protocol`].
    pub fn run_until_irq(&mut self, most: u64) -> Result<bool, Error> {
        self.run_until(most, Self::irq)
    }

    /// Runs until `stop` says so, at most `most` cycles; says whether it did. `stop` is asked
    /// before every cycle and after the last.
    ///
    /// # Errors
    /// [`Error::Protocol`].
    pub fn run_until(
        &mut self,
        most: u64,
        mut stop: impl FnMut(&Self) -> bool,
    ) -> Result<bool, Error> {
        if let Some(error) = &self.broken {
            return Err(error.clone().into());
        }
        let start = Instant::now();
        let mut left = most;
        let ended = loop {
            if stop(self) {
                break Ok(true);
            }
            if left == 0 {
                break Ok(false);
            }
            left -= 1;
            if let Err(error) = self.cycle() {
                self.broken = Some(error.clone());
                break Err(error.into());
            }
        };
        self.wall += start.elapsed();
        ended
    }

    #[inline]
    fn cycle(&mut self) -> Result<(), ProtocolError> {
        self.ports.memory.sample(&self.model, &mut self.master);
        let slave = self.dram.cycle(&mut self.host, &self.master)?;
        self.ports.memory.drive(&mut self.model, slave);
        self.model.cycle();
        self.cycles += 1;
        Ok(())
    }

    /// Cycles since the card was made.
    pub fn cycles(&self) -> u64 {
        self.cycles
    }

    /// Time that the simulation of these cycles has taken.
    pub fn wall_time(&self) -> Duration {
        self.wall
    }

    /// Speed of the simulation so far; 0 before anything ran.
    pub fn cycles_per_second(&self) -> f64 {
        match self.wall.as_secs_f64() {
            seconds if seconds > 0.0 => self.cycles as f64 / seconds,
            _ => 0.0,
        }
    }

    /// Writes a waveform of everything from now on to `path`, in the format FST.
    ///
    /// # Errors
    /// The card was made without [`Options::fst`], or the file cannot be written.
    pub fn trace(&mut self, path: &Path) -> Result<(), Error> {
        Ok(self.model.trace_open(path)?)
    }

    /// Ends the waveform, if there is one; dropping the card does the same.
    pub fn end_trace(&mut self) {
        self.model.trace_close();
    }
}
