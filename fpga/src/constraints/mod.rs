//! Where the ports of a top meet the pins of a board, and the files that tell it to the tools.

mod lpf;
mod ports;
mod xdc;

pub use lpf::lpf;
pub use ports::{Port, PortError, bind, ports};
pub use xdc::xdc;
