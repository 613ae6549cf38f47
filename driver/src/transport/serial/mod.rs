//! A card on a serial line: `isa::serial` as a [`Function`].
//!
//! ```text
//!   SerialFunction --> Service (thread) --> Session --> Link --> frames --> Line --> card
//!   reads, writes,     has the line,        requests,   window,  stuffing,  tty,
//!   waits              wakes who waits      DMA         resends  CRC        socket
//! ```
//!
//! The card reaches the host's memory by messages, which the thread answers from what is mapped.
//! Its own memory is a copy here: what is written to it travels before the next write of a register,
//! and nothing else does. Configuration space, which a line does not have, is made up.

mod config;
mod frame;
mod line;
mod link;
mod memory;
mod message;
mod options;
mod service;
mod session;
mod shadow;
mod traffic;

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use isa::pci::{MEMORY_BAR, REGISTER_BAR, REGISTER_BAR_BYTES};
use isa::regs;

use super::function::Function;
use super::{Patience, TransportError, Wake};
use crate::dma::pool::DmaSpace;
use crate::dma::{Backing, HostMemory, Sharing};

use config::ConfigSpace;
use service::Service;
use session::{Phase, Request};
use shadow::Shadow;

pub use line::{Line, LineError};
pub use options::SerialOptions;
pub use traffic::Traffic;

/// What a card's address holds below its own memory.
const ADDRESSES: RangeInclusive<u64> = 0..=(1 << 48) - 1;
/// The other end of a pseudo-terminal is a program, which may simulate a card slowly; when it is
/// gone, so is the terminal.
const PROGRAM_SILENCE: Duration = Duration::from_secs(5);

/// Why there is no card to be used on a line.
#[derive(Debug, thiserror::Error)]
pub enum SerialError {
    /// The port cannot be used.
    #[error(transparent)]
    Line(#[from] LineError),
    /// No card answers, or one that cannot be used.
    #[error("{0}")]
    Card(String),
}

/// A card on a serial line.
pub struct SerialFunction {
    name: String,
    config: Mutex<ConfigSpace>,
    vectors: u32,
    memory_bytes: u64,
    shadow: OnceLock<Arc<Shadow>>,
    service: Service,
}

impl SerialFunction {
    /// Opens a serial port for this process alone and says hello to the card, which is reset by
    /// that.
    ///
    /// # Errors
    /// The port cannot be used, or no card answers.
    pub fn open(path: &Path, options: SerialOptions) -> Result<Self, SerialError> {
        let line = Line::open(path, options.baud)?;
        let mut options = options;
        if line.is_pseudo() {
            options.silence = options.silence.max(PROGRAM_SILENCE);
        }
        Self::over(line, options)
    }

    /// Says hello to the card on a line that is open.
    ///
    /// # Errors
    /// No card answers, or one that cannot be used.
    pub fn over(line: Line, options: SerialOptions) -> Result<Self, SerialError> {
        let name = format!("card on the serial line {}", line.name());
        let failed = |error| match error {
            TransportError::Gone { why } => SerialError::Card(why),
            other => SerialError::Card(other.to_string()),
        };
        let service = Service::start(line, options).map_err(failed)?;
        let read = |offset: u32| service.ask(Request::Read(offset as u16)).map_err(failed);
        let id = read(regs::ID)?;
        if id != regs::ID_VALUE {
            return Err(SerialError::Card(format!(
                "the identity of the card is {id:#010x}, that of a Systole card is {:#010x}",
                regs::ID_VALUE
            )));
        }
        let shape = regs::read_config(read)?;
        let checked = shape.check();
        checked.map_err(|error| SerialError::Card(format!("the card claims too much: {error}")))?;
        Ok(Self {
            name,
            config: Mutex::default(),
            vectors: shape.queues,
            memory_bytes: u64::from(shape.card_memory_mib) << 20,
            shadow: OnceLock::new(),
            service,
        })
    }

    fn config(&self) -> MutexGuard<'_, ConfigSpace> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The offset of a register; the window is far smaller than what a message names.
fn register(bar: u8, offset: u32) -> Result<u16, TransportError> {
    let offset = u16::try_from(offset).ok().filter(|_| bar == REGISTER_BAR);
    offset.ok_or_else(|| TransportError::Broken(format!("a line does not reach BAR {bar}")))
}

impl DmaSpace for SerialFunction {
    fn sharing(&self) -> Sharing {
        Sharing::Process
    }

