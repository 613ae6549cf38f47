//! `systole bench`.

mod figures;
mod gemm;
mod measure;
mod model;

use clap::Subcommand;

use super::failure::Result;

/// What `--help` says of the figures of a product. Lines fit a terminal of 80 columns.
const FIGURES: &str = "\
What is printed:
  cycles        From the doorbell until the host can see the completion. The
                counter of the same name counts while the card has a program,
                a few cycles less.
  foreseen      (predicted_cycles) By the driver's simulation of the card, by
                which it chooses how to cut a product. It assumes a memory that
                moves a whole line of the port in each cycle and answers after
                --latency cycles, 100 if that is not said; it knows of no less
                bandwidth and of no PCIe link.
  array used    (utilisation) Multiply-accumulates of the dense product over
                those that the array can do in these cycles. Zeros that are
                left out (2:4, zero blocks, --threshold) count as done, so it
                goes beyond 100 % with them.
  zero blocks   (zero_blocks) The share that is zero: that of --sparsity,
                rounded to whole blocks.
  speed-up      (speedup_vs_dense) By cycles, or by time where nothing counts
                them.
  exact         Every run gave the bits of the definition.

With an error (see the exit codes of `systole --help`) nothing is printed on
standard output. A wrong result, and a product that ran on the CPU where a card
was asked for, are errors too.";

/// The same for a model.
const MODEL_FIGURES: &str = "\
The last row of the table, `totals` of --json, sums up all products that were
measured. `systole bench gemm --help` says what the columns mean.

With an error (see the exit codes of `systole --help`) nothing is printed on
standard output. A wrong result, and a product that ran on the CPU where a card
was asked for, are errors too.";

/// Measure.
#[derive(Subcommand)]
pub enum Command {
    /// Measure one int8 matrix product, and compare every bit with the definition. Where the
    /// weights are packed or sparse, or activations are left out, the dense int8 product of the same
    /// shape runs beside it.
    #[command(allow_negative_numbers = true, after_long_help = FIGURES)]
    Gemm(gemm::Args),
    /// Measure the products of a model with weights, each beside the dense int8 product of its shape.
    #[command(allow_negative_numbers = true, after_long_help = MODEL_FIGURES)]
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
