//! The Verilated card behind a PCIe link.

mod memory;
mod options;
mod ports;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use isa::config::Config;
use isa::pci;
use isa::regs::RESET_HOLD_CYCLES;
use pcie::config_space::ConfigSpace;
use pcie::root::{Access, FromCard, LinkError, Root};
use verilate::{Library, Model};

use crate::dma::DmaTable;
use crate::function::{CardMemory, Function, FunctionError, endpoint, windows};
use crate::memory::signals::Master;
use crate::memory::{Dram, ProtocolError};
use crate::{Error, library};
use memory::HostPort;
pub(crate) use memory::LocalMemory;
pub use options::LinkOptions;
use ports::{LinkPorts, Settings};

/// Cycles for which the reset pin is held.
const RESET_CYCLES: u64 = 4;
/// Cycles after that until the card works again.
const HOLD_CYCLES: u64 = RESET_HOLD_CYCLES as u64 + 1;
/// Cycles after which a function-level reset that does not end is a bug.
const RESET_PATIENCE: u64 = 1 << 20;
/// Cycles without anything under way after which there is nothing left to do: between two blocks
/// of the card something may be under way that none of them shows.
const QUIET_CYCLES: u32 = 16;

/// Where the windows stand on the link, whatever the configuration space says: a root port sends
/// on what is meant for the function, and here nothing else is behind it.
const WINDOWS: [(u8, u64); 2] = [(pci::REGISTER_BAR, 0xe000_0000), (pci::MEMORY_BAR, 1 << 40)];

/// Why the simulation cannot go on.
#[derive(Clone, Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Memory(#[from] ProtocolError),
    #[error("the card's {0} in cycle {1} depend on what it is given in the same cycle")]
    Path(&'static str, u64),
    #[error("a function-level reset has not ended within {RESET_PATIENCE} cycles")]
    Reset,
}

impl From<Broken> for FunctionError {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken.to_string())
    }
}

/// The Verilated card as a PCI function: the RTL with its endpoint, the configuration space that
/// its hard block would hold, a root complex ([`pcie::root`]) at the other end of the link, and the
/// card's own memory behind a model of DRAM.
///
/// Every access of the host becomes packets, and so does every access of the card to host memory.
/// Time stands still between calls, and in [`Function::run`] while the card has nothing to do.
#[derive(Debug)]
pub struct RtlCard {
    config: Config,
    library: Library,
    model: Model,
    ports: LinkPorts,
    root: Root,
    dram: Dram,
    space: ConfigSpace,
    settings: Settings,
    dma: Arc<DmaTable>,
    memory: Option<Arc<CardMemory>>,
    interrupts: u64,
    from_card: FromCard,
    master: Master,
    audit: bool,
    /// Cycles since anything was under way, at most [`QUIET_CYCLES`].
    quiet: u32,
    cycles: u64,
    wall: Duration,
    broken: Option<Broken>,
}

impl RtlCard {
    /// A card of this shape after power-up, in front of a host that has nothing mapped.
    ///
    /// The model of the default shape is part of this library; another one is taken from the cache
    /// or built, which takes tens of seconds and is announced at level `info` of `tracing`.
    ///
    /// # Errors
    /// A wrong configuration or wrong options, no room for the card's memory, and what can go
    /// wrong while the model is built.
    pub fn open(config: &Config, options: &LinkOptions) -> Result<Self, Error> {
        options.root.check().map_err(Error::Link)?;
        let library = library::for_link(config, options.root.words, options.fst)?;
        Self::with_library(&library, config, options)
    }

    /// A card whose model is at hand.
    ///
    /// # Errors
    /// A wrong configuration, wrong options, no room for the card's memory, or a model whose pins
    /// are not those of the card.
    pub fn with_library(
        library: &Library,
        config: &Config,
        options: &LinkOptions,
    ) -> Result<Self, Error> {
        config.check()?;
        let mut root = Root::new(&options.root).map_err(Error::Link)?;
        for (bar, address) in WINDOWS {
            root.set_bar(bar, Some(address));
        }
        let dram =
            Dram::new(options.memory.clone(), config.port_bytes as usize).map_err(Error::Memory)?;
        let memory = CardMemory::of(config)?.map(Arc::new);
        let model = library.instantiate();
        let ports = LinkPorts::new(&model, config, options.root.words)?;
        let mut card = Self {
            config: *config,
            library: library.clone(),
            model,
            ports,
            root,
            dram,
            space: ConfigSpace::new(&endpoint(config)).map_err(Error::Endpoint)?,
            settings: Settings::default(),
            dma: Arc::new(DmaTable::new()),
            memory,
            interrupts: 0,
            from_card: FromCard::default(),
            master: Master::default(),
            audit: options.audit,
            quiet: 0,
            cycles: 0,
            wall: Duration::ZERO,
            broken: None,
        };
        card.power_up();
        Ok(card)
    }

