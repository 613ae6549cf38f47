//! Synthesis for ECP5: the cells of the array or of the card, with limits.

pub mod cells;
mod modes;
mod recorded;
pub mod yosys;

use std::fmt;

use anyhow::{Result, bail};
use clap::ValueEnum;
use isa::config::Datapaths;
use serde_json::{Value, json};

use crate::array::ArraySize;
use crate::setup;

use cells::{Cells, DSP};
use recorded::Recorded;

pub use modes::run as modes;

/// What can be synthesised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Block {
    /// The systolic array alone.
    Array,
    /// The whole card with its bus wrapper.
    Card,
}

impl Block {
    /// What the emitter calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Array => "array",
            Self::Card => "card",
        }
    }

    /// What its top module is called.
    pub fn top(self) -> &'static str {
        match self {
            Self::Array => "array",
            Self::Card => "systole_card",
        }
    }
}

/// A block of one shape.
#[derive(Clone, Copy, Debug)]
pub struct Design {
    pub block: Block,
    pub size: ArraySize,
    pub datapaths: Datapaths,
}

impl fmt::Display for Design {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.block.name(), self.size, self.datapaths)
    }
}

impl Design {
    /// The counts and what they are of.
    fn json(&self, cells: &Cells) -> Value {
        json!({
            "block": self.block.name(),
            "array": self.size.to_string(),
            "datapaths": self.datapaths.to_string(),
            "cells": cells.json(),
        })
    }

    /// The array takes one multiplier a processing element at most, with packed products half as
    /// many.
    fn check_multipliers(&self, cells: &Cells) -> Result<()> {
        if self.block != Block::Array {
            return Ok(());
        }
        let elements = self.size.rows * self.size.columns;
        let most = match self.datapaths.packed_products {
            true => elements / 2,
            false => elements,
        };
        let used = cells.count(DSP);
        if used > most {
            bail!(
                "{self}: {used} multipliers where {most} are enough: a factor is wider than 18 \
                 bits, or a product is computed twice"
            );
        }
        Ok(())
    }
}

/// Synthesises a block and prints its cells; an error when it breaks a limit or is not what was
/// recorded.
pub fn run(design: &Design, json: bool) -> Result<()> {
    setup::install(&setup::SYNTH)?;
    yosys::emit(design)?;
    let cells = yosys::synthesise(design)?;
    match json {
        true => println!("{}", design.json(&cells)),
        false => print!("ECP5 cells of {design}, which has no latches\n{cells}"),
    }
    design.check_multipliers(&cells)?;
    Recorded::read()?.check(&[(*design, cells)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multipliers_of_the_array_have_a_limit() {
        let design = |block, datapaths: &str| Design {
            block,
            size: "8x8".parse().unwrap(),
            datapaths: datapaths.parse().unwrap(),
        };
        let cells = |count: u64| Cells::of(&json!({ DSP: count }));
        for (block, datapaths, used, holds) in [
            (Block::Array, "dense", 64, true),
            (Block::Array, "dense", 65, false),
            (Block::Array, "two-four", 64, true),
            (Block::Array, "packed", 32, true),
            (Block::Array, "packed", 33, false),
            (Block::Card, "packed", 65, true),
        ] {
            let result = design(block, datapaths).check_multipliers(&cells(used));
            assert_eq!(result.is_ok(), holds, "{datapaths} {used}");
        }
    }
}
