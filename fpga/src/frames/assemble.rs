//! Features to bits.

use std::collections::BTreeMap;

use super::banks::stepdown;
use super::database::Bit;
use super::fasm::{Feature, parse};
use super::{Database, FRAME_WORDS, FramesError};

/// The frames of a configuration that are not all zeros, by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames(pub(super) BTreeMap<u32, [u32; FRAME_WORDS]>);

/// Bits with the line that wants them.
type Wanted = BTreeMap<(u32, usize, u32), (bool, usize)>;

impl Frames {
    /// Makes the frames of the features in a FASM file.
    ///
    /// # Errors
    /// A line that is no FASM, tiles or features that do not exist, features that want the same bit
    /// differently.
    pub fn assemble(fasm: &str, database: &Database) -> Result<Self, FramesError> {
        let mut features = parse(fasm)?;
        features.extend(stepdown(&features, database));
        let mut wanted = Wanted::new();
        for feature in &features {
            want(feature, database, &mut wanted)?;
        }
        let mut frames = Self::default();
        for ((frame, word, bit), (set, _)) in wanted {
            if set {
                frames.set(frame, word, bit);
            }
        }
        Ok(frames)
    }

    /// Sets a bit.
    pub(super) fn set(&mut self, frame: u32, word: usize, bit: u32) {
        self.0.entry(frame).or_insert([0; FRAME_WORDS])[word] |= 1 << bit;
    }
}

/// Adds the bits of a feature.
fn want(feature: &Feature, database: &Database, wanted: &mut Wanted) -> Result<(), FramesError> {
    let line = feature.line;
    let (name, rest) = feature.name.split_once('.').unwrap_or((&feature.name, ""));
    let tile = database.tile(name).ok_or_else(|| FramesError::NoTile {
        line,
        tile: name.into(),
    })?;
    for (at, _) in feature.bits.iter().enumerate().filter(|(_, bit)| **bit) {
        let index = feature.low + at as u32;
        let bits = database.bits(tile, rest, index)?;
        let bits = bits.ok_or_else(|| FramesError::NoFeature {
            line,
            kind: tile.kind.clone(),
            feature: match index {
                0 => rest.into(),
                index => format!("{rest}[{index}]"),
            },
        })?;
        for Bit {
            frame,
            word,
            bit,
            set,
        } in bits
        {
            let (before, first) = *wanted.entry((frame, word, bit)).or_insert((set, line));
            if before != set {
                return Err(FramesError::Conflict {
                    lines: [first, line],
                    frame,
                    word,
                    bit,
                });
            }
        }
    }
    Ok(())
}
