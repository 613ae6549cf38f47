//! The memory of block memories against a list of bytes.

mod common;

use std::collections::VecDeque;

use common::{Bench, Random};
use fpga::tops::BlockMemory;

/// Bursts of each kind.
const BURSTS: usize = 1500;

/// A burst of the master.
#[derive(Clone, Debug)]
struct Burst {
    line: u64,
    lines: u64,
    id: u64,
}

/// A burst somewhere in a memory of so many lines, or over its end.
fn burst(random: &mut Random, all: u64) -> Burst {
    let line = match random.below(10) {
        // Far beyond, where low bits of the address look like a line that is there.
        0 => (1 << 40) + random.below(all),
        _ => random.below(all + 8),
    };
    Burst {
        line,
        lines: 1 + random.below(12),
        id: random.below(16),
    }
}

/// What a line holds; nothing where there is no line.
fn read(memory: &[[u32; 4]], line: u64) -> (u64, [u32; 4]) {
    match memory.get(line as usize) {
        Some(words) => (0, *words),
        None => (3, [0; 4]),
    }
}

/// Words of a line, and the bytes of each that count.
type Line = ([u32; 4], [u64; 4]);

fn check(all: u64) {
    let mut bench = Bench::new(&BlockMemory::new(all as usize), "block_memory");
    let mut random = Random(0x5eed_1234_9876_abcd);
    let mut memory = vec![[0u32; 4]; all as usize];
    bench.set("reset", 1);
    bench.model.cycle();
    bench.set("reset", 0);

    // First every line, so that nothing is unknown; then whatever comes.
    let whole = (0..all / 8).map(|eighth| Burst {
        line: eighth * 8,
        lines: 8,
        id: 1,
    });
    let mut writes: VecDeque<Burst> = whole.collect();
    writes.extend((0..BURSTS).map(|_| burst(&mut random, all)));
    let mut reads: VecDeque<Burst> = (0..BURSTS).map(|_| burst(&mut random, all)).collect();
    // Lines of bursts whose address was taken, with their data.
    let mut writing: VecDeque<(Burst, Vec<Line>)> = VecDeque::new();
    let mut expected: VecDeque<(u64, bool, u64, [u32; 4])> = VecDeque::new();
    let mut answers: VecDeque<(u64, u64)> = VecDeque::new();
    let mut filled = 0;
    let (mut idle, mut checked) = (0, 0);
    while !(writes.is_empty()
        && writing.is_empty()
        && reads.is_empty()
        && expected.is_empty()
        && answers.is_empty())
    {
        let offer_write = !writes.is_empty() && writing.is_empty() && random.below(3) > 0;
        let offer_read = filled >= all / 8 && !reads.is_empty() && random.below(3) > 0;
        let next = writes.front().filter(|_| offer_write).cloned();
        bench.set("l_awvalid", u64::from(next.is_some()));
        if let Some(next) = &next {
            bench.set("l_awaddr", next.line << 4);
            bench.set("l_awlen", next.lines - 1);
            bench.set("l_awid", next.id);
        }
        let wanted = reads.front().filter(|_| offer_read).cloned();
        bench.set("l_arvalid", u64::from(wanted.is_some()));
        if let Some(wanted) = &wanted {
            bench.set("l_araddr", wanted.line << 4);
            bench.set("l_arlen", wanted.lines - 1);
            bench.set("l_arid", wanted.id);
        }
        let data = writing.front().map(|(_, lines)| lines[0]);
        let data = data.filter(|_| random.below(4) > 0);
        bench.set("l_wvalid", u64::from(data.is_some()));
        if let Some((words, strobes)) = data {
            for word in 0..4 {
                bench.set(&format!("l_wdata_{word}"), u64::from(words[word]));
                bench.set(&format!("l_wstrb_{word}"), strobes[word]);
            }
        }
        bench.model.eval();
        let awake = [
            next.is_some() && bench.get("l_awready") == 1,
            wanted.is_some() && bench.get("l_arready") == 1,
            data.is_some() && bench.get("l_wready") == 1,
            bench.get("l_rvalid") == 1,
            bench.get("l_bvalid") == 1,
        ];
        if awake[3] {
            let (response, last, id, words) = expected.pop_front().expect("a line was asked for");
            assert_eq!(bench.get("l_rresp"), response);
            assert_eq!(bench.get("l_rlast") == 1, last);
            assert_eq!(bench.get("l_rid"), id);
            if response == 0 {
                let got = [0, 1, 2, 3].map(|word| bench.get(&format!("l_rdata_{word}")) as u32);
                assert_eq!(got, words);
                checked += 1;
            }
        }
        if awake[4] {
            let answer = (bench.get("l_bid"), bench.get("l_bresp"));
            assert_eq!(Some(answer), answers.pop_front());
        }
        if awake[0] {
            let burst = writes.pop_front().expect("it was offered");
            let lines = (0..burst.lines).map(|_| {
                let words = [0; 4].map(|_: u32| random.next() as u32);
                let strobes = [0; 4].map(|_: u64| match filled < all / 8 {
                    true => 15,
                    false => random.below(16),
                });
                (words, strobes)
            });
            let lines: Vec<_> = lines.collect();
            writing.push_back((burst, lines));
            filled += 1;
        }
        if awake[1] {
            // Nothing is under way when an address is taken, so this is what it will read.
            assert!(writing.is_empty());
            let burst = reads.pop_front().expect("it was offered");
            for at in 0..burst.lines {
                let (response, words) = read(&memory, burst.line + at);
                expected.push_back((response, at + 1 == burst.lines, burst.id, words));
            }
        }
        if awake[2] {
            let (burst, lines) = writing.front_mut().expect("its address was taken");
            let (words, strobes) = lines.remove(0);
            let line = burst.line + (burst.lines - 1 - lines.len() as u64);
            if let Some(kept) = memory.get_mut(line as usize) {
                for byte in 0..16 {
                    let (word, shift) = (byte / 4, byte % 4 * 8);
                    if strobes[word] >> (byte % 4) & 1 == 1 {
                        kept[word] &= !(0xff << shift);
                        kept[word] |= words[word] & 0xff << shift;
                    }
                }
            }
            if lines.is_empty() {
                let outside = burst.line + burst.lines > all;
                answers.push_back((burst.id, if outside { 3 } else { 0 }));
                writing.pop_front();
            }
        }
        idle = if awake.contains(&true) { 0 } else { idle + 1 };
        assert!(idle < 200, "nothing happens any more");
        bench.model.cycle();
    }
    assert!(checked > BURSTS, "{checked} lines were compared");
}

#[test]
fn lines_are_those_that_were_written() {
    check(64);
}

#[test]
fn lines_of_several_banks_are_those_that_were_written() {
    check(1 << 17);
}
