//! The model on the Verilated card and on the CPU: the same integers in every node, the same
//! embeddings.
#![cfg(feature = "sim")]

use isa::config::Config;
use systole::backend::{Backend, Place};
use systole::cpu::CpuBackend;
use systole::device::{DeviceBackend, Options};
use systole::embed::{EmbedOptions, Embedder, Embeddings};
use systole::model::fetch::KnownModel;
use systole::transport::SimTransport;

const TEXTS: [&str; 3] = [
    "Rivers carry sand to the sea.",
    "x",
    "¿Dónde está la biblioteca? 42 % of it, they said, burned in 1871.",
];

fn embed(embedder: &mut Embedder, backend: &mut dyn Backend) -> Embeddings {
    let options = EmbedOptions {
        digests: true,
        ..EmbedOptions::default()
    };
    embedder
        .embed(&TEXTS, options, backend)
        .expect("the texts embed")
}

#[test]
fn card_and_cpu_agree_node_by_node() {
    let folder = KnownModel::find("minilm")
        .expect("it is known")
        .fetch()
        .expect("it is fetched");
    let mut embedder = Embedder::load(&folder, &mut |_, _| ()).expect("the model loads");
    let card = SimTransport::open(&Config::default(), &sim::Options::default())
        .expect("the default card is there");
    let cpu = Box::new(CpuBackend::new(1));
    let mut card =
        DeviceBackend::new(Box::new(card), cpu, Options::default()).expect("the card starts");
    let on_card = embed(&mut embedder, &mut card);
    let on_cpu = embed(&mut embedder, &mut CpuBackend::new(1));
    let places: Vec<_> = on_card
        .nodes
        .iter()
        .filter(|it| it.place != Place::Device)
        .collect();
    assert!(
        places.is_empty(),
        "nodes that did not run on the card: {places:?}"
    );
    assert_eq!(card.faults(), 0);
    let (on_card_digests, on_cpu_digests) = (on_card.digests, on_cpu.digests);
    assert_eq!(
        on_card_digests.as_ref().map(|it| it.len()),
        Some(36),
        "six nodes in six layers"
    );
    assert_eq!(on_card_digests, on_cpu_digests, "integers of the nodes");
    assert_eq!(on_card.vectors, on_cpu.vectors, "embeddings");
}
