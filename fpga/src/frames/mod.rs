//! From FASM, the list of features that place and route turned on, to the frames of a 7-series
//! bitstream.
//!
//! ```text
//!  FASM: TILE.FEATURE[high:low] = value            (fasm.rs)
//!          |  tilegrid: type, first frame, word    (database.rs)
//!          |  segbits of the type: frame, bit
//!          v
//!  bits that are set, and bits that must not be    (assemble.rs)
//!          |  what holds for whole banks of pins   (banks.rs)
//!          v
//!  frames of 101 words of 32 bits                  (text.rs)
//! ```

mod assemble;
mod banks;
mod database;
mod error;
mod fasm;
mod text;

pub use assemble::Frames;
pub use database::Database;
pub use error::FramesError;
pub use fasm::{Feature, parse};

/// Words of a frame.
pub const FRAME_WORDS: usize = 101;
