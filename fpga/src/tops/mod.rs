//! The tops of the boards: clocks, reset, lights and memory around a card behind a serial link or
//! PCI Express.

mod acorn;
mod block_memory;
mod clocks;
mod lights;
mod nexys_video;
mod pads;
pub mod pcie;
mod pll;
mod reset;
mod ulx3s;

pub use acorn::Acorn;
pub use block_memory::BlockMemory;
pub use lights::Lights;
pub use nexys_video::NexysVideo;
pub use pll::{Pll, PllError};
pub use reset::ResetHold;
pub use ulx3s::Ulx3s;

use hdl::emit::{EmitError, emit};
use hdl::sdram::{Part, Timing, TimingError};
use isa::config::{Config, ConfigError, Datapaths};
use isa::serial::DEFAULT_BAUD;

use crate::boards::{Board, TOP};

/// Cycles that read data passes the registers in the pads: one on the way out, one on the way in.
const PAD_CYCLES: u32 = 2;

/// Up to this many MHz a CAS latency of 2 does.
const FASTEST_CAS_2: u32 = 100;

/// Cycles that a light shows what lasts one: 50 ms at 80 MHz.
const SHOWN: u64 = 4_000_000;

/// Activations and weights that the card of a board holds. A quarter and a half of what cards have
/// elsewhere: block memories stand in a few rows across the whole chip, and the more of them are
/// taken, the longer are the ways to all of them, while a serial port is in no hurry.
const ACTIVATION_BYTES: u32 = 32 << 10;
const WEIGHT_BYTES: u32 = 32 << 10;

/// What a top is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TopConfig {
    /// The board.
    pub board: Board,
    /// Rows of the array.
    pub rows: u32,
    /// Columns of the array.
    pub cols: u32,
    /// What the array can do.
    pub datapaths: Datapaths,
    /// Wanted clock; the PLL gives the fastest that is not above it.
    pub mhz: f64,
}

/// Why there is no top.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TopError {
    /// No card can have this shape.
    #[error("bad configuration: {0}")]
    Config(#[from] ConfigError),
    /// No PLL gives this clock.
    #[error(transparent)]
    Pll(#[from] PllError),
    /// The card has the clock of its link.
    #[error("a card on {board} has the clock of its link, {link_mhz} MHz, not {wanted_mhz} MHz")]
    Clock {
        /// The board.
        board: &'static str,
        /// What the link gives.
        link_mhz: f64,
        /// What was asked for.
        wanted_mhz: f64,
    },
    /// The memory of the board cannot have this clock.
    #[error(transparent)]
    Memory(#[from] TimingError),
    /// A kernel cannot be printed.
    #[error(transparent)]
    Emit(#[from] EmitError),
}

impl TopConfig {
    /// The shape of the card in the top: its own memory is that of the board, the one host at the
    /// other end of a serial wire needs one queue, and its buffers are small.
    pub fn shape(&self) -> Config {
        let shape = Config::with_array(self.rows, self.cols);
        let (queues, card_memory_mib) = match self.board {
            Board::Ulx3s85f => (1, 32),
            Board::Artix7200t => (1, nexys_video::MEMORY_MIB),
            Board::AcornCle215 => (shape.queues, acorn::MEMORY_MIB),
        };
        Config {
            act_rows: ACTIVATION_BYTES / self.rows,
            wgt_rows: WEIGHT_BYTES / (2 * self.cols),
            datapaths: self.datapaths,
            queues,
            card_memory_mib,
            ..shape
        }
    }

    /// What the PLL is set to.
    ///
    /// # Errors
    /// It cannot give the clock.
    pub fn pll(&self) -> Result<Pll, PllError> {
        Pll::find(self.board.part(), self.board.clock().mhz, self.mhz)
    }
}

/// The Verilog of a top, whose top module is [`TOP`]: what has the one clock comes from Rust-HDL,
/// clocks and pads around it are printed.
///
/// # Errors
/// A shape that no card can have, or a clock that the board cannot give or its memory cannot have.
pub fn emit_top(top: &TopConfig) -> Result<String, TopError> {
    let top = *top;
    let shape = top.shape();
    if let Some(link_mhz) = top.board.link_mhz().filter(|link| *link != top.mhz) {
        return Err(TopError::Clock {
            board: top.board.name(),
            link_mhz,
            wanted_mhz: top.mhz,
        });
    }
    let pll = top.pll()?;
    shape.check()?;
    let mhz = pll.mhz().ceil() as u32;
    let latency = if mhz <= FASTEST_CAS_2 { 2 } else { 3 };
    let timing = Timing::new(&Part::ANY, mhz, latency)?.with_delay(PAD_CYCLES)?;
    // Elaboration recurses through thousands of blocks.
    let thread = std::thread::Builder::new().stack_size(256 << 20);
    let work = move || -> Result<String, TopError> {
        let mut modules = vec![];
        match top.board {
            Board::Ulx3s85f => {
                let core = Box::new(Ulx3s::new(&shape, &pll, &timing)?);
                modules.push(emit(core.as_ref(), ulx3s::CORE)?.verilog());
                modules.extend(ulx3s::top(&pll));
            }
            Board::Artix7200t => {
                let core = Box::new(NexysVideo::new(&shape, &pll)?);
                modules.push(emit(core.as_ref(), nexys_video::CORE)?.verilog());
                modules.extend(nexys_video::top(&pll));
            }
            Board::AcornCle215 => {
                let core = Box::new(Acorn::new(&shape)?);
                modules.push(emit(core.as_ref(), acorn::CORE)?.verilog());
                modules.push(emit(&pcie::Phy::default(), acorn::PHY)?.verilog());
                modules.extend(acorn::top(&pll, &shape));
            }
        }
        Ok(modules.join("\n"))
    };
    let failed = |message: String| EmitError {
        module: TOP.into(),
        message,
    };
    let thread = thread
        .spawn(work)
        .map_err(|error| failed(error.to_string()))?;
    thread
        .join()
        .map_err(|_| failed("the elaboration thread panicked".into()))?
}

/// Bits a second of the serial port: as many as the link promises, or a quarter of the clock.
fn baud(pll: &Pll) -> u32 {
    DEFAULT_BAUD.min(pll.hz() / 4)
}
