//! Frames and noise against the plain-Rust codec with another crate's CRC.

mod common;

use std::collections::VecDeque;

use common::peer::Frame;
use common::{Bench, Rng};
use hdl::serial::{Deframer, Framer};
use isa::serial::{ESCAPE, FLAG, MAX_PAYLOAD};

/// Any frame; bytes that need stuffing are more likely than others.
fn random_frame(rng: &mut Rng) -> Frame {
    let length = match rng.below(8) {
        0 => 0,
        1 => MAX_PAYLOAD as u64,
        2 => 4,
        _ => rng.below(MAX_PAYLOAD as u64 + 1),
    };
    let byte = |rng: &mut Rng| match rng.below(6) {
        0 => [FLAG, ESCAPE, 0x5e, 0x5d, 0x00, 0xff][rng.below(6) as usize],
        _ => rng.next() as u8,
    };
    Frame {
        kind: byte(rng),
        sequence: byte(rng),
        ack: byte(rng),
        payload: (0..length).map(|_| byte(rng)).collect(),
    }
}

/// A byte, or one that was lost.
type Item = Option<u8>;

/// What must be told of a stretch between two flags.
fn verdict(items: &[Item]) -> Option<Result<Frame, ()>> {
    let bytes: Vec<u8> = items.iter().copied().flatten().collect();
    match bytes.len() == items.len() {
        true => Frame::of_line(&bytes),
        false => Some(Err(())),
    }
}

fn line(rng: &mut Rng) -> Vec<Item> {
    let mut items: Vec<Item> = random_frame(rng).line().into_iter().map(Some).collect();
    let at = |rng: &mut Rng, items: &[Item]| rng.below(items.len() as u64) as usize;
    match rng.below(20) {
        // Noise.
        0 => {
            items = (0..rng.below(400))
                .map(|_| Some(rng.next() as u8))
                .collect()
        }
        // Too long by one, or by much, but with the right check sequence.
        1 => {
            let mut frame = random_frame(rng);
            let more = 1 + rng.below(2) * rng.below(300);
            frame.payload.resize(MAX_PAYLOAD + more as usize, 0x41);
            items = frame.line().into_iter().map(Some).collect();
        }
        2 => {
            let index = at(rng, &items);
            items[index] = items[index].map(|byte| byte ^ 1 << rng.below(8));
        }
        3 => {
            let index = at(rng, &items);
            items.remove(index);
        }
        4 => {
            let index = at(rng, &items);
            items.insert(
                index,
                Some([rng.next() as u8, ESCAPE, FLAG][rng.below(3) as usize]),
            );
        }
        5 => items.truncate(at(rng, &items)),
        6 => {
            let index = at(rng, &items);
            items[index] = None;
        }
        // An end that is cut off, as of a sender that gives up.
        7 => {
            let end = items.len() - 1;
            items.insert(end, Some(ESCAPE));
        }
        // Flags that are shared, and flags that say nothing.
        8..12 => {
            items.remove(0);
        }
        12 => items.extend([Some(FLAG), Some(FLAG)]),
        // Too short.
        13 => items = vec![Some(FLAG), Some(rng.next() as u8), Some(FLAG)],
        _ => {}
    }
    items
}

