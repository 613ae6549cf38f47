//! From Verilog to a bitstream: the steps, what they report and what they refuse.

mod artix7;
mod ecp5;
mod error;
mod hard_cells;
mod place;
mod plan;
mod report;
mod seeds;
mod step;
mod timing;
mod tool;
pub mod yosys;

pub use error::FlowError;
pub use plan::{Plan, build};
pub use report::{ClockReport, Report, Resource, StepTime};
pub use timing::{Hop, Timing};
pub use tool::{Tool, Tools};
