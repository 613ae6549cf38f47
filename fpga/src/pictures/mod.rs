//! Pictures of a placed design as SVG: where its modules lie, and what each of them takes.

mod floorplan;
mod modules;
mod placed;
mod svg;

pub use floorplan::floorplan;
pub use modules::modules;
pub use placed::{Kind, Placed, PlacedError};
