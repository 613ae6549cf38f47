//! `systole bench`.

mod gemm;
mod measure;
mod model;

use clap::Subcommand;

use super::failure::Result;

/// Measure.
#[derive(Subcommand)]
pub enum Command {
    /// Measure one int8 matrix product, and compare every bit with the definition. Where the
    /// weights are packed or sparse, or activations are left out, the dense int8 product of the same
    /// shape runs beside it.
    Gemm(gemm::Args),
    /// Measure the products of a model with weights, each beside the dense int8 product of its shape.
    Model(model::Args),
}

impl Command {
    /// Runs the command.
    pub fn run(self) -> Result<()> {
        match self {
            Self::Gemm(args) => gemm::run(args),
            Self::Model(args) => model::run(args),
        }
    }
}
