//! The write engine: any lines and strobes become legal packets with just these bytes.

mod bench;
#[path = "../common/mod.rs"]
mod common;

use bench::{Burst, SUN, Seen, Weather, Writer};
use common::Rng;

const WEATHERS: [Weather; 5] = [
    SUN,
    Weather {
        tx_ready: 20,
        ..SUN
    },
    Weather { b_ready: 4, ..SUN },
    Weather {
        aw_valid: 5,
        w_valid: 50,
        ..SUN
    },
    Weather {
        aw_valid: 50,
        w_valid: 60,
        tx_ready: 60,
        b_ready: 30,
    },
];

/// Lines of a burst, by kind of strobes.
fn random_lines(rng: &mut Rng, line_bytes: u64) -> Vec<Vec<Option<u8>>> {
    let most = [1, 2, 8, 64, 4096 / line_bytes][rng.below(5) as usize];
    let count = 1 + rng.below(most);
    let total = count * line_bytes;
    let kind = rng.below(8);
    let from = rng.below(line_bytes);
    let to = total - rng.below(line_bytes - from);
    let dense = [10, 50, 90, 98][rng.below(4) as usize];
    let mut on = true;
    let mut strobes: Vec<bool> = (0..total)
        .map(|at| match kind {
            0 | 1 => true,
            // A run of bytes.
            2 | 3 => (from..to).contains(&at),
            // Some bytes here and there.
            4 => rng.chance(dense),
            // Longer runs and gaps.
            5 => {
                on ^= rng.below(12) == 0;
                on
            }
            // Nothing at all.
            6 => false,
            _ => true,
        })
        .collect();
    if kind == 7 {
        // Quarters of lines, as the card's engines write them, and lines without any.
        for quarter in strobes.chunks_mut(line_bytes as usize / 4) {
            let here = rng.chance(70);
            quarter.fill(here);
        }
    }
    strobes
        .chunks(line_bytes as usize)
        .map(|line| line.iter().map(|on| on.then(|| rng.next() as u8)).collect())
        .collect()
}

fn random_burst(rng: &mut Rng, line_bytes: u64) -> Burst {
    let lines = random_lines(rng, line_bytes);
    let length = lines.len() as u64 * line_bytes;
    let page = match rng.below(4) {
        0 => (1 << 32) - 4096,
        1 => 1 << 32,
        2 => rng.below(1 << 20) << 12,
        _ => rng.next() >> 12 << 12,
    };
    // An AXI burst does not cross 4 KiB.
    let offset = rng.below((4096 - length) / line_bytes + 1) * line_bytes;
    Burst {
        addr: page + offset,
        id: rng.below(16),
        lines,
    }
}

fn random(words: usize, line_bytes: usize, max_payload: u64, bursts: u64, trouble: bool) -> Seen {
    let mut writer = Writer::new(words, line_bytes, max_payload);
    let mut to_come = bursts;
    let mut reset_until = 0;
    while to_come > 0 || !writer.is_done() {
        assert!(writer.now < 1_000_000, "a burst never ends");
        writer.weather = WEATHERS[(writer.now / 700 % 5) as usize];
        if writer.waiting() < 20 && to_come > 0 {
            let mut burst = random_burst(&mut writer.rng, line_bytes as u64);
            if trouble {
                // No address comes twice, so that it is clear which packets are missing.
                burst.addr = (burst.addr & 0xfff) + ((0xf_ff00 + to_come) << 12);
            }
            writer.push(burst);
            to_come -= 1;
        }
        if trouble {
            match writer.rng.below(2000) {
                0..3 => writer.bus_master = false,
                3..60 => writer.bus_master = true,
                60..63 => reset_until = writer.now + 1 + writer.rng.below(4),
                _ => {}
            }
            if writer.mid_packet && writer.rng.below(400) == 0 {
                reset_until = writer.now + 1 + writer.rng.below(4);
            }
            writer.reset = writer.now < reset_until;
            writer.link_down = writer.reset && writer.rng.chance(30);
        }
        writer.step();
    }
    let seen = writer.seen.clone();
    assert_eq!(seen.ticks, [seen.packets, seen.beats]);
    assert!(
        seen.dwords.iter().all(|count| *count > 20),
        "packets of all lengths"
    );
    assert!(trouble || (seen.good == bursts && seen.failed == 0));
    seen
}

