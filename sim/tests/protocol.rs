//! The referee sees every broken rule of the bus and says which.

mod common;

use common::{BASE, Bench};
use sim::memory::signals::{Address, Master, WriteData};
use sim::memory::{Dram, MemoryOptions};

fn bench() -> Bench {
    let dram = Dram::new(MemoryOptions::default(), 16).expect("good options");
    Bench::new(dram, 16, 1 << 16)
}

/// Drives the port by hand and gives what the referee says.
fn verdict(drive: &[Master]) -> String {
    let mut bench = bench();
    for master in drive {
        if let Err(error) = bench.dram.cycle(&mut bench.host, master) {
            return error.to_string();
        }
    }
    String::new()
}

fn address(addr: u64, len: u8) -> Address {
    Address {
        valid: true,
        addr,
        len,
        id: 0,
        size: 4,
        burst: 1,
    }
}

fn read(ar: Address) -> Master {
    Master {
        ar,
        ..Master::default()
    }
}

fn beat(last: bool, strobes: u32) -> WriteData {
    WriteData {
        valid: true,
        data: [0; 32],
        strobes,
        last,
    }
}

#[test]
fn addresses() {
    let good = address(BASE, 255);
    assert_eq!(verdict(&[read(good)]), "");
    for (bad, reason) in [
        (address(BASE + 16, 255), "crosses a border of 4 KiB"),
        (address(BASE + 0xff0, 1), "crosses a border of 4 KiB"),
        (address(BASE + 8, 0), "not a multiple of the port"),
        (Address { size: 3, ..good }, "size 3"),
        (Address { size: 255, ..good }, "size 255"),
        (Address { burst: 2, ..good }, "burst type 2"),
    ] {
        let found = verdict(&[read(bad)]);
        assert!(found.contains(reason), "{found:?} should say {reason:?}");
        assert!(found.contains("channel AR"), "{found:?}");
        let write = Master {
            aw: bad,
            ..Master::default()
        };
        assert!(verdict(&[write]).contains("channel AW"));
    }
}

#[test]
fn write_data() {
    let with = |aw, w| Master {
        aw,
        w,
        ..Master::default()
    };
    let none = Address::default();
    let good = [
        with(address(BASE, 1), beat(false, 0xffff)),
        with(none, beat(true, 1)),
    ];
    assert_eq!(verdict(&good), "");
    let early = [with(address(BASE, 1), beat(true, 0xffff))];
    assert!(verdict(&early).contains("WLAST is 1 on beat 1 of 2"));
    let late = [with(address(BASE, 0), beat(false, 0xffff))];
    assert!(verdict(&late).contains("WLAST is 0 on beat 1 of 1"));
    let wide = [with(address(BASE, 0), beat(true, 0x1_0000))];
    assert!(verdict(&wide).contains("beyond the port"));
}

#[test]
fn what_waits_must_not_change() {
    // Without an address, write data waits.
    let offered = Master {
        w: beat(true, 0xffff),
        ..Master::default()
    };
    let changed = Master {
        w: beat(true, 0x00ff),
        ..Master::default()
    };
    assert_eq!(verdict(&[offered, offered]), "");
    assert!(verdict(&[offered, changed]).contains("has changed"));
    assert!(verdict(&[offered, Master::default()]).contains("has changed"));

    // With all places taken, addresses wait.
    let full = vec![read(address(BASE, 0)); 65];
    assert_eq!(verdict(&full), "");
    let moved = [full, vec![read(address(BASE + 16, 0))]].concat();
    assert!(verdict(&moved).contains("channel AR: what was offered"));
}