#[test]
fn frames_are_found_in_noise() {
    let mut bench = Bench::new(&Deframer::default(), "deframer");
    bench.reset();
    let mut rng = Rng(0x61);
    let mut items: VecDeque<Item> = VecDeque::new();
    let mut stretch: Vec<Item> = vec![];
    let mut expected: VecDeque<Result<Frame, ()>> = VecDeque::new();
    let mut stored = vec![];
    let (mut good, mut bad) = (0, 0);
    let names = [
        "rx_valid",
        "rx_data",
        "rx_bad",
        "store",
        "at",
        "data",
        "good",
        "bad",
        "kind",
        "sequence_number",
        "ack",
        "length",
        "number",
    ];
    let ports = names.map(|name| bench.port(name));
    let [
        rx_valid,
        rx_data,
        rx_bad,
        store,
        at,
        data,
        is_good,
        is_bad,
        ..,
    ] = ports;
    for cycle in 0..1_200_000 {
        if items.is_empty() {
            items.extend(line(&mut rng));
        }
        let goes = rng.chance([100, 60][cycle / 5000 % 2]);
        let item = if goes { items.pop_front() } else { None };
        bench
            .model
            .set(rx_valid, u64::from(matches!(item, Some(Some(_)))));
        bench
            .model
            .set(rx_bad, u64::from(matches!(item, Some(None))));
        let byte = item.flatten().unwrap_or(rng.next() as u8);
        bench.model.set(rx_data, byte.into());
        match item {
            Some(Some(FLAG)) => expected.extend(verdict(&std::mem::take(&mut stretch))),
            Some(other) => stretch.push(other),
            None => {}
        }
        bench.model.eval();
        let get = |port| bench.model.get(port);
        if get(is_good) == 1 || get(is_bad) == 1 {
            assert_eq!(get(is_good) + get(is_bad), 1, "cycle {cycle}");
            match expected.pop_front().expect("a frame has ended") {
                Err(()) => {
                    assert_eq!(get(is_bad), 1, "cycle {cycle}");
                    bad += 1;
                }
                Ok(frame) => {
                    assert_eq!(get(is_good), 1, "cycle {cycle}: {frame:?}");
                    assert_eq!(bench.get("kind"), u64::from(frame.kind));
                    assert_eq!(bench.get("sequence_number"), u64::from(frame.sequence));
                    assert_eq!(bench.get("ack"), u64::from(frame.ack));
                    assert_eq!(bench.get("length"), frame.payload.len() as u64);
                    assert_eq!(stored, frame.bytes());
                    if let Some(first) = frame.payload.first_chunk() {
                        assert_eq!(bench.get("number"), u64::from(u32::from_le_bytes(*first)));
                    }
                    good += 1;
                }
            }
        }
        if get(store) == 1 {
            if get(at) == 0 {
                stored.clear();
            }
            // Of what is too long the end is not kept in its place.
            stored.push(get(data) as u8);
            assert!(get(at) as usize == stored.len() - 1 || stored.len() > 144);
        }
        bench.model.cycle();
    }
    assert!(expected.len() <= 1, "frames are told at once");
    assert!(
        good > 4000 && bad > 1000,
        "{good} good ones, {bad} bad ones"
    );
}

#[test]
fn frames_are_made() {
    let mut bench = Bench::new(&Framer::default(), "framer");
    bench.reset();
    let mut rng = Rng(0x62);
    let ports = [
        "reset", "in_valid", "in_data", "in_last", "in_ready", "tx_valid", "tx_data", "tx_ready",
        "active",
    ]
    .map(|name| bench.port(name));
    let [
        reset,
        in_valid,
        in_data,
        in_last,
        in_ready,
        tx_valid,
        tx_data,
        tx_ready,
        active,
    ] = ports;
    let mut input: VecDeque<u8> = VecDeque::new();
    let mut expected: VecDeque<u8> = VecDeque::new();
    let (mut offered, mut stays, mut frames, mut resets) = (false, None, 0, 0);
    for cycle in 0..600_000 {
        if input.is_empty() && expected.len() < 3 && rng.chance(50) {
            let frame = random_frame(&mut rng);
            let bytes = frame.bytes();
            input.extend(&bytes[..bytes.len() - 4]);
            expected.extend(frame.line());
            frames += 1;
        }
        let (gives, takes) = [(100, 100), (30, 100), (100, 30)][cycle / 3000 % 3];
        offered = !input.is_empty() && (offered || rng.chance(gives));
        let resetting = rng.below(20_000) == 0;
        bench.model.set(reset, resetting.into());
        bench.model.set(in_valid, offered.into());
        bench
            .model
            .set(in_data, input.front().map_or(0x7e, |&byte| byte.into()));
        bench.model.set(in_last, u64::from(input.len() == 1));
        bench.model.set(tx_ready, rng.chance(takes).into());
        bench.model.eval();
        let get = |port| bench.model.get(port);
        if let Some(byte) = stays {
            assert_eq!((get(tx_valid), get(tx_data)), (1, byte), "an offer stays");
        }
        stays = (get(tx_valid) == 1 && get(tx_ready) == 0).then(|| get(tx_data));
        if get(tx_valid) == 1 {
            assert_eq!(Some(get(tx_data) as u8), expected.front().copied());
            assert_eq!(get(active), 1);
            if get(tx_ready) == 1 {
                expected.pop_front();
            }
        }
        if get(in_ready) == 1 {
            assert!(offered, "nothing is taken that is not offered");
            input.pop_front();
            offered = false;
        }
        bench.model.cycle();
        if resetting {
            // What is offered goes out still, and nothing else.
            resets += 1;
            input.clear();
            offered = false;
            bench.model.set(reset, 0);
            bench.model.set(in_valid, 0);
            bench.model.set(tx_ready, 0);
            bench.model.eval();
            expected.truncate(bench.model.get(tx_valid) as usize);
        }
    }
    assert!(
        frames > 2000 && resets > 10,
        "{frames} frames, {resets} resets"
    );
}
