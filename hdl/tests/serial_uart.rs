//! Bytes over two wires, against a wire that is a plain function of time.

mod common;

use std::collections::VecDeque;

use common::{Bench, Rng};
use hdl::serial::Uart;

/// What a receiver must tell of a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Byte(u8),
    Bad,
}

/// A wire whose levels begin at any time, in cycles.
struct Wire {
    levels: VecDeque<(f64, bool)>,
    level: bool,
    end: f64,
}

impl Wire {
    fn at(&mut self, cycle: f64) -> bool {
        while let Some(&(begin, level)) = self.levels.front()
            && begin <= cycle
        {
            self.level = level;
            self.levels.pop_front();
        }
        self.level
    }

    fn hold(&mut self, level: bool, cycles: f64) {
        self.levels.push_back((self.end, level));
        self.end += cycles;
    }
}

/// Both directions, with a sender and a listener whose bits are longer by `skew`.
fn check(bench: &mut Bench, ratio: f64, skew: f64, bytes: usize) {
    bench.reset();
    let mut rng = Rng(0x51 + (ratio * 16.0) as u64);
    let bit = ratio * (1.0 + skew);
    let mut wire = Wire {
        levels: VecDeque::new(),
        level: true,
        end: 20.3,
    };
    let mut expected = VecDeque::new();
    for index in 0..bytes {
        let byte = match index {
            0 => 0x00,
            1 => 0xff,
            2 => 0x55,
            _ => rng.next() as u8,
        };
        let broken = rng.below(8) == 0;
        wire.hold(false, bit);
        for place in 0..8 {
            wire.hold(byte >> place & 1 == 1, bit);
        }
        wire.hold(!broken, bit);
        if broken {
            expected.push_back(Event::Bad);
            wire.hold(true, bit * 1.5);
        } else {
            expected.push_back(Event::Byte(byte));
        }
        // Gaps of any length, or none, and what is too short for a start bit.
        match rng.below(4) {
            0 => wire.hold(true, rng.below(3000) as f64 / 1000.0 * bit),
            1 => {
                wire.hold(true, bit);
                wire.hold(false, bit * 0.2);
                wire.hold(true, bit);
            }
            _ => {}
        }
    }
    wire.hold(true, 4.0 * bit);

    let ports = ["rx", "tx", "rx_valid", "rx_data", "rx_bad"].map(|name| bench.port(name));
    let [rx, tx, rx_valid, rx_data, rx_bad] = ports;
    let mut to_send = VecDeque::new();
    let mut levels = vec![];
    let mut sent = vec![];
    let mut cycle = 0;
    while f64::from(cycle) < wire.end || !to_send.is_empty() {
        bench.model.set(rx, wire.at(f64::from(cycle)).into());
        if to_send.is_empty() && sent.len() < bytes && rng.below(ratio as u64 * 8) == 0 {
            to_send.extend((0..1 + rng.below(4)).map(|_| rng.next() as u8));
        }
        bench.set("tx_valid", u64::from(!to_send.is_empty()));
        bench.set("tx_data", to_send.front().map_or(0xa5, |&byte| byte.into()));
        bench.model.eval();
        if let Some(&byte) = to_send.front()
            && bench.is("tx_ready")
        {
            to_send.pop_front();
            sent.push(byte);
        }
        levels.push(bench.model.get(tx) == 1);
        let event = match (bench.model.get(rx_valid), bench.model.get(rx_bad)) {
            (0, 0) => None,
            (1, 0) => Some(Event::Byte(bench.model.get(rx_data) as u8)),
            (0, 1) => Some(Event::Bad),
            _ => panic!("both at once"),
        };
        if event.is_some() {
            assert_eq!(event, expected.pop_front(), "ratio {ratio}, skew {skew}");
        }
        bench.model.cycle();
        cycle += 1;
    }
    assert!(expected.is_empty(), "bytes are missing: {expected:?}");
    assert!(sent.len() >= bytes / 2);

    // The listener: from the edge of each start bit on.
    for _ in 0..(12.0 * ratio) as usize {
        bench.set("tx_valid", 0);
        bench.model.eval();
        levels.push(bench.model.get(tx) == 1);
        bench.model.cycle();
    }
    let mut heard: Vec<u8> = vec![];
    let mut at = 0;
    while let Some(edge) = levels[at..].iter().position(|&level| !level) {
        let edge = (at + edge) as f64;
        let sample = |place: usize| levels[(edge + (place as f64 + 0.5) * bit) as usize];
        assert!(!sample(0), "a start bit");
        assert!(sample(9), "a stop bit");
        heard.push(
            (0..8)
                .map(|place| u8::from(sample(place + 1)) << place)
                .sum(),
        );
        at = (edge + 9.5 * bit) as usize;
    }
    assert_eq!(heard, sent, "ratio {ratio}, skew {skew}");
}

fn check_rate(clock_hz: u32, baud: u32, bytes: usize) {
    let mut bench = Bench::new(&Uart::new(clock_hz, baud), "uart");
    let ratio = f64::from(clock_hz) / f64::from(baud);
    for skew in [0.0, 0.02, -0.02] {
        check(&mut bench, ratio, skew, bytes);
    }
}

#[test]
fn bits_of_four_cycles() {
    check_rate(12_000_000, 3_000_000, 2_000);
}

#[test]
fn bits_of_no_whole_number_of_cycles() {
    check_rate(80_000_000, 3_000_000, 600);
    check_rate(14_000_000, 3_000_000, 2_000);
}

#[test]
fn long_bits() {
    check_rate(100_000_000, 115_200, 40);
}

#[test]
#[should_panic(expected = "at least 4 cycles")]
fn shorter_bits_are_refused() {
    let _ = Uart::new(11_999_999, 3_000_000);
}
