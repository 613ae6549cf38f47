//! The card's port to host and card memory, against queues in plain Rust.

mod common;

use std::collections::VecDeque;

use common::{Bench, Rng};
use hdl::pcie::Split;
use verilate::PortRef;

/// The bit that chooses the card's memory.
const OWN: u64 = 1 << 55;

/// What a side that answers a read gives for a line.
fn line(address: u64, own: bool, words: usize) -> Vec<u32> {
    (0..words as u64)
        .map(|word| (address / 4 + word) as u32 ^ if own { 0x5a5a_0000 } else { 0 })
        .collect()
}

/// Pins that the test uses in every cycle.
struct Pins {
    rdata: [Vec<PortRef>; 3],
}

/// A read that was asked for.
#[derive(Clone, Debug, PartialEq)]
struct Read {
    address: u64,
    lines: u64,
    id: u64,
    own: bool,
}

/// A side: what it was asked for and still owes.
#[derive(Default)]
struct Side {
    /// Address of the next line and lines left.
    reads: VecDeque<(u64, u64)>,
    answers: u64,
    /// What is offered stays.
    r_held: bool,
    b_held: bool,
    count: u64,
}

/// One line of random traffic a cycle at most; everything is compared with queues.
fn check(words: usize, seed: u64, stall: u64) {
    let bytes = 4 * words as u64;
    let mut bench = Bench::new(&Split::new(words), "split");
    let pins = Pins {
        rdata: ["h_rdata", "l_rdata", "m_rdata"].map(|name| bench.ports(name, words)),
    };
    let mut rng = Rng(seed);
    bench.reset();
    let mut sides = [Side::default(), Side::default()];
    let mut owed: VecDeque<Read> = VecDeque::new();
    let mut owed_writes: VecDeque<(u64, bool)> = VecDeque::new();
    let (mut ar, mut aw): (Option<Read>, Option<Read>) = (None, None);
    // Lines of the write bursts that were taken, and of the one that is offered.
    let mut data: VecDeque<(u64, bool)> = VecDeque::new();
    let mut done = [0u64; 4];
    let (mut at, mut left) = (0, 0);
    let mut w_held = false;
    // That a read is owed is known in the second cycle after its address was taken, and not in the
    // one after the end of another.
    let mut shown = false;
    for _ in 0..20_000 {
        let owes = !owed.is_empty();
        let mut ends = false;
        for slot in [&mut ar, &mut aw] {
            if slot.is_none() && rng.chance(60) {
                let own = rng.chance(50);
                *slot = Some(Read {
                    address: (rng.next() & (OWN - 1) & !(bytes - 1)) | if own { OWN } else { 0 },
                    lines: 1 + rng.below(6),
                    id: rng.below(16),
                    own,
                });
            }
        }
        for (name, slot) in [("ar", &ar), ("aw", &aw)] {
            bench.set(&format!("m_{name}valid"), slot.is_some().into());
            let random = rng.next();
            let (address, id) = slot
                .as_ref()
                .map_or((random, random), |it| (it.address, it.id));
            bench.set(&format!("m_{name}addr"), address);
            bench.set(&format!("m_{name}id"), id);
        }
        w_held |= !data.is_empty() && !rng.chance(stall);
        bench.set("m_wvalid", w_held.into());
        let last = data
            .front()
            .map_or(rng.next() & 1, |front| u64::from(front.0 == 1));
        bench.set("m_wlast", last);
        let (r_ready, b_ready) = (!rng.chance(stall), !rng.chance(stall));
        bench.set("m_rready", r_ready.into());
        bench.set("m_bready", b_ready.into());
        let mut readies = [[false; 3]; 2];
        for (index, side) in sides.iter_mut().enumerate() {
            let name = ["h", "l"][index];
            for (ready, channel) in readies[index].iter_mut().zip(["ar", "aw", "w"]) {
                *ready = !rng.chance(stall);
                bench.set(&format!("{name}_{channel}ready"), (*ready).into());
            }
            side.r_held |= !side.reads.is_empty() && !rng.chance(stall);
            side.b_held |= side.answers > 0 && !rng.chance(stall);
            bench.set(&format!("{name}_rvalid"), side.r_held.into());
            bench.set(&format!("{name}_bvalid"), side.b_held.into());
            let (address, lines) = side.reads.front().copied().unwrap_or((rng.next(), 1));
            for (pin, word) in pins.rdata[index]
                .iter()
                .zip(line(address, index == 1, words))
            {
                bench.model.set(*pin, word.into());
            }
            bench.set(&format!("{name}_rlast"), u64::from(lines == 1));
            // The answers tell which side and line they are.
            bench.set(&format!("{name}_rresp"), (address / bytes) & 3);
            bench.set(&format!("{name}_bresp"), side.count & 3);
        }
        bench.set("h_ruser", 5);
        bench.set("h_buser", 6);
        bench.model.eval();

        // Reads.
        let (host, own) = (bench.is("h_arvalid"), bench.is("l_arvalid"));
        assert!(!(host && own));
        let taken = (host && readies[0][0]) || (own && readies[1][0]);
        assert_eq!(bench.is("m_arready"), taken);
        if host || own {
            let burst = ar.as_ref().expect("an address was offered");
            assert_eq!(burst.own, own);
            let expected = burst.address & (OWN - 1);
            assert!(!own || bench.get("l_araddr") == expected);
            if taken {
                sides[usize::from(own)]
                    .reads
                    .push_back((expected, burst.lines));
                owed.extend(ar.take());
            }
        }
        let taken = [bench.is("h_rready"), bench.is("l_rready")];
        assert!(!(taken[0] && taken[1]));
        if bench.is("m_rvalid") {
            let burst = owed.front().expect("a read is owed");
            let side = &mut sides[usize::from(burst.own)];
            assert!(side.r_held);
            if left == 0 {
                (at, left) = (burst.address & (OWN - 1), burst.lines);
            }
            let data: Vec<u32> = pins.rdata[2]
                .iter()
                .map(|pin| bench.model.get(*pin) as u32)
                .collect();
            assert_eq!(data, line(at, burst.own, words));
            assert_eq!(bench.get("m_rid"), burst.id);
            assert_eq!(bench.get("m_rresp"), (at / bytes) & 3);
            assert_eq!(bench.get("m_ruser"), if burst.own { 0 } else { 5 });
            assert_eq!(bench.is("m_rlast"), left == 1);
            assert_eq!(taken[usize::from(burst.own)], r_ready);
            if r_ready {
                side.r_held = false;
                let front = side.reads.front_mut().expect("it offers a line");
                *front = (front.0 + bytes, front.1 - 1);
                if front.1 == 0 {
                    side.reads.pop_front();
                }
                (at, left) = (at + bytes, left - 1);
                done[0] += 1;
                if left == 0 {
                    owed.pop_front();
                    ends = true;
                }
            }
        } else {
            let oldest = owed.front().map(|burst| usize::from(burst.own));
            assert!(
                !shown || oldest.is_none_or(|side| !sides[side].r_held),
                "no line waits in vain"
            );
        }
        shown = owes && !ends;

        // Writes.
        let (host, own) = (bench.is("h_awvalid"), bench.is("l_awvalid"));
        let taken_aw = (host && readies[0][1]) || (own && readies[1][1]);
        assert!(!(host && own));
        assert_eq!(bench.is("m_awready"), taken_aw);
        let mut next = None;
        if host || own {
            assert!(data.is_empty(), "the data of one burst at a time");
            let burst = aw.as_ref().expect("an address was offered");
            assert_eq!(burst.own, own);
            assert!(!own || bench.get("l_awaddr") == burst.address & (OWN - 1));
            if taken_aw {
                next = aw.take();
            }
        }
        let (host, own) = (bench.is("h_wvalid"), bench.is("l_wvalid"));
        assert!(!(host && own));
        assert_eq!(host || own, w_held, "data goes to where its address went");
        let taken_w = (host && readies[0][2]) || (own && readies[1][2]);
        assert_eq!(bench.is("m_wready") && w_held, taken_w);
        if taken_w {
            w_held = false;
            let (lines, to) = data.pop_front().expect("data was offered");
            assert_eq!(own, to);
            done[1] += 1;
            if lines > 1 {
                data.push_front((lines - 1, to));
            } else {
                sides[usize::from(to)].answers += 1;
            }
        }
        if bench.is("m_bvalid") {
            let (id, own) = *owed_writes.front().expect("an answer is owed");
            let side = &mut sides[usize::from(own)];
            assert!(side.b_held);
            assert_eq!(bench.get("m_bid"), id);
            assert_eq!(bench.get("m_bresp"), side.count & 3);
            assert_eq!(bench.get("m_buser"), if own { 0 } else { 6 });
            assert_eq!(
                bench.is(["h_bready", "l_bready"][usize::from(own)]),
                b_ready
            );
            if b_ready {
                owed_writes.pop_front();
                side.b_held = false;
                side.answers -= 1;
                side.count += 1;
                done[2] += 1;
            }
        }
        assert!(!(bench.is("h_bready") && bench.is("l_bready")));
        if let Some(burst) = next {
            data.push_back((burst.lines, burst.own));
            owed_writes.push_back((burst.id, burst.own));
            done[3] += 1;
        }

        if rng.below(3000) == 0 {
            bench.set("reset", 1);
            bench.model.cycle();
            bench.set("reset", 0);
            sides = [Side::default(), Side::default()];
            owed.clear();
            owed_writes.clear();
            data.clear();
            (ar, aw, left, w_held, shown) = (None, None, 0, false, false);
        } else {
            bench.model.cycle();
        }
    }
    assert!(done.iter().all(|count| *count > 500), "{done:?}");
}

#[test]
fn answers_come_in_the_order_of_the_bursts() {
    check(4, 1, 0);
    check(4, 2, 30);
    check(8, 3, 70);
}

#[test]
fn at_most_64_bursts_are_under_way() {
    let mut bench = Bench::new(&Split::new(4), "split");
    bench.reset();
    for (channel, data) in [("ar", false), ("aw", true)] {
        bench.set(&format!("m_{channel}valid"), 1);
        bench.set(&format!("h_{channel}ready"), 1);
        if data {
            for pin in ["m_wvalid", "m_wlast", "h_wready"] {
                bench.set(pin, 1);
            }
        }
        let mut taken = 0;
        for _ in 0..300 {
            bench.model.eval();
            taken += bench.get(&format!("m_{channel}ready"));
            bench.model.cycle();
        }
        assert_eq!(taken, 64);
        bench.set(&format!("m_{channel}valid"), 0);
    }
}
