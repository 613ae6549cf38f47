//! Controller of an SDRAM chip as the card's own memory.

mod controller;
mod pace;
mod read_data;
mod rows;
mod timing;
mod walk;
mod write_data;

pub use controller::{Sdram, Stage};
pub use pace::Pace;
pub use read_data::ReadData;
pub use rows::Rows;
pub use timing::{Part, Timing, TimingError};
pub use walk::Walk;
pub use write_data::WriteData;
