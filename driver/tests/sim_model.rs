//! The model on the Verilated card, on every road to it, and on the CPU: the same integers in every
//! node, the same embeddings, and on the roads the same programs.
#![cfg(feature = "sim")]

#[allow(dead_code, reason = "only its server is of use here")]
mod road;

use isa::config::Config;
use sim::{LinkOptions, RtlCard};
use systole::backend::{Backend, Place};
use systole::cpu::CpuBackend;
use systole::device::{DeviceBackend, Options, Programs};
use systole::embed::{EmbedOptions, Embedder, Embeddings};
use systole::model::fetch::KnownModel;
use systole::transport::{FunctionTransport, LocalFunction, SimTransport, Transport};

use road::Server;

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

fn linked() -> RtlCard {
    RtlCard::open(&Config::default(), &LinkOptions::default()).expect("the default card is there")
}

/// Embeds on a card alone; what came of it, and the programs that the card ran.
fn embed_on(embedder: &mut Embedder, transport: Box<dyn Transport>) -> (Embeddings, Programs) {
    let cpu = Box::new(CpuBackend::new(1));
    let mut card = DeviceBackend::new(transport, cpu, Options::default()).expect("the card starts");
    let done = embed(embedder, &mut card);
    let elsewhere: Vec<_> = done
        .nodes
        .iter()
        .filter(|it| it.place != Place::Device)
        .collect();
    assert!(
        elsewhere.is_empty(),
        "nodes that did not run on the card: {elsewhere:?}"
    );
    assert_eq!(card.faults(), 0);
    (done, card.programs())
}

#[test]
fn every_road_and_the_cpu_agree_node_by_node() {
    let folder = KnownModel::find("minilm")
        .expect("it is known")
        .fetch()
        .expect("it is fetched");
    let mut embedder = Embedder::load(&folder, &mut |_, _| ()).expect("the model loads");
    let on_cpu = embed(&mut embedder, &mut CpuBackend::new(1));
    assert_eq!(
        on_cpu.digests.as_ref().map(|it| it.len()),
        Some(36),
        "six nodes in six layers"
    );
    let plain = SimTransport::open(&Config::default(), &sim::Options::default())
        .expect("the default card is there");
    let local = FunctionTransport::open(LocalFunction::new(linked(), "linked card"));
    let mut server = Server::of(|| Box::new(linked()));
    let roads: [(&str, Box<dyn Transport>); 3] = [
        ("AXI", Box::new(plain)),
        ("PCIe", Box::new(local.expect("it opens"))),
        ("vfio-user", Box::new(server.open())),
    ];
    let mut first = None;
    for (road, transport) in roads {
        let (done, programs) = embed_on(&mut embedder, transport);
        assert_eq!(done.digests, on_cpu.digests, "{road}: integers of nodes");
        assert_eq!(done.vectors, on_cpu.vectors, "{road}: embeddings");
        assert!(programs.count > 0);
        assert_eq!(
            *first.get_or_insert(programs.clone()),
            programs,
            "{road}: programs"
        );
    }
    server.end();
}
