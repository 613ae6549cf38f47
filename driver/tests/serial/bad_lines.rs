//! Lines that spoil bytes, are cut, or have nobody at their end.

use std::time::{Duration, Instant};

use sim::serial::SerialDevice;
use systole::backend::{Outcome, Place};

use crate::devices::{Between, Board, Draw, SILENCE, card};
use crate::road::{Product, on_card};

#[track_caller]
pub fn on_cpu(outcome: &Outcome, why: &str) {
    let report = &outcome.report;
    assert_eq!(report.place, Place::Cpu);
    assert!(report.reason.contains(why), "{}", report.reason);
}

/// Spoils so many bytes in a million: some bits flip, some bytes vanish, some come from nowhere.
fn noise(in_a_million: u64) -> impl FnMut(&mut Vec<u8>) + Send {
    let mut draw = Draw(in_a_million);
    move |bytes| {
        let mut spoiled = Vec::with_capacity(bytes.len());
        for &byte in &*bytes {
            if draw.next() % 1_000_000 >= in_a_million {
                spoiled.push(byte);
                continue;
            }
            match draw.next() % 3 {
                0 => spoiled.push(byte ^ 1 << (draw.next() % 8)),
                1 => {}
                _ => spoiled.extend([byte, draw.next() as u8]),
            }
        }
        *bytes = spoiled;
    }
}

#[test]
fn noise_costs_time_and_no_bit() {
    let mut spoil = noise(1000);
    let mut board = Board::new(Between {
        device: card(),
        change: move |_: &mut _, bytes: &mut Vec<u8>, _| spoil(bytes),
    });
    let transport = board.open();
    let mut backend = crate::road::backend(
        transport.queue(0).expect("a queue"),
        crate::devices::options(),
    );
    for seed in 0..6 {
        on_card(&Product::new(seed).run(&mut backend));
    }
    assert_eq!(backend.faults(), 0);
    let traffic = systole::transport::Function::traffic(transport.function()).expect("a line");
    assert!(
        traffic.frames_spoiled > 0 && traffic.frames_repeated > 0,
        "{traffic:?}"
    );
}

#[test]
fn much_noise_gives_no_wrong_number() {
    let mut spoil = noise(10_000);
    let mut board = Board::new(Between {
        device: card(),
        change: move |_: &mut _, bytes: &mut Vec<u8>, _| spoil(bytes),
    });
    let mut backend = board.backend();
    // `run` compares the integers, wherever they come from.
    for seed in 0..3 {
        Product::of(seed, (3, 16, 9)).run(&mut backend);
    }
}

/// A board whose line is cut after so many bytes from the card.
fn cut_after(bytes: usize) -> Board {
    let mut left = bytes;
    Board::new(Between {
        device: card(),
        change: move |_: &mut _, bytes: &mut Vec<u8>, there: bool| {
            match there {
                true if left == 0 => bytes.clear(),
                true => {}
                false => bytes.truncate(left),
            }
            if !there {
                left -= bytes.len();
            }
        },
    })
}

#[test]
fn a_line_that_is_cut_moves_the_work_once() {
    let product = Product::new(1);
    // Beyond what opening takes, so that it happens in the middle of a product.
    let mut board = cut_after(2500);
    let mut backend = board.backend();
    let start = Instant::now();
    let mut outcomes: Vec<Outcome> = Vec::new();
    while outcomes
        .last()
        .is_none_or(|last| last.report.place == Place::Device)
    {
        outcomes.push(product.run(&mut backend));
        assert!(outcomes.len() < 50, "the line is never cut");
    }
    let last = outcomes.last().expect("one at least");
    on_cpu(last, "it has said nothing for");
    on_cpu(&product.run(&mut backend), "out of use");
    assert_eq!(backend.faults(), 1);
    // Once for the silence, once for the hello that nobody answers.
    assert!(start.elapsed() < SILENCE * 2 + Duration::from_secs(8));
}

#[test]
fn a_line_that_ends_is_noticed_at_once() {
    let mut board = Board::new(card());
    let mut backend = board.backend();
    let product = Product::new(1);
    on_card(&product.run(&mut backend));
    board.end();
    on_cpu(&product.run(&mut backend), "its port is gone");
    on_cpu(&product.run(&mut backend), "out of use");
    assert_eq!(backend.faults(), 1);
}

#[test]
fn a_card_that_is_restarted_is_used_again() {
    let product = Product::new(1);
    for after in [1800usize, 2300, 2900, 3500] {
        let mut left = Some(after);
        let mut board = Board::new(Between {
            device: card(),
            change: move |device: &mut _, bytes: &mut Vec<u8>, there: bool| {
                if !there && let Some(count) = left {
                    left = count.checked_sub(bytes.len());
                    if left.is_none() {
                        // As after its power was off: it knows of no session.
                        *device = card();
                        bytes.clear();
                    }
                }
            },
        });
        let mut backend = board.backend();
        let mut moved = 0;
        for _ in 0..12 {
            let outcome = product.run(&mut backend);
            moved += u32::from(outcome.report.place == Place::Cpu);
        }
        // Between two products it costs none of them.
        assert_eq!(backend.faults(), 1);
        assert!(moved <= 1, "{moved} products moved");
        on_card(&product.run(&mut backend));
    }
}

/// Says what it likes to whatever it hears, and by itself.
struct Babbler(Draw);

impl SerialDevice for Babbler {
    fn run(&mut self, now: Duration, _: &[u8], out: &mut Vec<u8>) -> Option<Duration> {
        out.extend((0..200).map(|_| self.0.next() as u8));
        Some(now + Duration::from_millis(1))
    }
}

/// Says nothing.
struct Nobody;

impl SerialDevice for Nobody {
    fn run(&mut self, _: Duration, _: &[u8], _: &mut Vec<u8>) -> Option<Duration> {
        None
    }
}

#[test]
fn who_is_not_there_is_not_opened() {
    for (mut board, words) in [
        (Board::new(Nobody), ["nothing came back", "board"]),
        (
            Board::new(Babbler(Draw(1))),
            ["makes no sense", "wrong rate"],
        ),
    ] {
        let start = Instant::now();
        let refused = board.connect().err().expect("no card is there").to_string();
        for word in words {
            assert!(refused.contains(word), "{refused}");
        }
        assert!(start.elapsed() < SILENCE + Duration::from_secs(5));
    }
    let mut board = Board::new(Nobody);
    board.end();
    let refused = board.connect().err().expect("no card is there").to_string();
    assert!(refused.contains("its port is gone"), "{refused}");
}

#[test]
fn a_card_that_begins_to_babble_is_given_up() {
    let mut draw = Draw(3);
    let mut left = 2500usize;
    let mut board = Board::new(Between {
        device: card(),
        change: move |_: &mut _, bytes: &mut Vec<u8>, there: bool| {
            if there {
                return;
            }
            if left > 0 {
                left = left.saturating_sub(bytes.len());
            } else {
                bytes.iter_mut().for_each(|byte| *byte = draw.next() as u8);
            }
        },
    });
    let mut backend = board.backend();
    let product = Product::new(1);
    let mut moved = false;
    for _ in 0..50 {
        moved |= product.run(&mut backend).report.place == Place::Cpu;
    }
    assert!(moved);
    on_cpu(&product.run(&mut backend), "out of use");
}