    /// The shape of the card.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The root complex: traffic, faults, packets of any kind.
    pub fn root(&mut self) -> &mut Root {
        self.quiet = 0;
        &mut self.root
    }

    /// The model of the card's own memory: traffic, errors, hangs.
    pub fn local_memory(&mut self) -> &mut Dram {
        &mut self.dram
    }

    /// A new card in the place of one that is broken, of whose state nothing is known: only its
    /// memory is the same.
    fn replace(&mut self) {
        self.broken = None;
        self.model = self.library.instantiate();
        self.power_up();
    }

    /// Resets the card by its pin, as when power comes.
    fn power_up(&mut self) {
        self.dram.reset();
        self.root.reset();
        self.apply(false);
        self.ports.drive(&mut self.model, &Default::default());
        self.ports
            .memory
            .drive(&mut self.model, &Default::default());
        self.model.set(self.ports.reset, 1);
        self.model.cycles(RESET_CYCLES);
        self.model.set(self.ports.reset, 0);
        self.model.cycles(HOLD_CYCLES);
        self.cycles += RESET_CYCLES + HOLD_CYCLES;
    }

    /// Tells card and root complex what the configuration space says.
    fn apply(&mut self, reset: bool) {
        let root = *self.root.settings();
        self.settings = Settings {
            id: root.id.0,
            bus_master: self.space.bus_master(),
            max_payload: self.space.max_payload(),
            max_read: self.space.max_read(),
            msix_enable: self.space.msix_enabled(),
            msix_mask: self.space.msix_masked(),
            reset,
        };
        self.ports.set(&mut self.model, &self.settings);
        let size = |code: u8| 128 << code.min(5);
        let told = self.root.set_settings(pcie::root::Settings {
            bus_master: self.settings.bus_master,
            resetting: reset,
            max_payload: size(self.settings.max_payload),
            max_read: size(self.settings.max_read),
            ..root
        });
        debug_assert_eq!(told, Ok(()), "every code is a size");
    }

    /// Whether anything is under way that shows.
    #[inline]
    fn is_active(&self) -> bool {
        self.model.get(self.ports.active) != 0 || !self.root.is_idle()
    }

    /// Runs at most `most` cycles, until `stop` says so, which is asked before every cycle and
    /// after the last; says whether it did.
    fn run_until(
        &mut self,
        most: u64,
        mut stop: impl FnMut(&mut Self) -> bool,
    ) -> Result<bool, Broken> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
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
            if let Err(broken) = self.cycle() {
                self.broken = Some(broken.clone());
                break Err(broken);
            }
        };
        self.wall += start.elapsed();
        ended
    }

    #[inline]
    fn cycle(&mut self) -> Result<(), Broken> {
        self.ports.sample(&self.model, &mut self.from_card);
        self.ports.memory.sample(&self.model, &mut self.master);
        let mut host = HostPort::new(&self.dma);
        let to_card = self.root.cycle(&mut host, &self.from_card)?;
        self.ports.drive(&mut self.model, to_card);
        let mut local = LocalMemory(self.memory.as_deref());
        let slave = self.dram.cycle(&mut local, &self.master)?;
        self.ports.memory.drive(&mut self.model, slave);
        if self.audit {
            self.model.eval();
            self.check_paths()?;
        }
        self.model.cycle();
        self.cycles += 1;
        while let Some(message) = self.root.take_message() {
            self.interrupts |= 1u64.checked_shl(message.data).unwrap_or(0);
        }
        Ok(())
    }

    /// What the card drives must not have changed since it was sampled.
    fn check_paths(&self) -> Result<(), Broken> {
        let (mut from_card, mut master) = (self.from_card, self.master);
        self.ports.sample(&self.model, &mut from_card);
        self.ports.memory.sample(&self.model, &mut master);
        if from_card != self.from_card {
            return Err(Broken::Path("pins of the link", self.cycles));
        }
        if master != self.master {
            return Err(Broken::Path("pins of its memory", self.cycles));
        }
        Ok(())
    }

    /// Runs an access to its end; says whether it went well.
    fn end(&mut self, access: Access, data: &mut [u8]) -> Result<bool, Broken> {
        let mut done = None;
        // The root complex gives up what takes too long.
        while done.is_none() {
            self.run_until(1 << 20, |card| {
                done = card.root.finish(access, data);
                done.is_some()
            })?;
        }
        self.quiet = 0;
        Ok(matches!(done, Some(Ok(()))))
    }

    /// Runs `cycles` cycles, whether there is something to do or not.
    ///
    /// # Errors
    /// As [`Function::run`].
    pub fn step(&mut self, cycles: u64) -> Result<(), FunctionError> {
        self.quiet = 0;
        self.run_until(cycles, |_| false)?;
        Ok(())
    }

    /// Time that the simulation has taken.
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
    /// The card was made without [`LinkOptions::fst`], or the file cannot be written.
    pub fn trace(&mut self, path: &Path) -> Result<(), Error> {
        Ok(self.model.trace_open(path)?)
    }

    /// Ends the waveform, if there is one; dropping the card does the same, and so does a reset of
    /// a card that is broken.
    pub fn end_trace(&mut self) {
        self.model.trace_close();
    }
}

