//! The same work on every way to the card: the same integers, by the same device programs.

#![cfg(feature = "sim")]

mod road;
mod tiny;

use isa::config::Config;
use sim::{LinkOptions, RtlCard};
use systole::backend::Place;
use systole::cpu::CpuBackend;
use systole::device::{DeviceBackend, Options, Programs};
use systole::embed::{EmbedOptions, Embedder};
use systole::quant::NodeDigest;
use systole::transport::{
    FunctionTransport, LocalFunction, ModelTransport, SimTransport, Transport,
};

use road::{Product, Server, backend, local, on_card};

fn shape() -> Config {
    Config::with_array(4, 4)
}

fn linked() -> RtlCard {
    RtlCard::open(&shape(), &LinkOptions::default()).expect("the card builds")
}

/// What is left of work that was done on a card.
#[derive(Debug, PartialEq)]
struct Traces {
    vectors: Vec<Vec<f32>>,
    nodes: Vec<(String, NodeDigest)>,
    after_products: Programs,
    after_all: Programs,
}

/// Runs products, which are right, and a small model.
fn work(mut card: DeviceBackend, embedder: &mut Embedder) -> Traces {
    for seed in [1, 2, 1] {
        on_card(&Product::new(seed).run(&mut card));
    }
    let after_products = card.programs();
    let options = EmbedOptions {
        digests: true,
        ..EmbedOptions::default()
    };
    let texts = ["a b c", "c c a b a"];
    let done = embedder.embed(&texts, options, &mut card);
    let done = done.expect("the texts embed");
    let mut nodes = done.nodes.iter();
    assert!(nodes.all(|node| node.place == Place::Device));
    assert_eq!(card.faults(), 0);
    Traces {
        vectors: done.vectors,
        nodes: done.digests.into_iter().flatten().collect(),
        after_products,
        after_all: card.programs(),
    }
}

#[test]
fn programs_are_the_same_on_every_way_to_the_card() {
    let (model, cache) = (tiny::folder(), tempfile::tempdir().expect("a folder"));
    let mut embedder = Embedder::load_with_cache(model.path(), cache.path(), &mut |_, _| ())
        .expect("the model loads");
    let mut run = |transport: Box<dyn Transport>| {
        let cpu = Box::new(CpuBackend::new(1));
        let card = DeviceBackend::new(transport, cpu, Options::default());
        work(card.expect("the card starts"), &mut embedder)
    };
    // No RTL, no PCIe.
    let model = ModelTransport::new(shape()).expect("a shape of a card");
    let model = run(Box::new(model));
    assert_eq!(model.after_products.count, 3);
    assert!(model.after_all.count > 3);
    assert!(!model.nodes.is_empty());
    // The RTL behind AXI, in this process.
    let simulated = SimTransport::open(&shape(), &sim::Options::default()).expect("it builds");
    assert_eq!(run(Box::new(simulated)), model);
    // The RTL behind PCIe, in this process.
    let local = FunctionTransport::open(LocalFunction::new(linked(), "linked card"));
    assert_eq!(run(Box::new(local.expect("it opens"))), model);
    // The RTL behind PCIe and a socket.
    let mut server = Server::of(|| Box::new(linked()));
    assert_eq!(run(Box::new(server.open())), model);
    server.end();
}

#[test]
fn other_work_is_other_programs() {
    let server = Server::start();
    let [mut one, mut other] = [(); 2].map(|()| backend(local(), Options::default()));
    let mut two = backend(server.open(), Options::default());
    assert_eq!(one.programs(), two.programs());
    // Values and addresses are no matter of the program.
    on_card(&Product::new(1).run(&mut one));
    on_card(&Product::new(2).run(&mut two));
    assert_eq!(one.programs(), two.programs());
    on_card(&Product::new(2).run(&mut two));
    assert_ne!(one.programs(), two.programs());
    // One value more in each sum.
    on_card(&Product::of(1, (9, 41, 21)).run(&mut other));
    assert_eq!(other.programs().count, one.programs().count);
    assert_ne!(other.programs().digest, one.programs().digest);
}
