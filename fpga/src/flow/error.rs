//! Why there is no bitstream.

use std::io;
use std::path::PathBuf;

use super::yosys::CELLS;
use crate::constraints::PortError;
use crate::frames::FramesError;

/// Why a flow ended without a bitstream.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// A file cannot be read or written.
    #[error("cannot {doing} {}: {error}", path.display())]
    File {
        /// `read` or `write`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A program cannot be started.
    #[error("{step}: cannot be started: {error}")]
    Start {
        /// The step.
        step: String,
        /// Why.
        error: io::Error,
    },
    /// A program failed.
    #[error("{step} failed: {line}\nall it said is in {}", log.display())]
    Step {
        /// The step.
        step: String,
        /// The line of its log that matters.
        line: String,
        /// Its log.
        log: PathBuf,
    },
    /// Place and route failed on a design with cells that it is not known to manage.
    #[error(
        "{step} stops at a design with {cells}: {line}\nall it said is in {}, the cells of the \
         netlist are counted in {CELLS} beside it, and what is missing stands in docs/fpga.md, \
         \"The PCIe top\"",
        log.display()
    )]
    HardCells {
        /// The step, with the version of its program.
        step: String,
        /// The cells.
        cells: String,
        /// The line of its log that matters.
        line: String,
        /// Its log.
        log: PathBuf,
    },
    /// A program wrote what the flow does not understand.
    #[error("{step}: {what}")]
    Output {
        /// The step.
        step: String,
        /// What is odd.
        what: String,
    },
    /// The design has latches.
    #[error(
        "{0} latches: give every output a default assignment; Yosys's warnings name the signals"
    )]
    Latches(u64),
    /// The ports of the top do not fit the board.
    #[error(transparent)]
    Ports(#[from] PortError),
    /// No seed met its clocks.
    #[error("timing is not met with any of {seeds} seeds; the best, seed {seed}:\n{path}")]
    Timing {
        /// How many were tried.
        seeds: usize,
        /// The best.
        seed: u32,
        /// Its clocks and the path that limits it.
        path: String,
    },
    /// The frames of the bitstream cannot be made.
    #[error(transparent)]
    Frames(#[from] FramesError),
    /// The bitstream does not hold the frames that were meant.
    #[error("the bitstream does not hold the frames that it was made of: {0}")]
    RoundTrip(String),
}
