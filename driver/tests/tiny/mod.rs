//! A small model that works, made by hand.

use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Width of the model.
pub const HIDDEN: usize = 8;
/// Width of the feed-forward part.
pub const INNER: usize = 12;
/// Most tokens of a text.
pub const POSITIONS: usize = 10;

/// `config.json`.
pub fn config() -> Value {
    json!({
        "model_type": "bert", "architectures": ["BertModel"], "hidden_act": "gelu",
        "hidden_size": HIDDEN, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": INNER, "vocab_size": 6, "max_position_embeddings": POSITIONS,
        "type_vocab_size": 2, "layer_norm_eps": 1e-12,
    })
}

/// `tokenizer.json`: the words `a`, `b`, `c`, and `far`, which the model does not have.
pub fn tokenizer() -> Value {
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1],
        },
        "decoder": null,
        "model": {
            "type": "WordLevel", "unk_token": "[UNK]",
            "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3, "b": 4, "c": 5, "far": 6},
        },
    })
}

/// Names and shapes of all tensors.
pub fn shapes() -> Vec<(String, Vec<usize>)> {
    let mut shapes = vec![
        (
            "embeddings.word_embeddings.weight".to_string(),
            vec![6, HIDDEN],
        ),
        (
            "embeddings.position_embeddings.weight".to_string(),
            vec![POSITIONS, HIDDEN],
        ),
        (
            "embeddings.token_type_embeddings.weight".to_string(),
            vec![2, HIDDEN],
        ),
    ];
    let mut pair = |name: &str, weight: Vec<usize>, bias: usize| {
        shapes.push((format!("{name}.weight"), weight));
        shapes.push((format!("{name}.bias"), vec![bias]));
    };
    pair("embeddings.LayerNorm", vec![HIDDEN], HIDDEN);
    let layer = "encoder.layer.0";
    for part in ["query", "key", "value"] {
        pair(
            &format!("{layer}.attention.self.{part}"),
            vec![HIDDEN, HIDDEN],
            HIDDEN,
        );
    }
    pair(
        &format!("{layer}.attention.output.dense"),
        vec![HIDDEN, HIDDEN],
        HIDDEN,
    );
    pair(
        &format!("{layer}.attention.output.LayerNorm"),
        vec![HIDDEN],
        HIDDEN,
    );
    pair(
        &format!("{layer}.intermediate.dense"),
        vec![INNER, HIDDEN],
        INNER,
    );
    pair(
        &format!("{layer}.output.dense"),
        vec![HIDDEN, INNER],
        HIDDEN,
    );
    pair(&format!("{layer}.output.LayerNorm"), vec![HIDDEN], HIDDEN);
    shapes
}

/// A safetensors file of these tensors, with values that are all different.
pub fn weights(shapes: &[(String, Vec<usize>)], dtype: Dtype) -> Vec<u8> {
    weights_with(shapes, dtype, |_| None)
}

/// As [`weights`], but tensors for which `fixed` has a value hold nothing else.
pub fn weights_with(
    shapes: &[(String, Vec<usize>)],
    dtype: Dtype,
    fixed: impl Fn(&str) -> Option<f32>,
) -> Vec<u8> {
    let mut state = 1u32;
    let mut value = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let data: Vec<Vec<u8>> = shapes
        .iter()
        .map(|(name, shape)| {
            (0..shape.iter().product())
                .map(|_| (value(), fixed(name)))
                .flat_map(|(drawn, fixed)| fixed.unwrap_or(drawn).to_le_bytes())
                .collect()
        })
        .collect();
    let views = shapes.iter().zip(&data).map(|((name, shape), data)| {
        (
            name,
            TensorView::new(dtype, shape.clone(), data).expect("sizes fit"),
        )
    });
    safetensors::serialize(views, None).expect("tensors serialise")
}

/// A small model that works.
pub fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    put(folder.path(), "config.json", config().to_string());
    put(folder.path(), "tokenizer.json", tokenizer().to_string());
    put(
        folder.path(),
        "model.safetensors",
        weights(&shapes(), Dtype::F32),
    );
    folder
}

/// Writes a file of the model.
pub fn put(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("it can be made");
    std::fs::write(path, content).expect("the file can be written");
}
