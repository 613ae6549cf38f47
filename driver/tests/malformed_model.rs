//! Whatever is wrong with a model's folder or a text, the answer is a sentence and no panic.

mod tiny;

use std::path::Path;

use safetensors::tensor::Dtype;
use serde_json::json;
use systole::cpu::CpuBackend;
use systole::embed::{EmbedError, EmbedOptions, Embedder, Embeddings};
use systole::model::{Model, TooLong};
use tiny::{HIDDEN, config, folder, put, shapes, tokenizer, weights, weights_with};

fn embed(folder: &Path, texts: &[&str], options: EmbedOptions) -> Result<Embeddings, EmbedError> {
    let cache = tempfile::tempdir().expect("a folder can be made");
    let mut embedder = Embedder::load_with_cache(folder, cache.path(), &mut |_, _| ())?;
    embedder.embed(texts, options, &mut CpuBackend::new(1))
}

/// Checks that loading or embedding `a b` fails with all of `words` in the sentence.
fn refuses(folder: &Path, words: &[&str]) {
    let error = embed(folder, &["a b"], EmbedOptions::default()).expect_err("it is malformed");
    let sentence = error.to_string();
    for word in words {
        assert!(sentence.contains(word), "`{word}` is not in: {sentence}");
    }
}

/// The working model with one file replaced.
fn refuses_with(name: &str, content: impl AsRef<[u8]>, words: &[&str]) {
    let folder = folder();
    put(folder.path(), name, content);
    refuses(folder.path(), words);
}

#[test]
fn the_small_model_works_with_both_kinds_of_names() {
    let plain = folder();
    let options = EmbedOptions::default();
    let expected = embed(plain.path(), &["a b", "c"], options).expect("the model works");
    assert_eq!(expected.vectors[0].len(), HIDDEN);
    let length: f32 = expected.vectors[0].iter().map(|value| value * value).sum();
    assert!((length - 1.0).abs() < 1e-6);

    let older = |name: String| {
        let name = name
            .replace("Norm.weight", "Norm.gamma")
            .replace("Norm.bias", "Norm.beta");
        format!("bert.{name}")
    };
    let names: Vec<_> = shapes()
        .into_iter()
        .map(|(name, shape)| (older(name), shape))
        .collect();
    let prefixed = folder();
    put(
        prefixed.path(),
        "model.safetensors",
        weights(&names, Dtype::F32),
    );
    let found = embed(prefixed.path(), &["a b", "c"], options).expect("the model works");
    // The tensors' order in the file differs, so their values do too; the shapes say enough.
    assert_eq!(found.vectors[1].len(), HIDDEN);
}

#[test]
fn missing_files_are_named() {
    refuses(
        Path::new("/nowhere/at/all"),
        &["/nowhere/at/all", "missing"],
    );
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let folder = folder();
        std::fs::remove_file(folder.path().join(name)).expect("it was there");
        refuses(folder.path(), &[name, "missing"]);
    }
}

#[test]
fn bad_json_is_an_error() {
    for name in [
        "config.json",
        "tokenizer.json",
        "modules.json",
        "sentence_bert_config.json",
    ] {
        for content in ["", "{", "[1, 2", "null", "\u{0}", "{\"a\": }"] {
            if name == "sentence_bert_config.json" && content == "null" {
                continue; // An absent object: as good as no file.
            }
            if name == "modules.json" && content == "null" {
                continue;
            }
            refuses_with(name, content, &[name, "malformed"]);
        }
    }
}

