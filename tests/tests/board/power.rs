//! From power-up to lines in the SDRAM, with a host that does one thing after the other, so that
//! every cycle is the same in every run.

use board::{Options, Ulx3s};
use isa::serial::{CardMessage, FrameKind, HostMessage, VERSION};
use sim::serial::{Frame, Unframer, frame};

use crate::bench::{RESET, board};

/// The light of a session.
const SESSION: u8 = 1 << 1;

/// A host that waits for the answer to whatever it sends.
struct Host {
    board: Ulx3s,
    unframer: Unframer,
    sent: u8,
    received: u8,
}

impl Host {
    fn send(&mut self, kind: FrameKind, sequence: u8, payload: Vec<u8>) {
        let bytes = frame(&Frame {
            kind: kind as u8,
            sequence,
            acknowledges: self.received,
            payload,
        });
        self.board.usb().send(&bytes);
    }

    /// Sends a message; its answer, or that it was consumed.
    fn ask(&mut self, payload: Vec<u8>) -> Option<Vec<u8>> {
        let answered = payload[0] == HostMessage::ReadMemory as u8;
        let sequence = self.sent;
        self.sent += 1;
        self.send(FrameKind::Data, sequence, payload);
        loop {
            let frame = self.frame();
            if frame.kind == FrameKind::Data as u8 {
                assert_eq!(frame.sequence, self.received);
                self.received += 1;
                self.send(FrameKind::Ack, 0, vec![]);
                return Some(frame.payload);
            }
            assert_eq!(frame.kind, FrameKind::Ack as u8);
            if !answered && frame.acknowledges == self.sent {
                return None;
            }
        }
    }

    /// The next frame of the card.
    fn frame(&mut self) -> Frame {
        let mut bytes = Vec::new();
        for _ in 0..200_000 {
            self.board.run(1).expect("no broken rule");
            self.board.usb().take(&mut bytes);
            for byte in bytes.drain(..) {
                if let Some(frame) = self.unframer.take(byte) {
                    return frame.expect("a good frame");
                }
            }
        }
        panic!("the card says nothing");
    }
}

#[test]
fn lines_go_through_the_pins_to_the_sdram_and_back() {
    let mut board = board(&Options::default());
    while board.lights() & RESET != 0 || board.cycles() < 10 {
        board.run(1).expect("no broken rule");
        assert!(board.cycles() < 80_000, "the reset does not end");
    }
    let awake = board.cycles();
    let mut host = Host {
        board,
        unframer: Unframer::default(),
        sent: 0,
        received: 0,
    };
    host.send(FrameKind::Hello, 0, vec![1, 2, 3, 4]);
    let welcome = host.frame();
    assert_eq!(welcome.kind, FrameKind::Welcome as u8);
    assert_eq!(welcome.payload, [1, 2, 3, 4, VERSION, 16]);
    let greeted = host.board.cycles();

    // Eight lines in each bank, the last of the memory among them.
    let places = [0x0000_0000u32, 0x0000_0400, 0x0123_4800, 0x01ff_ff80];
    let data = |place: u32| -> Vec<u8> {
        let mixed = |at: u32| (place + at).wrapping_mul(0x9e37_79b9) >> 24;
        (0..128).map(|at| mixed(at) as u8).collect()
    };
    for place in places {
        let mut message = vec![HostMessage::WriteMemory as u8];
        message.extend(place.to_le_bytes());
        message.extend(data(place));
        assert_eq!(host.ask(message), None);
    }
    let written = host.board.cycles();
    for place in places {
        let mut message = vec![HostMessage::ReadMemory as u8];
        message.extend(place.to_le_bytes());
        message.push(8);
        let mut expected = vec![CardMessage::Memory as u8, 0];
        expected.extend(data(place));
        assert_eq!(host.ask(message), Some(expected), "{place:#x}");
    }
    let read = host.board.cycles();

    // In the chip each pair of bytes is a word: 512 of them a row, then the next bank.
    for place in places {
        let (row, bank, column) = (place >> 12, place >> 10 & 3, place >> 1 & 511);
        for (index, word) in data(place).as_chunks().0.iter().enumerate() {
            let column = (column as usize + index) as u16;
            let there = host.board.memory().peek(bank as u8, row as u16, column);
            assert_eq!(there, u16::from_le_bytes(*word), "{place:#x}, word {index}");
        }
    }
    assert_eq!(host.board.lights() & !0b1101, SESSION);
    // Until the reset is over, a hello is answered, the lines are there, and they are back: a bit
    // lasts 26.7 cycles, a message with eight lines 141 bytes and its stuffing.
    let spent = [awake, greeted - awake, written - greeted, read - written];
    assert_eq!(spent, [65_742, 7_468, 163_702, 174_598]);
}
