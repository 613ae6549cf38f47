//! Why frames cannot be made.

use std::path::PathBuf;

/// Why frames cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum FramesError {
    /// A line is no FASM.
    #[error("line {line} of the FASM, `{text}`: {what}")]
    Syntax {
        /// Its number.
        line: usize,
        /// The line.
        text: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A feature names a tile that the part does not have.
    #[error("line {line} of the FASM: the part has no tile `{tile}`")]
    NoTile {
        /// Its number.
        line: usize,
        /// The tile.
        tile: String,
    },
    /// A feature that the database does not know.
    #[error("line {line} of the FASM: tiles of type {kind} have no feature `{feature}`")]
    NoFeature {
        /// Its number.
        line: usize,
        /// Type of the tile.
        kind: String,
        /// The feature.
        feature: String,
    },
    /// Two features want a bit differently.
    #[error(
        "lines {} and {} of the FASM want bit {bit} of word {word} in frame {frame:#010x} \
         differently", lines[0], lines[1]
    )]
    Conflict {
        /// Their numbers.
        lines: [usize; 2],
        /// The frame.
        frame: u32,
        /// The word.
        word: usize,
        /// The bit.
        bit: u32,
    },
    /// A file of the database is not there.
    #[error("cannot read {} of prjxray's database: {error}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file of the database is not what it should be.
    #[error("{} of prjxray's database is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// What was read back from a bitstream is not a list of bits.
    #[error("bitread wrote `{0}`, which is no bit of a frame")]
    Bits(String),
}