#[test]
fn configurations_that_make_no_sense_are_refused() {
    let cases = [
        ("model_type", json!("gpt2"), "gpt2"),
        ("hidden_act", json!("relu"), "relu"),
        (
            "position_embedding_type",
            json!("relative_key"),
            "relative_key",
        ),
        ("is_decoder", json!(true), "decoder"),
        ("num_attention_heads", json!(3), "divided"),
        ("num_attention_heads", json!(0), "num_attention_heads"),
        ("hidden_size", json!(0), "hidden_size"),
        ("hidden_size", json!(1u64 << 60), "hidden_size"),
        ("hidden_size", json!(-8), "malformed"),
        ("hidden_size", json!("8"), "malformed"),
        ("hidden_size", json!(16), "shape"),
        ("intermediate_size", json!(13), "shape"),
        ("num_hidden_layers", json!(2), "encoder.layer.1"),
        ("num_hidden_layers", json!(0), "num_hidden_layers"),
        ("num_hidden_layers", json!(1 << 24), "1..=1024"),
        ("vocab_size", json!(7), "shape"),
        ("max_position_embeddings", json!(2), "room"),
        ("max_position_embeddings", json!(11), "shape"),
        ("layer_norm_eps", json!(-1.0), "layer_norm_eps"),
        ("layer_norm_eps", json!(0.0), "layer_norm_eps"),
    ];
    for (field, value, word) in cases {
        let mut config = config();
        config[field] = value;
        refuses_with("config.json", config.to_string(), &[word]);
    }
    refuses_with("config.json", "{}", &["hidden_size"]);
}

