//! Memories with ports of different widths against plain bytes.

mod common;

use std::collections::VecDeque;

use common::{Bench, Rng};
use hdl::mem::Buffer;

/// Cycles from a read to its row, as the contract of the block says.
const LATENCY: usize = 2;

fn words(bytes: &[u8]) -> Vec<u32> {
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    bytes.chunks(4).map(word).collect()
}

fn check(bytes: usize, write_bytes: usize, read_bytes: usize) {
    let mut bench = Bench::new(&Buffer::new(bytes, write_bytes, read_bytes), "buffer");
    let write_data = bench.ports("write_data", write_bytes / 4);
    let read_data = bench.ports("read_data", read_bytes / 4);
    let mut rng = Rng(0xb0f + (write_bytes * 1000 + read_bytes) as u64);
    // Until a byte is written, nobody knows what it is.
    let mut memory: Vec<Option<u8>> = vec![None; bytes];
    let mut expected: VecDeque<Option<Vec<u32>>> = VecDeque::from(vec![None; LATENCY]);
    let (lines, rows) = (bytes / write_bytes, bytes / read_bytes);
    let (mut compared, mut collisions) = (0, 0);
    for cycle in 0..6000 {
        let text = format!("{bytes} bytes, {write_bytes} -> {read_bytes}, cycle {cycle}");
        bench.model.eval();
        if let Some(row) = expected.pop_front().expect("two reads are on their way") {
            let got: Vec<u32> = read_data
                .iter()
                .map(|port| bench.model.get(*port) as u32)
                .collect();
            assert_eq!(got, row, "{text}");
            compared += 1;
        }
        let write = rng.chance(60);
        let read = rng.chance(80);
        let line = rng.below(lines as u64);
        // Half of the reads go where a write goes.
        let row = match rng.chance(50) {
            true => line * write_bytes as u64 / read_bytes as u64 + rng.below(2),
            false => rng.below(rows as u64),
        } % rows as u64;
        let data: Vec<u8> = (0..write_bytes).map(|_| rng.next() as u8).collect();
        // Address bits beyond the depth do not count.
        let above = |depth: usize, noise: u64| (noise * depth as u64) & 0xff_ffff;
        bench.set("write", write.into());
        bench.set("write_line", line + above(lines, rng.next() & 0xfff));
        bench.set("read", read.into());
        bench.set("advance", 1);
        bench.set("read_row", row + above(rows, rng.next() & 0xfff));
        for (port, word) in write_data.iter().zip(words(&data)) {
            bench.model.set(*port, u64::from(word));
        }
        bench.model.cycle();
        let from = row as usize * read_bytes;
        let old: Option<Vec<u8>> = memory[from..from + read_bytes].iter().copied().collect();
        expected.push_back(old.filter(|_| read).map(|bytes| words(&bytes)));
        if write {
            let to = line as usize * write_bytes;
            let overlap = to < from + read_bytes && from < to + write_bytes;
            collisions += usize::from(read && overlap);
            for (slot, byte) in memory[to..].iter_mut().zip(&data) {
                *slot = Some(*byte);
            }
        }
    }
    assert!(compared > 3000, "{compared} rows compared");
    assert!(
        collisions > 500,
        "{collisions} reads of what was being written"
    );
}

#[test]
fn equal_ports() {
    check(64, 4, 4);
    check(512, 16, 16);
}

#[test]
fn narrow_writes() {
    check(256, 4, 16);
    check(512, 16, 128);
}

#[test]
fn narrow_reads() {
    check(256, 32, 4);
    check(256, 16, 8);
}
