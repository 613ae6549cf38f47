//! A compiled program, free of addresses.

use std::sync::{Arc, OnceLock};

use isa::command::{Buffer, COMMAND_BYTES, Command, Operation};
use xxhash_rust::xxh3::Xxh3;

use super::shape::Geometry;

/// Parts of the memory of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Packed left operand.
    Activations,
    /// Packed right operand.
    Weights,
    /// Column parameters.
    Columns,
    /// Row scales.
    Rows,
    /// Result.
    Output,
}

impl Part {
    /// The buffer that a LOAD of this part fills; outputs are not loaded.
    pub(super) fn buffer(self) -> Buffer {
        match self {
            Self::Activations | Self::Output => Buffer::Activations,
            Self::Weights => Buffer::Weights,
            Self::Columns => Buffer::Columns,
            Self::Rows => Buffer::Rows,
        }
    }
}

/// A piece of the result as it lies in memory: `rows x cols` values of the tile of N.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutBlock {
    /// Byte in the part [`Part::Output`].
    pub offset: usize,
    /// First row of the result.
    pub first_row: usize,
    /// Rows.
    pub rows: usize,
    /// Tile of N.
    pub tile: usize,
}

/// What a program knows of one of its jobs.
#[derive(Clone, Debug)]
pub struct JobPlan {
    /// Shape, cut and sizes.
    pub geometry: Geometry,
    /// Where the result comes to lie.
    pub blocks: Vec<OutBlock>,
    /// Bytes of the result.
    pub output_bytes: usize,
    /// Foreseen cycle at which the last byte of the result is in memory.
    pub predicted_end: u64,
}

/// A program for products of given shapes.
#[derive(Clone, Debug)]
pub struct Program {
    /// Commands in program order; their addresses count from the start of a part.
    pub commands: Vec<Command>,
    /// For each command the job and the part that its address counts from.
    pub places: Vec<(u32, Option<Part>)>,
    /// The jobs.
    pub jobs: Vec<JobPlan>,
    /// Foreseen cycles from doorbell to completion.
    pub predicted_cycles: u64,
    /// [`Self::digest`], once it was asked for.
    pub(super) digest: OnceLock<u128>,
}

impl Program {
    /// The commands with addresses: `address` tells where a part of a job lies.
    pub fn bind(&self, address: impl Fn(u32, Part) -> u64) -> Arc<[Command]> {
        let bound = self
            .commands
            .iter()
            .zip(&self.places)
            .map(|(command, &(job, part))| {
                let mut command = *command;
                let base = part.map_or(0, |part| address(job, part));
                match &mut command.operation {
                    Operation::Load(load) => load.src += base,
                    Operation::Store(store) => store.dst += base,
                    Operation::Gemm(_) => {}
                }
                command
            });
        bound.collect()
    }

    /// XXH3 (128 bits) of the commands and of what their addresses count from. It knows nothing of
    /// where memory lies: the same products on cards of the same shape give the same, whatever is
    /// between host and card.
    pub fn digest(&self) -> u128 {
        *self.digest.get_or_init(|| {
            let mut hash = Xxh3::new();
            for (command, (job, part)) in self.commands.iter().zip(&self.places) {
                for word in command.encode() {
                    hash.update(&word.to_le_bytes());
                }
                hash.update(&job.to_le_bytes());
                hash.update(&[part.map_or(u8::MAX, |part| part as u8)]);
            }
            hash.digest128()
        })
    }

    /// Lines that its LOADs read.
    pub fn lines(&self) -> u64 {
        let lines = self
            .commands
            .iter()
            .map(|command| match &command.operation {
                Operation::Load(load) => u64::from(load.rows) * u64::from(load.row_lines),
                _ => 0,
            });
        lines.sum()
    }

    /// Bytes of the program in memory.
    pub fn bytes(&self) -> usize {
        self.commands.len() * COMMAND_BYTES
    }
}