impl Function for RtlCard {
    fn config_read(&mut self, offset: u16, data: &mut [u8]) {
        let pending = self.root.card_reads() > 0;
        self.space.set_transactions_pending(pending);
        self.space.read(offset, data);
    }

    fn config_write(&mut self, offset: u16, data: &[u8]) {
        self.space.write(offset, data);
        if self.space.take_reset() {
            // A card that breaks in its reset says so in the next access.
            let _ = self.reset();
        } else {
            self.apply(false);
            self.quiet = 0;
        }
    }

    fn bar_size(&self, bar: u8) -> u64 {
        windows::bytes(bar, self.memory.as_deref())
    }

    fn bar_read(&mut self, bar: u8, offset: u64, data: &mut [u8]) -> Result<(), FunctionError> {
        windows::check(bar, self.bar_size(bar), offset, data.len())?;
        if !self.space.memory_enabled() {
            data.fill(u8::MAX);
            return Ok(());
        }
        let access = self.root.read(bar, offset, data.len());
        if !self.end(access, data)? {
            data.fill(u8::MAX);
        }
        Ok(())
    }

    fn bar_write(&mut self, bar: u8, offset: u64, data: &[u8]) -> Result<(), FunctionError> {
        windows::check(bar, self.bar_size(bar), offset, data.len())?;
        if self.space.memory_enabled() {
            let access = self.root.write(bar, offset, data);
            if !self.end(access, &mut [])? {
                let len = data.len();
                return Err(FunctionError::Timeout { bar, offset, len });
            }
        }
        Ok(())
    }

    /// A card that is broken is replaced by a new one.
    fn reset(&mut self) -> Result<(), FunctionError> {
        self.space.reset();
        if self.broken.is_some() {
            self.replace();
        } else {
            self.apply(true);
            let done = self.run_until(RESET_PATIENCE, |card| {
                card.model.get(card.ports.reset_done) != 0
            })?;
            if !done {
                self.broken = Some(Broken::Reset);
                return Err(Broken::Reset.into());
            }
            self.apply(false);
        }
        self.quiet = 0;
        self.interrupts = 0;
        Ok(())
    }

    fn run(&mut self, cycles: u64) -> Result<bool, FunctionError> {
        let idle = self.run_until(cycles, |card| {
            card.quiet = match card.is_active() {
                true => 0,
                false => (card.quiet + 1).min(QUIET_CYCLES),
            };
            card.quiet == QUIET_CYCLES
        })?;
        Ok(!idle)
    }

    fn take_interrupts(&mut self) -> u64 {
        std::mem::take(&mut self.interrupts)
    }

    fn dma(&self) -> &Arc<DmaTable> {
        &self.dma
    }

    fn card_memory(&self) -> Option<&Arc<CardMemory>> {
        self.memory.as_ref()
    }

    fn cycles(&self) -> Option<u64> {
        Some(self.cycles)
    }
}
