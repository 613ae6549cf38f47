//! A model of two encoder layers: as large as minutes at the pins allow.

use board::Options;
use safetensors::tensor::Dtype;
use serde_json::json;
use systole::backend::Place;
use systole::cpu::CpuBackend;
use systole::embed::{EmbedOptions, Embedder};
use systole_tests::full;
use tempfile::TempDir;

use crate::bench::{Plugged, awake, nothing};
use crate::tiny;

const WIDTH: usize = 64;
const INNER: usize = 128;
const LAYERS: usize = 2;
/// Bytes of the weights of all layers in int8.
const WEIGHT_BYTES: u64 = (LAYERS * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER)) as u64;

/// Shapes of a model as small as [`tiny::shapes`] in all but its layers.
fn shapes() -> Vec<(String, Vec<usize>)> {
    let mut shapes = vec![];
    let mut tensor = |name: &str, shape: Vec<usize>| shapes.push((name.to_string(), shape));
    for (name, rows) in [
        ("word", 6),
        ("position", tiny::POSITIONS),
        ("token_type", 2),
    ] {
        tensor(
            &format!("embeddings.{name}_embeddings.weight"),
            vec![rows, WIDTH],
        );
    }
    let mut pair = |name: &str, weight: Vec<usize>| {
        let bias = weight[0];
        tensor(&format!("{name}.weight"), weight);
        tensor(&format!("{name}.bias"), vec![bias]);
    };
    pair("embeddings.LayerNorm", vec![WIDTH]);
    for layer in 0..LAYERS {
        let at = |part: &str| format!("encoder.layer.{layer}.{part}");
        for part in ["self.query", "self.key", "self.value", "output.dense"] {
            pair(&at(&format!("attention.{part}")), vec![WIDTH, WIDTH]);
        }
        pair(&at("attention.output.LayerNorm"), vec![WIDTH]);
        pair(&at("intermediate.dense"), vec![INNER, WIDTH]);
        pair(&at("output.dense"), vec![WIDTH, INNER]);
        pair(&at("output.LayerNorm"), vec![WIDTH]);
    }
    shapes
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = tiny::config();
    for (key, value) in [
        ("hidden_size", WIDTH),
        ("intermediate_size", INNER),
        ("num_hidden_layers", LAYERS),
    ] {
        config[key] = json!(value);
    }
    let path = folder.path();
    tiny::put(path, "config.json", config.to_string());
    tiny::put(path, "tokenizer.json", tiny::tokenizer().to_string());
    let weights = tiny::weights(&shapes(), Dtype::F32);
    tiny::put(path, "model.safetensors", weights);
    folder
}

#[test]
fn two_layers_embed_through_the_pins() {
    if !full() {
        return;
    }
    let (folder, cache) = (folder(), tempfile::tempdir().expect("a folder"));
    let mut embedder =
        Embedder::load_with_cache(folder.path(), cache.path(), &mut |_, _| ()).expect("a model");
    let mut embed = |backend: &mut dyn systole::backend::Backend| {
        let done = embedder.embed(&["a b c", "c"], EmbedOptions::default(), backend);
        done.expect("it embeds")
    };
    let on_cpu = embed(&mut CpuBackend::new(1));
    let mut plugged = Plugged::new(awake(&Options::default()), nothing());
    let mut backend = plugged.backend();
    let done = embed(&mut backend);
    for node in &done.nodes {
        assert_eq!(node.place, Place::Device, "{}: {}", node.name, node.reason);
    }
    assert_eq!(done.vectors, on_cpu.vectors);
    assert_eq!(backend.faults(), 0);
    let traffic = backend.transport().traffic().expect("it is on a line");
    // Weights travel once for both texts.
    assert_eq!(traffic.card_memory_bytes, WEIGHT_BYTES);
    drop(backend);
    let mut device = plugged.end();
    assert_eq!(device.board().usb().framing_errors(), 0);
    println!("{} cycles, {traffic:?}", device.board().cycles());
}
