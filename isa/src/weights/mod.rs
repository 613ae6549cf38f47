//! Weights in fewer bits: what an encoded matrix means, and how it lies in the card's memory.
//!
//! An [`Encoded`] matrix means a dense int8 matrix, element by element [`Encoded::weight`]: a code
//! of 2 to 8 bits is found (in a 2:4 matrix by its index), widened, by the scale of its group if
//! there is one ([`widen`]), and is zero where a block is left out. Every product with an encoded
//! matrix, on the card and on the CPU, gives the integers of the product with that dense matrix.

mod encoded;
#[cfg(feature = "alloc")]
mod pack;
mod stream;
mod widen;

pub use encoded::{Blocks, Encoded, FormatError};
#[cfg(feature = "alloc")]
pub use pack::PackedColumn;
#[cfg(feature = "alloc")]
pub use stream::StreamWriter;
pub use stream::{
    HEADER_SCALES, INDEX_STEPS, SCALE_UNITS, Step, StreamFormat, StreamReader, header,
};
pub use widen::{GROUPS, SCALE_ONE, code_range, widen};