#[test]
fn pooling_that_is_not_built_is_refused() {
    let modules = |kinds: &[&str]| {
        let module = |kind: &&str| json!({"path": "1_Pooling", "type": format!("x.{kind}")});
        json!(kinds.iter().map(module).collect::<Vec<_>>()).to_string()
    };
    let good = modules(&["Transformer", "Pooling"]);
    refuses_with("modules.json", &good, &["1_Pooling", "missing"]);
    let folder = folder();
    let pool_by = |modes: &str| put(folder.path(), "1_Pooling/config.json", modes);
    pool_by(r#"{"pooling_mode_mean_tokens": true}"#);
    let lists: [&[&str]; 7] = [
        &[],
        &["Pooling"],
        &["Transformer"],
        &["Transformer", "Pooling", "Dense"],
        &["Transformer", "Normalize", "Pooling"],
        &["Transformer", "Pooling", "Pooling"],
        &["Transformer", "Pooling", "Normalize", "Normalize"],
    ];
    for kinds in lists {
        put(folder.path(), "modules.json", modules(kinds));
        let last = kinds
            .last()
            .map_or("[]".into(), |kind| format!("x.{kind}]"));
        refuses(
            folder.path(),
            &["modules.json", "Systole does not have", &last],
        );
    }
    put(folder.path(), "modules.json", good);
    for mode in [
        "max_tokens",
        "mean_sqrt_len_tokens",
        "weightedmean_tokens",
        "lasttoken",
        "of_the_future",
    ] {
        let name = format!("pooling_mode_{mode}");
        for mean in [true, false] {
            pool_by(&json!({"pooling_mode_mean_tokens": mean, &name: true}).to_string());
            refuses(folder.path(), &["1_Pooling", &name]);
        }
    }
    pool_by("{}");
    refuses(folder.path(), &["pooling"]);
    let works = || embed(folder.path(), &["a b"], EmbedOptions::default());
    pool_by(r#"{"pooling_mode_cls_token": true, "pooling_mode_lasttoken": false, "x": 1}"#);
    let plain = works().expect("the first token can be taken");
    let length = |made: &Embeddings| -> f32 {
        let squares = made.vectors[0].iter().map(|value| value * value);
        squares.sum::<f32>().sqrt()
    };
    assert!((length(&plain) - 1.0).abs() > 1e-3);
    let whole = modules(&["Transformer", "Pooling", "Normalize"]);
    put(folder.path(), "modules.json", whole);
    let normalised = works().expect("it can be normalised");
    assert!((length(&normalised) - 1.0).abs() < 1e-6);
}

#[test]
fn small_letters_are_made_where_the_model_asks_for_them() {
    let folder = folder();
    let tokens = |config: &str| {
        put(folder.path(), "sentence_bert_config.json", config);
        let model = Model::open(folder.path()).expect("the model works");
        model
            .tokenize(&["A b C"], TooLong::Refuse)
            .expect("it has tokens")
    };
    assert_eq!(tokens("{}"), [[1, 0, 4, 0, 2]]);
    assert_eq!(tokens(r#"{"do_lower_case": false}"#), [[1, 0, 4, 0, 2]]);
    assert_eq!(tokens(r#"{"do_lower_case": true}"#), [[1, 3, 4, 5, 2]]);
}

#[test]
fn a_tokenizer_that_makes_no_sense_is_refused() {
    let template = |single| {
        let sequence = json!([{"Sequence": {"id": "A", "type_id": 0}}]);
        json!({
            "type": "TemplateProcessing", "single": [single, sequence[0]], "pair": sequence,
            "special_tokens": {},
        })
    };
    let charsmap = |map| json!({"type": "Precompiled", "precompiled_charsmap": map});
    // Each of these makes the library panic.
    let cases = [
        (
            "post_processor",
            template(json!({"SpecialToken": {"id": "[X]", "type_id": 0}})),
        ),
        (
            "post_processor",
            template(json!({"Sequence": {"id": "B", "type_id": 0}})),
        ),
        ("normalizer", charsmap("AAAAAA==")),
        ("normalizer", charsmap("BAAAAAEAAAAA")),
        ("pre_tokenizer", json!({"type": "FixedLength", "length": 0})),
    ];
    for (field, value) in cases {
        let mut tokenizer = tokenizer();
        tokenizer[field] = value;
        let words = ["tokenizer.json", "malformed", "broke off"];
        refuses_with("tokenizer.json", tokenizer.to_string(), &words);
    }
}

#[test]
fn sentences_for_calibration_are_not_told_as_texts_of_the_caller() {
    let mut no_unknown = tokenizer();
    no_unknown["model"]["unk_token"] = json!("[NOPE]");
    let words = ["tokenizer.json", "malformed", "calibration sentence 1"];
    refuses_with("tokenizer.json", no_unknown.to_string(), &words);

    let without = |pattern: &str| {
        let mut tokenizer = tokenizer();
        let pattern = json!({"Regex": pattern});
        tokenizer["normalizer"] = json!({"type": "Replace", "pattern": pattern, "content": ""});
        tokenizer.to_string()
    };
    refuses_with(
        "tokenizer.json",
        without(".+"),
        &["tokenizer.json", "no token"],
    );
    let folder = folder();
    put(folder.path(), "tokenizer.json", without("^T.*"));
    embed(folder.path(), &["a b"], EmbedOptions::default())
        .expect("a sentence without tokens is left out");
    let fails = embed(folder.path(), &["a", "T"], EmbedOptions::default());
    let sentence = fails.expect_err("the text is empty").to_string();
    assert!(sentence.contains("text 2 is empty"), "{sentence}");
}

#[test]
fn weights_that_are_too_large_never_give_a_vector_that_is_none() {
    let with = |name: &str, value: f32| {
        let folder = folder();
        let name = format!("encoder.layer.0.output.LayerNorm.{name}");
        let fixed = |tensor: &str| (tensor == name).then_some(value);
        let weights = weights_with(&shapes(), Dtype::F32, fixed);
        put(folder.path(), "model.safetensors", weights);
        folder
    };
    for (name, value) in [("weight", 3e38), ("bias", 3e38)] {
        refuses(
            with(name, value).path(),
            &["model.safetensors", "finite", "too large"],
        );
    }
    for (name, value) in [("weight", 1e20), ("weight", 1e30), ("bias", 1e30)] {
        let made = embed(with(name, value).path(), &["a b"], EmbedOptions::default());
        let vector = &made.expect("the values are finite").vectors[0];
        let length: f32 = vector.iter().map(|value| value * value).sum();
        assert!((length - 1.0).abs() < 1e-6, "{name} of {value}: {length}");
    }
}

#[test]
fn truncated_and_garbled_weights_are_refused() {
    let whole = weights(&shapes(), Dtype::F32);
    for size in (0..whole.len())
        .step_by(97)
        .chain([7, 8, 9, whole.len() - 1])
    {
        refuses_with("model.safetensors", &whole[..size], &["model.safetensors"]);
    }
    for header in [u64::MAX, 1 << 40, 3] {
        let mut garbled = whole.clone();
        garbled[..8].copy_from_slice(&header.to_le_bytes());
        refuses_with("model.safetensors", garbled, &["model.safetensors"]);
    }
    for garbled in [f32::NAN, f32::INFINITY] {
        let mut whole = whole.clone();
        // The file is sorted by name within a type, so its end is some tensor of a layer.
        let end = whole.len();
        whole[end - 4..].copy_from_slice(&garbled.to_le_bytes());
        refuses_with("model.safetensors", whole, &["not a finite number"]);
    }
}

#[test]
fn every_missing_or_misshapen_tensor_is_named() {
    for index in 0..shapes().len() {
        let mut shapes = shapes();
        let (name, _) = shapes.remove(index);
        refuses_with(
            "model.safetensors",
            weights(&shapes, Dtype::F32),
            &[&name, "missing"],
        );
        let mut shapes = tiny::shapes();
        shapes[index].1[0] += 1;
        refuses_with(
            "model.safetensors",
            weights(&shapes, Dtype::F32),
            &[&name, "shape"],
        );
    }
    refuses_with(
        "model.safetensors",
        weights(&shapes(), Dtype::I32),
        &["I32"],
    );
}

#[test]
fn texts_that_cannot_be_embedded_are_refused() {
    let folder = folder();
    let fails = |texts: &[&str], words: &[&str]| {
        let error = embed(folder.path(), texts, EmbedOptions::default()).expect_err("it is wrong");
        let sentence = error.to_string();
        assert!(
            words.iter().all(|word| sentence.contains(word)),
            "{sentence}"
        );
    };
    fails(&["a", ""], &["text 2", "empty"]);
    fails(&[" \n\t "], &["text 1", "empty"]);
    fails(&["a a a a a a a a a"], &["11 tokens", "at most 10"]);
    fails(&["a far b"], &["token 6", "vocabulary of 6"]);
    let options = EmbedOptions {
        too_long: TooLong::Truncate,
        ..EmbedOptions::default()
    };
    let long = embed(
        folder.path(),
        &["a a a a a a a a b c", "a a a a a a a a"],
        options,
    )
    .expect("it is truncated");
    assert_eq!(long.tokens, [10, 10]);
    assert_eq!(long.vectors[0], long.vectors[1]);
    let none = embed(folder.path(), &[], options).expect("no text is no mistake");
    assert!(none.vectors.is_empty());
}

#[test]
fn special_tokens_survive_truncation() {
    let folder = folder();
    let model = Model::open(folder.path()).expect("the model works");
    let ids = model
        .tokenize(&["a a a a a a a a a a"], TooLong::Truncate)
        .expect("it is cut");
    assert_eq!(ids[0], [1, 3, 3, 3, 3, 3, 3, 3, 3, 2]);
}

#[test]
fn a_damaged_cache_is_made_anew() {
    use systole::quant::{self, CALIBRATION, Key};

    let folder = folder();
    let model = Model::open(folder.path()).expect("the model works");
    let key = Key::of(&model, CALIBRATION).expect("files can be read");
    let other = Key::of(&model, "other sentences").expect("files can be read");
    assert_ne!(key, other);
    let quantised = quant::calibrate(&model, "a b\nc", &mut |_| ()).expect("it can be quantised");
    let path = folder.path().join("kept.safetensors");
    quant::write(&path, &key, &quantised).expect("it can be written");
    let kept = quant::read(&path, &key, &model.config).expect("it was written");
    let weights =
        |model: &quant::QuantisedModel| model.layers[0].qkv.parts[0].weights.values().to_vec();
    assert_eq!(weights(&kept), weights(&quantised));
    assert!(weights(&kept).iter().all(|weight| *weight != -128));
    assert!(quant::read(&path, &other, &model.config).is_none());

    let whole = std::fs::read(&path).expect("it is there");
    for _ in 0..4 {
        quant::write(&path, &key, &quantised).expect("it can be written");
        assert_eq!(std::fs::read(&path).expect("it is there"), whole);
    }
    for index in (0..whole.len()).step_by(31) {
        let mut damaged = whole.clone();
        damaged[index] ^= 0x10;
        std::fs::write(&path, &damaged).expect("it can be written");
        assert!(
            quant::read(&path, &key, &model.config).is_none(),
            "byte {index}"
        );
        std::fs::write(&path, &whole[..index]).expect("it can be written");
        assert!(
            quant::read(&path, &key, &model.config).is_none(),
            "cut at {index}"
        );
    }
}
