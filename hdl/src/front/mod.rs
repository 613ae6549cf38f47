//! The front end: takes submissions, reads programs, checks and hands out their commands.

mod answer;
mod check;
mod control;
mod counters;
mod fetch;
mod fields;
mod registers;
mod tokens;

pub use answer::Answer;
pub use check::Check;
pub use control::Control;
pub use counters::Counters;
pub use fetch::Fetch;
pub use fields::CommandFields;
pub use registers::Registers;
pub use tokens::Tokens;