    fn ranges(&self) -> Vec<RangeInclusive<u64>> {
        vec![ADDRESSES]
    }

    fn map(&self, memory: &Arc<HostMemory>, address: u64) -> Result<(), TransportError> {
        self.service
            .with(|session| session.memories.map(memory, address));
        Ok(())
    }

    fn unmap(&self, address: u64, _bytes: u64) -> Result<(), TransportError> {
        self.service.with(|session| session.memories.unmap(address));
        Ok(())
    }
}

impl Function for SerialFunction {
    fn describe(&self) -> &str {
        &self.name
    }

    fn config_read(&self, offset: u16, data: &mut [u8]) -> Result<(), TransportError> {
        self.config().read(offset, data);
        Ok(())
    }

    fn config_write(&self, offset: u16, data: &[u8]) -> Result<(), TransportError> {
        let mut config = self.config();
        config.write(offset, data);
        let master = config.bus_master();
        self.service.with(|session| session.master = master);
        Ok(())
    }

    fn bar_bytes(&self, bar: u8) -> u64 {
        match bar {
            REGISTER_BAR => REGISTER_BAR_BYTES,
            MEMORY_BAR => self.memory_bytes,
            _ => 0,
        }
    }

    fn read32(&self, bar: u8, offset: u32) -> Result<u32, TransportError> {
        self.service.ask(Request::Read(register(bar, offset)?))
    }

    fn write32(&self, bar: u8, offset: u32, value: u32) -> Result<(), TransportError> {
        let offset = register(bar, offset)?;
        let shadow = self.shadow.get();
        let written = shadow.map(|shadow| shadow.take_written());
        let written = written.unwrap_or_default();
        // Weights take long, and whoever rings a doorbell after them begins to count the time.
        let patiently = !written.is_empty();
        let memory = written.into_iter().zip(shadow.into_iter().cycle());
        let memory = memory.map(|(words, shadow)| Request::Memory(Arc::clone(shadow), words));
        let write = Request::Write(offset, value);
        self.service.send(memory.chain([write]), patiently)
    }

    fn card_memory(&self, bar: u8) -> Result<Option<Arc<dyn Backing>>, TransportError> {
        if bar != MEMORY_BAR || self.memory_bytes == 0 {
            return Ok(None);
        }
        if self.shadow.get().is_none() {
            let bytes = usize::try_from(self.memory_bytes).unwrap_or(usize::MAX);
            let shadow = Shadow::new(bytes).map_err(|error| TransportError::Memory {
                bytes,
                why: format!("a copy of the card's memory has no room: {error}"),
            })?;
            // Another's is as good.
            let _ = self.shadow.set(Arc::new(shadow));
        }
        Ok(self.shadow.get().map(|shadow| Arc::clone(shadow) as _))
    }

    fn vectors(&self) -> u32 {
        self.vectors
    }

    fn enable_vectors(&self, count: u32) -> Result<(), TransportError> {
        match count <= self.vectors {
            true => Ok(()),
            false => Err(TransportError::Broken(format!(
                "the card has {} queues, each with an interrupt, not {count}",
                self.vectors
            ))),
        }
    }

    fn wait(&self, vector: u32, patience: Patience) -> Result<Wake, TransportError> {
        self.service.wait(vector, patience)
    }

    fn alarms(&self) -> u64 {
        self.service.with(|session| session.alarms().0)
    }

    fn alarm(&self) -> String {
        self.service.with(|session| session.alarms().1.to_string())
    }

    fn check(&self) -> Result<(), TransportError> {
        self.service.with(|session| session.check(session.age()))
    }

    fn reset(&self) -> Result<(), TransportError> {
        // What was written to its memory and is not there yet was for what is reset.
        if let Some(shadow) = self.shadow.get() {
            shadow.take_written();
        }
        let is_up = self.service.with(|session| *session.phase() == Phase::Up);
        match is_up && self.service.ask(Request::Reset).is_ok() {
            true => Ok(()),
            // A card that was restarted, or that is in disorder, knows only a hello.
            false => self.service.restart(),
        }
    }

    fn traffic(&self) -> Option<Traffic> {
        Some(self.service.with(|session| session.traffic()))
    }
}
