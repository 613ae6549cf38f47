//! What work costs, and where it should run.

mod place;
mod port;
mod simulate;
mod timing;

pub use place::{Choice, Rates, choose};
pub use simulate::{Limits, Trace, simulate};
pub use timing::Timing;
