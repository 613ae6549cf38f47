//! Cards that speak the protocol and mean no good: registers that read as those of a card, and
//! something else when a doorbell rings.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use isa::model::QueueModel;
use isa::regs;
use isa::serial::{CardMessage, HostMessage};
use sim::serial::{CardLink, SerialDevice};

use crate::bad_lines::on_cpu;
use crate::devices::{Board, SILENCE};
use crate::road::{Product, config};

/// What a rogue does when a doorbell rings: sends these.
type Deed = Box<dyn FnMut(&mut CardLink) + Send>;

struct Rogue {
    link: CardLink,
    model: QueueModel,
    deed: Deed,
    /// It does so at every turn from then on.
    endless: bool,
    rung: bool,
    /// It answers no more.
    mute: bool,
    /// What the host sent as its memory.
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl SerialDevice for Rogue {
    fn run(&mut self, now: Duration, bytes: &[u8], out: &mut Vec<u8>) -> Option<Duration> {
        if self.link.take(bytes, now) {
            self.rung = false;
            self.link.welcome(config().port_bytes as u8, out);
        }
        while let Some(message) = self.link.message() {
            let message = message.to_vec();
            self.link.consume();
            match *message {
                [kind, low, high] if kind == HostMessage::ReadRegister as u8 => {
                    if self.mute && self.rung {
                        continue;
                    }
                    let offset = u32::from(u16::from_le_bytes([low, high]));
                    let mut answer = vec![CardMessage::Register as u8];
                    answer.extend(self.model.read_reg(offset).to_le_bytes());
                    self.link.send(answer);
                }
                [kind, low, high, a, b, c, d] if kind == HostMessage::WriteRegister as u8 => {
                    let offset = u32::from(u16::from_le_bytes([low, high]));
                    self.model
                        .write_reg(offset, u32::from_le_bytes([a, b, c, d]));
                    if regs::queue_of(offset).is_some_and(|(_, it)| it == regs::SQ_TAIL) {
                        self.rung = true;
                        (self.deed)(&mut self.link);
                    }
                }
                [kind] if kind == HostMessage::Reset as u8 => {
                    self.rung = false;
                    self.link.send(vec![CardMessage::ResetDone as u8]);
                }
                [kind, ..] if kind == HostMessage::HostData as u8 => {
                    self.seen.lock().expect("no panic").push(message);
                }
                _ => {}
            }
        }
        if self.endless && self.rung && self.link.waiting() == 0 {
            (self.deed)(&mut self.link);
        }
        let next = self.link.send_due(now, out);
        match self.endless && self.rung {
            true => Some(now + Duration::from_micros(200)),
            false => next,
        }
    }
}

fn rogue(deed: impl FnMut(&mut CardLink) + Send + 'static) -> Rogue {
    Rogue {
        link: CardLink::default(),
        model: QueueModel::new(config()).expect("a shape"),
        deed: Box::new(deed),
        endless: false,
        rung: false,
        mute: false,
        seen: Arc::default(),
    }
}

/// A message with an address.
fn message(kind: CardMessage, address: u64, rest: &[u8]) -> Vec<u8> {
    let mut message = vec![kind as u8];
    message.extend(address.to_le_bytes());
    message.extend(rest);
    message
}

const NOWHERE: u64 = 0x7000_0000_0000;

/// Runs a product, which must end on the CPU with the right integers, in little more time than the
/// card may be silent or a program may take.
fn moves(rogue: Rogue, why: &str) {
    let mut board = Board::new(rogue);
    let mut options = crate::devices::options();
    options.patience = SILENCE;
    let mut backend = crate::road::backend(board.open(), options);
    let start = Instant::now();
    on_cpu(&Product::of(1, (3, 8, 8)).run(&mut backend), why);
    assert!(
        start.elapsed() < SILENCE * 7 + Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(backend.faults(), 1);
}

#[test]
fn reads_outside_of_memory_get_nothing() {
    let rogue = rogue(|link| {
        for address in [NOWHERE, 0, u64::MAX - 15, 1 << 55] {
            link.send(message(CardMessage::ReadHost, address, &[200, 0]));
        }
    });
    let seen = Arc::clone(&rogue.seen);
    moves(rogue, "");
    let seen = seen.lock().expect("no panic");
    let unsupported = [HostMessage::HostData as u8, 4];
    assert_eq!(seen[..4], vec![unsupported.to_vec(); 4][..]);
}

#[test]
fn writes_outside_of_memory_are_an_alarm() {
    for address in [NOWHERE, 0, u64::MAX - 3, 1 << 55] {
        let deed = move |link: &mut CardLink| {
            link.send(message(CardMessage::WriteHost, address, &[1, 2, 3, 4]));
        };
        moves(rogue(deed), "where it was given no memory");
    }
}

#[test]
fn what_makes_no_sense_ends_the_session() {
    let cases: [(Vec<u8>, &str); 9] = [
        (vec![], "an empty message"),
        (vec![0x81, 1, 2, 3, 4], "what nobody asked"),
        (vec![0x86], "what nobody asked"),
        (vec![0x81, 1], "message 0x81 of 2 bytes"),
        (vec![0x82, 0], "message 0x82 of 2 bytes"),
        (vec![0x87, 0x03], "does not understand message 0x03"),
        (vec![0xff; 137], "message 0xff of 137 bytes"),
        (
            message(CardMessage::ReadHost, 8, &[1, 0]),
            "a malformed request",
        ),
        (
            message(CardMessage::WriteHost, 16, &[1, 2, 3]),
            "a malformed write",
        ),
    ];
    for (bytes, why) in cases {
        moves(rogue(move |link| link.send(bytes.clone())), why);
    }
}

#[test]
fn a_card_that_never_completes_is_given_up() {
    moves(rogue(|_| ()), "");
}

#[test]
fn a_card_that_takes_requests_and_answers_none_is_given_up() {
    let mut mute = rogue(|_| ());
    mute.mute = true;
    moves(mute, "did not answer");
}

#[test]
fn endless_messages_stop_nobody() {
    for deed in [
        message(CardMessage::ReadHost, NOWHERE, &[255, 255]),
        vec![CardMessage::Events as u8, 1],
    ] {
        let mut endless = rogue(move |link| link.send(deed.clone()));
        endless.endless = true;
        moves(endless, "");
    }
}