#[test]
fn any_lines_any_strobes() {
    for words in [2, 4] {
        for (line_bytes, max_payload) in [(16, 0), (16, 2), (32, 1), (32, 7)] {
            random(words, line_bytes, max_payload, 300, false);
        }
    }
}

#[test]
fn resets_and_bus_master() {
    for (words, line_bytes, max_payload) in [(2, 16, 2), (4, 16, 1), (2, 32, 0), (4, 32, 2)] {
        let seen = random(words, line_bytes, max_payload, 600, true);
        assert!(
            seen.good > 100
                && seen.failed > 5
                && seen.orphans > 10
                && seen.torn > 5
                && seen.withdrawn > 2,
            "{seen:?}"
        );
    }
}

/// Bursts of whole lines, back to back: a beat a cycle from the first to the last.
fn full_rate(words: usize, line_bytes: usize, max_payload: u64, wide: bool) {
    let mut writer = Writer::new(words, line_bytes, max_payload);
    let pages = 6;
    let count = 4096 / line_bytes;
    for page in 0..pages {
        let lines = (0..count).map(|_| {
            (0..line_bytes)
                .map(|_| Some(writer.rng.next() as u8))
                .collect()
        });
        let lines = lines.collect();
        let addr = page * 4096 + if wide { 5 << 32 } else { 0x10_0000 };
        writer.push(Burst {
            addr,
            id: page,
            lines,
        });
    }
    while !writer.is_done() {
        assert!(writer.now < 50_000, "a burst never ends");
        writer.step();
    }
    let text = format!("{words} words, lines of {line_bytes}, payload {max_payload}, {wide}");
    let seen = &writer.seen;
    let payload = 128 << max_payload;
    let header = if wide { 4 } else { 3 };
    let beats = u64::div_ceil(header + payload / 4, words as u64);
    let packets = pages * 4096 / payload;
    assert_eq!(seen.beats, packets * beats, "{text}");
    let first = seen.first_beat.expect("there were beats");
    // Two stages before the first line of a packet is looked at, three between the last and the link.
    assert_eq!(first, payload / line_bytes as u64 + 5, "{text}");
    assert_eq!(seen.last_beat + 1 - first, seen.beats, "{text}");
    assert_eq!(seen.last_answer, seen.last_beat + 1, "{text}");
}

#[test]
fn the_link_never_waits() {
    for words in [2, 4] {
        for line_bytes in [16, 32] {
            for max_payload in 0..3 {
                full_rate(words, line_bytes, max_payload, false);
                full_rate(words, line_bytes, max_payload, true);
            }
        }
    }
}

#[test]
fn lines_are_gathered_while_the_link_stands() {
    for line_bytes in [16, 32] {
        let mut writer = Writer::new(4, line_bytes, 2);
        let count = 4096 / line_bytes;
        let lines = vec![vec![Some(0xa5); line_bytes]; count];
        writer.push(Burst {
            addr: 0,
            id: 0,
            lines,
        });
        writer.weather.tx_ready = 0;
        for _ in 0..1000 {
            writer.step();
        }
        // 2 KiB in the memory, one line at the door.
        assert_eq!(writer.seen.lines, 2048 / line_bytes as u64 + 1);
        writer.weather = SUN;
        while !writer.is_done() {
            assert!(writer.now < 3000, "the burst ends");
            writer.step();
        }
    }
}

#[test]
fn a_reset_sets_the_memory_free() {
    for words in [2, 4] {
        for taken in [0, 5] {
            let mut writer = Writer::new(words, 16, 2);
            let page = |byte| Burst {
                addr: u64::from(byte) << 12,
                id: 3,
                lines: vec![vec![Some(byte); 16]; 256],
            };
            writer.push(page(1));
            writer.weather.tx_ready = 0;
            while writer.now < 400 {
                writer.step();
            }
            // The memory is full; some beats of the first packet may be out.
            writer.weather.tx_ready = 100;
            while writer.seen.beats < taken {
                writer.step();
            }
            writer.weather.tx_ready = 0;
            for _ in 0..20 {
                writer.step();
            }
            writer.reset = true;
            writer.step();
            writer.reset = false;
            writer.push(page(2));
            for _ in 0..100 {
                writer.step();
            }
            writer.weather = SUN;
            while !writer.is_done() {
                assert!(writer.now < 3000, "the burst after the reset ends");
                writer.step();
            }
            assert_eq!(writer.seen.orphans, u64::from(taken > 0));
            assert_eq!(writer.seen.packets, 8 + writer.seen.orphans);
        }
    }
}
