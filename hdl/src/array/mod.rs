//! The systolic array.

mod cell;
mod chosen_products;
mod delay;
mod edge;
mod grid;
mod kind;
mod mesh;
mod packed_products;
mod pe;
mod products;

pub use cell::Cell;
pub use chosen_products::ChosenProducts;
pub use delay::Delay;
pub use edge::{LeftEdge, TopEdge};
pub use grid::Array;
pub use kind::Kind;
pub use mesh::Mesh;
pub use packed_products::PackedProducts;
pub use pe::{Pe, SUM_BITS};
pub use products::Products;

/// Width of the sum of two products of int8.
pub const PAIR_BITS: usize = 17;
