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

/// The block memory of an ECP5, which shows nonsense where a read meets a write.
const DP16KD: &str = include_str!("../../tests/netlist/dp16kd.sv");

/// What the text of the memory is read for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Target {
    Any,
    Ecp5,
}

fn check(target: Target, bytes: usize, write_bytes: usize, read_bytes: usize) {
    let buffer = Buffer::new(bytes, write_bytes, read_bytes);
    let mut bench = match target {
        Target::Any => Bench::new(&buffer, "buffer"),
        Target::Ecp5 => Bench::for_ecp5(&buffer, "buffer", DP16KD),
    };
    let write_data = bench.ports("write_data", write_bytes / 4);
    let read_data = bench.ports("read_data", read_bytes / 4);
    let mut rng = Rng(0xb0f + (write_bytes * 1000 + read_bytes) as u64);
    // Until a byte is written, nobody knows what it is.
    let mut memory: Vec<Option<u8>> = vec![None; bytes];
    let mut expected: VecDeque<Option<Vec<u32>>> = VecDeque::from(vec![None; LATENCY]);
    let (lines, rows) = (bytes / write_bytes, bytes / read_bytes);
    let (mut compared, mut collisions) = (0, 0);
    for cycle in 0..6000 {
        let text =
            format!("{target:?}, {bytes} bytes, {write_bytes} -> {read_bytes}, cycle {cycle}");
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
        let to = line as usize * write_bytes;
        let collides = write && to < from + read_bytes && from < to + write_bytes;
        let defined = read && !(collides && target == Target::Ecp5);
        expected.push_back(old.filter(|_| defined).map(|bytes| words(&bytes)));
        if write {
            collisions += usize::from(read && collides);
            for (slot, byte) in memory[to..].iter_mut().zip(&data) {
                *slot = Some(*byte);
            }
        }
    }
    assert!(compared > 500, "{compared} rows compared");
    assert!(
        collisions > 500,
        "{collisions} reads of what was being written"
    );
}

#[test]
fn equal_ports() {
    check(Target::Any, 64, 4, 4);
    check(Target::Any, 512, 16, 16);
}

#[test]
fn narrow_writes() {
    check(Target::Any, 256, 4, 16);
    check(Target::Any, 512, 16, 128);
}

#[test]
fn narrow_reads() {
    check(Target::Any, 256, 32, 4);
    check(Target::Any, 256, 16, 8);
}

#[test]
fn block_memories_with_their_registers() {
    // Ports of 36, 18, 9, 4, 2 and 1 bits, alike and not.
    check(Target::Ecp5, 2048, 4, 4);
    check(Target::Ecp5, 4096, 4, 4);
    check(Target::Ecp5, 16384, 4, 4);
    check(Target::Ecp5, 16384, 16, 8);
    check(Target::Ecp5, 8192, 8, 16);
    check(Target::Ecp5, 65536, 16, 4);
}

#[test]
fn what_blocks_would_not_fill_is_left_to_the_synthesiser() {
    check(Target::Ecp5, 512, 16, 16);
}

/// A row waits in front of the output register until `advance`.
#[test]
fn rows_wait_for_the_output_register() {
    let buffer = Buffer::new(2048, 4, 4);
    let plain = Bench::new(&buffer, "buffer");
    let ecp5 = Bench::for_ecp5(&buffer, "buffer", DP16KD);
    for mut bench in [plain, ecp5] {
        let mut rng = Rng(0xad);
        for line in 0..512 {
            bench.set("write", 1);
            bench.set("write_line", line);
            bench.set("write_data_0", !line & 0xffff_ffff);
            bench.model.cycle();
        }
        bench.set("write", 0);
        let (mut waiting, mut shown, mut moved) = (None, None, 0);
        for _ in 0..2000 {
            let (read, advance, row) = (rng.chance(60), rng.chance(60), rng.below(512));
            bench.set("read", read.into());
            bench.set("advance", advance.into());
            bench.set("read_row", row);
            bench.model.cycle();
            if advance {
                shown = waiting;
                moved += 1;
            }
            if read {
                waiting = Some(!row & 0xffff_ffff);
            }
            if let Some(row) = shown {
                assert_eq!(bench.get("read_data_0"), row);
            }
        }
        assert!(moved > 1000, "{moved} rows");
    }
}
