//! The Verilated card behind a serial line, byte by byte.

use std::collections::VecDeque;
use std::time::Duration;

use isa::config::Config;
use verilate::{Library, Model, PortRef};

use super::SerialDevice;
use crate::function::CardMemory;
use crate::link::LocalMemory;
use crate::memory::signals::Master;
use crate::memory::{Dram, MemoryOptions, ProtocolError};
use crate::ports::{AxiPorts, LOCAL_PORT, find};
use crate::{Error, library};

/// Cycles for which the reset pin is held.
const RESET_CYCLES: u64 = 4;
/// Cycles that the card runs before the line is looked at again.
const SLICE: u32 = 1000;
/// Cycles without anything under way after which there is nothing left to do: between two blocks
/// of the card something may be under way that none of them shows.
const QUIET_CYCLES: u32 = 16;

/// The RTL of a card behind a serial line, without the UART: a byte takes a cycle, in either
/// direction. Its own memory lies behind a model of DRAM.
///
/// Time stands still while the card has nothing to do.
#[derive(Debug)]
pub struct SerialRtl {
    model: Model,
    reset: PortRef,
    rx_valid: PortRef,
    rx_data: PortRef,
    tx_valid: PortRef,
    tx_data: PortRef,
    active: PortRef,
    port: AxiPorts,
    dram: Dram,
    memory: Option<CardMemory>,
    master: Master,
    to_card: VecDeque<u8>,
    /// Cycles since anything was under way.
    quiet: u32,
    cycles: u64,
    broken: Option<ProtocolError>,
}

impl SerialRtl {
    /// A card of this shape after power-up, with this behind the port of its own memory.
    ///
    /// The model is taken from the cache or built, which takes tens of seconds and is announced at
    /// level `info` of `tracing`.
    ///
    /// # Errors
    /// A wrong configuration or wrong options, no room for the card's memory, and what can go
    /// wrong while the model is built.
    pub fn open(config: &Config, options: &MemoryOptions) -> Result<Self, Error> {
        let library = library::for_serial(config)?;
        Self::with_library(&library, config, options)
    }

    /// A card whose model is at hand.
    ///
    /// # Errors
    /// As [`Self::open`], or a model whose pins are not those of the card.
    pub fn with_library(
        library: &Library,
        config: &Config,
        options: &MemoryOptions,
    ) -> Result<Self, Error> {
        config.check()?;
        let dram = Dram::new(options.clone(), config.port_bytes as usize).map_err(Error::Memory)?;
        let memory = CardMemory::of(config)?;
        let mut model = library.instantiate();
        let pin = |port, width| find(&model, port, width);
        let (reset, tx_ready) = (pin("reset", 1)?, pin("tx_ready", 1)?);
        let (rx_valid, rx_data) = (pin("rx_valid", 1)?, pin("rx_data", 8)?);
        let (tx_valid, tx_data) = (pin("tx_valid", 1)?, pin("tx_data", 8)?);
        let active = pin("active", 1)?;
        let port = AxiPorts::new(&model, &LOCAL_PORT, config.port_bytes)?;
        // Whatever the card sends is taken at once.
        model.set(tx_ready, 1);
        let mut card = Self {
            model,
            reset,
            rx_valid,
            rx_data,
            tx_valid,
            tx_data,
            active,
            port,
            dram,
            memory,
            master: Master::default(),
            to_card: VecDeque::new(),
            quiet: 0,
            cycles: 0,
            broken: None,
        };
        card.model.set(card.reset, 1);
        card.model.cycles(RESET_CYCLES);
        card.model.set(card.reset, 0);
        card.cycles = RESET_CYCLES;
        Ok(card)
    }

    /// Cycles since power-up.
    pub fn cycles(&self) -> u64 {
        self.cycles
    }

    #[inline]
    fn cycle(&mut self, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        let model = &mut self.model;
        let byte = self.to_card.pop_front();
        model.set(self.rx_valid, byte.is_some().into());
        model.set(self.rx_data, byte.unwrap_or(0).into());
        self.port.sample(model, &mut self.master);
        let mut local = LocalMemory(self.memory.as_ref());
        let slave = self.dram.cycle(&mut local, &self.master)?;
        self.port.drive(model, slave);
        if model.get(self.tx_valid) != 0 {
            out.push(model.get(self.tx_data) as u8);
        }
        let busy = byte.is_some() || model.get(self.active) != 0;
        self.quiet = if busy { 0 } else { self.quiet + 1 };
        model.cycle();
        self.cycles += 1;
        Ok(())
    }
}

impl SerialDevice for SerialRtl {
    fn run(&mut self, now: Duration, bytes: &[u8], out: &mut Vec<u8>) -> Option<Duration> {
        self.to_card.extend(bytes);
        self.quiet = 0;
        for _ in 0..SLICE {
            if self.broken.is_some() || self.quiet >= QUIET_CYCLES {
                return None;
            }
            self.broken = self.cycle(out).err();
        }
        Some(now)
    }

    fn broken(&self) -> Option<String> {
        self.broken.as_ref().map(ProtocolError::to_string)
    }
}
