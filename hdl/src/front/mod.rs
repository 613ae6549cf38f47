//! The front end: takes submissions, reads programs, checks and hands out their commands.

mod answer;
mod bank;
mod check;
mod control;
mod counters;
mod fault;
mod fetch;
mod fields;
mod queues;
mod registers;
mod tokens;

pub use answer::Answer;
pub use bank::Bank;
pub use check::Check;
pub use control::Control;
pub use counters::Counters;
pub use fault::{Fault, FaultCode};
pub use fetch::Fetch;
pub use fields::CommandFields;
pub use queues::Queues;
pub use registers::Registers;
pub use tokens::Tokens;
