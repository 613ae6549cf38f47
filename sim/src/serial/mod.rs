//! Cards behind a serial line, and a pseudo-terminal to reach them: the card's side of
//! [`isa::serial`], written from the contract alone.
//!
//! A card is a [`SerialDevice`]: bytes in, bytes out, and the time. [`SerialModel`] is one without a
//! clock, [`SerialRtl`] the Verilated card, and with the feature `board` `SerialBoard` a whole board
//! at its pins; [`serve`] lets a device talk to whoever is at the other end of a descriptor, and
//! [`Terminal`] is such an end that programs open as they open a serial port.

#[cfg(feature = "board")]
mod board;
mod engine;
mod frame;
mod functional;
mod link;
mod rtl;
mod server;
mod terminal;

use std::time::Duration;

#[cfg(feature = "board")]
pub use board::SerialBoard;
pub use frame::{Frame, Unframer, frame};
pub use functional::SerialModel;
pub use link::CardLink;
pub use rtl::SerialRtl;
pub use server::serve;
pub use terminal::Terminal;

/// What is at the card's end of a serial line.
pub trait SerialDevice: Send {
    /// Takes `bytes` that came, works for a moment, and appends to `out` what it sends. `now` is the
    /// time since the device began. Says when it is to run again if no bytes come; `None`: not before
    /// they do.
    fn run(&mut self, now: Duration, bytes: &[u8], out: &mut Vec<u8>) -> Option<Duration>;

    /// Why the device is of no use any more, if it is not: [`serve`] ends with that.
    fn broken(&self) -> Option<String> {
        None
    }
}

impl<D: SerialDevice + ?Sized> SerialDevice for Box<D> {
    fn run(&mut self, now: Duration, bytes: &[u8], out: &mut Vec<u8>) -> Option<Duration> {
        (**self).run(now, bytes, out)
    }

    fn broken(&self) -> Option<String> {
        (**self).broken()
    }
}
