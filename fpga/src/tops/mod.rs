//! The tops of the boards: clocks, reset, lights and memory around a card behind a serial link.

mod block_memory;
mod clocks;
mod lights;
mod nexys_video;
mod pads;
pub mod pcie;
mod pll;
mod reset;
mod ulx3s;

pub use block_memory::BlockMemory;
pub use lights::Lights;
pub use nexys_video::NexysVideo;
pub use pll::{Pll, PllError};
pub use reset::ResetHold;
pub use ulx3s::Ulx3s;

use std::fmt::Write as _;

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
    /// The memory of the board cannot have this clock.
    #[error(transparent)]
    Memory(#[from] TimingError),
    /// A kernel cannot be printed.
    #[error(transparent)]
    Emit(#[from] EmitError),
}

impl TopConfig {
    /// The shape of the card in the top: its own memory is that of the board, and the one host at
    /// the other end of the wire needs one queue.
    pub fn shape(&self) -> Config {
        Config {
            datapaths: self.datapaths,
            queues: 1,
            card_memory_mib: match self.board {
                Board::Ulx3s85f => 32,
                Board::Artix7200t => nexys_video::MEMORY_MIB,
            },
            ..Config::with_array(self.rows, self.cols)
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
    let pll = top.pll()?;
    shape.check()?;
    let mhz = pll.mhz().ceil() as u32;
    let latency = if mhz <= FASTEST_CAS_2 { 2 } else { 3 };
    let timing = Timing::new(&Part::ANY, mhz, latency)?.with_delay(PAD_CYCLES)?;
    // Elaboration recurses through thousands of blocks.
    let thread = std::thread::Builder::new().stack_size(256 << 20);
    let work = move || -> Result<String, TopError> {
        let (core, around) = match top.board {
            Board::Ulx3s85f => {
                let core = Box::new(Ulx3s::new(&shape, &pll, &timing)?);
                (emit(core.as_ref(), ulx3s::CORE)?, ulx3s::top(&pll))
            }
            Board::Artix7200t => {
                let core = Box::new(NexysVideo::new(&shape, &pll)?);
                (
                    emit(core.as_ref(), nexys_video::CORE)?,
                    nexys_video::top(&pll),
                )
            }
        };
        let mut text = core.verilog();
        for module in around {
            let _ = writeln!(text, "\n{module}");
        }
        Ok(text)
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
