//! The systolic array.

mod cell;
mod chosen_products;
mod delay;
mod edge;
mod kind;
mod mesh;
mod multiplier;
mod packed_products;
mod pair_sums;
mod products;

pub use cell::Cell;
pub use chosen_products::ChosenProducts;
pub use delay::Delay;
pub use edge::{LeftEdge, TopEdge};
pub use kind::Kind;
pub use mesh::Mesh;
pub use multiplier::Multiplier;
pub use packed_products::PackedProducts;
pub use pair_sums::PairSums;
pub use products::Products;

/// Width of the sum of two products of int8.
pub const PAIR_BITS: usize = 17;

/// Width of the partial sums inside the array: 32 rows of products of at most 2^14, of which one of
/// 2:4 weights may take an activation twice, need 20 bits and a sign.
pub const SUM_BITS: usize = 24;
