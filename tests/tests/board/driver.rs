//! The driver works through the wires of the board.

use std::collections::BTreeMap;

use board::Options;
use isa::config::Config;
use sim::memory::MemoryOptions;
use sim::serial::SerialRtl;
use systole::backend::{Backend, Place};
use systole::cpu::CpuBackend;
use systole::device::DeviceBackend;
use systole::embed::{EmbedOptions, Embedder, Embeddings};
use systole_tests::product::Product;

use crate::bench::{Plugged, awake, nothing};
use crate::tiny;

/// Counters of what is done, not of the time that it takes.
const OF_WORK: [&str; 6] = [
    "load.busy",
    "load.weights",
    "array.busy",
    "store.busy",
    "read.lines",
    "write.lines",
];

/// Embeds with a model of one encoder layer.
fn embed(backend: &mut dyn Backend) -> Embeddings {
    let (folder, cache) = (tiny::folder(), tempfile::tempdir().expect("a folder"));
    let mut embedder =
        Embedder::load_with_cache(folder.path(), cache.path(), &mut |_, _| ()).expect("a model");
    let options = EmbedOptions {
        digests: true,
        ..EmbedOptions::default()
    };
    let done = embedder.embed(&["a b c"], options, backend);
    done.expect("it embeds")
}

/// A product and the embedding of a text, both on the card; gives what it counted.
fn work(backend: &mut DeviceBackend) -> BTreeMap<&'static str, u64> {
    Product::new(2, (5, 9, 7)).run_on_card(backend);
    let on_cpu = embed(&mut CpuBackend::new(1));
    let done = embed(backend);
    for node in &done.nodes {
        assert_eq!(node.place, Place::Device, "{}: {}", node.name, node.reason);
    }
    assert_eq!(done.vectors, on_cpu.vectors);
    assert_eq!(done.digests, on_cpu.digests);
    assert!(done.digests.is_some());
    assert_eq!(backend.faults(), 0);
    backend.counters().iter().collect()
}

#[test]
fn a_model_embeds_through_the_pins_as_through_bytes() {
    let mut plugged = Plugged::new(awake(&Options::default()), nothing());
    let mut backend = plugged.backend();
    let counted = work(&mut backend);
    let traffic = backend.transport().traffic().expect("it is on a line");
    drop(backend);
    let mut device = plugged.end();
    let board = device.board();
    assert_eq!(board.usb().framing_errors(), 0);
    assert!(board.memory().refreshes() > board.cycles() / 640, "late");
    println!("{} cycles, {traffic:?}", board.cycles());

    // The same card without a board: no UART, no SDRAM, no pins.
    let card = SerialRtl::open(&Config::with_array(4, 4), &MemoryOptions::default());
    let mut plugged = Plugged::with(card.expect("the card builds"));
    let other = work(&mut plugged.backend());
    plugged.end();
    for name in OF_WORK {
        assert_eq!(counted[name], other[name], "{name}");
        assert!(counted[name] > 0, "{name}");
    }
}
