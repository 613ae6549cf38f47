//! What can happen to the wires of the serial port.

use std::time::Duration;

use board::{Noise, Options};
use systole::transport::serial::SerialOptions;
use systole_tests::product::Product;

use crate::bench::{Deed, Plugged, awake, line_options, nothing};

/// The light that says that a byte had no stop bit.
const NOISE: u8 = 1 << 5;
/// Light of a spoiled frame.
const ERROR: u8 = 1 << 4;
/// Picoseconds of a millisecond.
const MS: u64 = 1_000_000_000;
/// A product that fits into a few frames.
const SHAPE: (usize, usize, usize) = (3, 6, 5);

#[test]
fn oscillators_may_differ_by_parts_of_a_hundred() {
    for skew_ppm in [15_000, -15_000] {
        let options = Options {
            skew_ppm,
            ..Options::default()
        };
        let mut plugged = Plugged::new(awake(&options), nothing());
        let mut backend = plugged.backend();
        Product::new(2, SHAPE).run_on_card(&mut backend);
        drop(backend);
        let mut device = plugged.end();
        assert_eq!(device.board().usb().framing_errors(), 0);
        assert_eq!(device.board().lights() & (NOISE | ERROR), 0);
    }
}

#[test]
fn noise_on_the_wires_costs_time_and_no_bit() {
    let mut board = awake(&Options::default());
    let noise = |every: u64, seed: u64| Some(Noise::new(every, 250_000, seed));
    board.usb().disturb(noise(MS / 2, 7), noise(4 * MS, 8));
    let mut plugged = Plugged::new(board, nothing());
    let mut backend = plugged.backend();
    for seed in [2, 3] {
        Product::new(seed, SHAPE).run_on_card(&mut backend);
    }
    let traffic = backend.transport().traffic().expect("it is on a line");
    assert!(traffic.frames_repeated > 0, "{traffic:?}");
    drop(backend);
    let mut device = plugged.end();
    // The card has seen it too.
    assert_ne!(device.board().lights() & ERROR, 0);
}

#[test]
fn a_wire_that_is_held_low_delays_and_spoils_nothing() {
    let mut left = 3;
    let mut next = 150_000;
    // Each for longer than any byte, and in the middle of whatever goes on.
    let deed: Deed = Box::new(move |board| {
        if left > 0 && board.cycles() >= next {
            let end = board.now() + MS / 4;
            board.usb().hold_low(end);
            next += 200_000;
            left -= 1;
        }
    });
    let mut plugged = Plugged::new(awake(&Options::default()), deed);
    let mut backend = plugged.backend();
    Product::new(2, SHAPE).run_on_card(&mut backend);
    let traffic = backend.transport().traffic().expect("it is on a line");
    assert!(traffic.frames_repeated > 0, "{traffic:?}");
    drop(backend);
    let mut device = plugged.end();
    assert_ne!(device.board().lights() & NOISE, 0);
}

#[test]
fn another_rate_is_named() {
    let options = Options {
        baud: 1_000_000,
        ..Options::default()
    };
    let mut plugged = Plugged::new(awake(&options), nothing());
    let options = SerialOptions {
        silence: Duration::from_secs(2),
        ..line_options()
    };
    let Err(error) = plugged.connect(options) else {
        panic!("a card answers at another rate");
    };
    let said = error.to_string();
    assert!(said.contains("no card answers"), "{said}");
    assert!(said.contains("the rate is that of another"), "{said}");
    let mut device = plugged.end();
    // Long bits look like bytes without their stop bits.
    assert_ne!(device.board().lights() & NOISE, 0);
}
