//! What cards leave behind in this process: nothing. A test of its own, because it counts what the
//! whole process holds.

#![cfg(feature = "sim")]

mod road;

use std::sync::Arc;
use std::time::Duration;

use systole::device::Options;

use road::{Product, Server, backend, local, on_card};

/// Open descriptors and mappings of this process.
fn held() -> (usize, usize) {
    let descriptors = std::fs::read_dir("/proc/self/fd").expect("Linux").count();
    let mappings = std::fs::read_to_string("/proc/self/maps").expect("Linux");
    (descriptors, mappings.lines().count())
}

#[test]
fn a_thousand_cards_in_a_row_leave_nothing_behind() {
    let mut server = Server::start();
    let product = Product::new(3);
    let round = || {
        let transport = local();
        let dma = Arc::clone(transport.function().dma());
        let mut here = backend(transport, Options::default());
        on_card(&product.run(&mut here));
        assert!(!dma.is_empty());
        drop(here);
        assert!(dma.is_empty(), "the card still reaches memory");
        let mut there = backend(server.open(), Options::default());
        on_card(&product.run(&mut there));
    };
    (0..10).for_each(|_| round());
    let before = held();
    (0..1000).for_each(|_| round());
    let mut after = held();
    // The server, a thread of this process, lets go of its last client after that has ended.
    for _ in 0..1000 {
        if after.0 <= before.0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
        after = held();
    }
    assert!(after.0 <= before.0, "descriptors: {before:?}, {after:?}");
    // The allocator and threads that end may hold a few more or less.
    assert!(after.1 < before.1 + 50, "mappings: {before:?}, {after:?}");
    server.end();
}
