//! The serial link ([`isa::serial`]): a host over two wires, or anything else that carries bytes.

mod byte_memory;
mod crc;
mod deframer;
mod endpoint;
mod executor;
mod framer;
mod lengths;
mod link;
mod poster;
mod receiver;
mod sender;
mod slots;
mod top;
mod uart;
mod uart_receiver;
mod uart_transmitter;

pub use byte_memory::ByteMemory;
pub use crc::Crc;
pub use deframer::Deframer;
pub use endpoint::SerialEndpoint;
pub use executor::{ExecuteState, Executor};
pub use framer::{FrameState, Framer};
pub use lengths::Lengths;
pub use link::Link;
pub use poster::{PostState, Poster};
pub use receiver::Receiver;
pub use sender::{SendState, Sender};
pub use slots::Slots;
pub use top::SerialCard;
pub use uart::Uart;
pub use uart_receiver::{UartReceiver, UartState};
pub use uart_transmitter::UartTransmitter;
