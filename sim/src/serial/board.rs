//! A board at its pins as a device on a line.

use std::time::Duration;

use board::{Error, Ulx3s};

use super::SerialDevice;

/// Cycles between two looks at the line: what a byte at 3,000,000 bits a second takes at 80 MHz.
const SLICE: u64 = 267;
/// Picoseconds without a level that changes after which a board whose lights say nothing either is
/// at rest: far more than a card thinks about a message.
const QUIET: u64 = 1_000_000_000;
/// Lights that say that the card works, or that frames come and go.
const BUSY: u8 = 0b1100;
/// How long a board that is at rest stands still between two slices.
const REST: Duration = Duration::from_millis(20);

/// The whole board, whose bytes pass the wires of its serial port bit by bit.
///
/// Its clock runs as fast as the simulation can while something goes on, and is all but still at
/// other times.
pub struct SerialBoard {
    board: Ulx3s,
    broken: Option<Error>,
}

impl SerialBoard {
    /// The board at the end of a line.
    pub fn new(board: Ulx3s) -> Self {
        Self {
            board,
            broken: None,
        }
    }

    /// The board.
    pub fn board(&mut self) -> &mut Ulx3s {
        &mut self.board
    }
}

impl SerialDevice for SerialBoard {
    fn run(&mut self, now: Duration, bytes: &[u8], out: &mut Vec<u8>) -> Option<Duration> {
        if self.broken.is_some() {
            return None;
        }
        self.board.usb().send(bytes);
        if let Err(error) = self.board.run(SLICE) {
            self.broken = Some(error);
            return None;
        }
        self.board.usb().take(out);
        let busy = self.board.quiet() < QUIET || self.board.lights() & BUSY != 0;
        Some(if busy { now } else { now + REST })
    }

    fn broken(&self) -> Option<String> {
        self.broken.as_ref().map(Error::to_string)
    }
}
