//! Quantised models: encoded weights give what their dense meaning gives, files give back what was
//! written, and whatever is wrong with a file, the answer is a sentence and no panic.

mod tiny;

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use proptest::prelude::*;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use systole::cpu::CpuBackend;
use systole::embed::{EmbedOptions, Embedder, Embeddings, Origin};
use systole::matmul::{Layout, Weights};
use systole::model::Model;
use systole::quant::mixed::Step;
use systole::quant::scheme::{Plan, Rounding};
use systole::quant::{self, Kind, Node, QuantisedModel, Runner};
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_128;

const TEXT: &str = "a b\nc\na b c a\nb b\na c b";

/// Every kind of encoding in one model; the last rules split the fused projection.
const PLAN: &str = "w4g32-gptq,w3@attention.output,2:4-sparsegpt@ffn.in,\
                    w5g64-gptq+2:4+block4x4=0.5@ffn.out,2:4@layer.0.query,block4x4=0.5@layer.0.key";

fn model() -> (TempDir, Embedder) {
    let folder = tiny::folder();
    let cache = folder.path().join("cache");
    let embedder = Embedder::load_with_cache(folder.path(), &cache, &mut |_, _| ());
    (folder, embedder.expect("it loads"))
}

fn quantised(plan: &str) -> (TempDir, Embedder) {
    let (folder, mut embedder) = model();
    let plan = plan.parse().expect("it is a plan");
    embedder
        .apply(&plan, TEXT, &mut |_| ())
        .expect("it can be applied");
    (folder, embedder)
}

fn embed(embedder: &mut Embedder) -> Embeddings {
    let options = EmbedOptions {
        digests: true,
        ..EmbedOptions::default()
    };
    embedder
        .embed(&["a b", "c a c", "b"], options, &mut CpuBackend::new(1))
        .expect("texts embed")
}

fn nodes(embeddings: &Embeddings) -> Vec<&str> {
    embeddings
        .nodes
        .iter()
        .map(|node| node.name.as_str())
        .collect()
}

#[test]
fn only_what_is_split_has_other_names() {
    let whole = embed(&mut quantised("w4g32-gptq").1);
    assert_eq!(nodes(&whole), nodes(&embed(&mut model().1)));
    let split = embed(&mut quantised("2:4@query").1);
    assert_eq!(
        nodes(&split)[..3],
        [
            "layer.0.attention.query",
            "layer.0.attention.key",
            "layer.0.attention.value"
        ]
    );
}

#[test]
fn a_split_projection_in_eight_bits_gives_the_same_bits() {
    let (_folder, before) = model();
    let (_other, after) = quantised("w4@query");
    let whole = &before.quantised().layers[0].qkv;
    let parts = &after.quantised().layers[0].qkv.parts;
    let (k, n) = (tiny::HIDDEN, tiny::HIDDEN);
    assert_eq!(parts.len(), 3);
    for (index, node) in [(1, Node::Key), (2, Node::Value)] {
        let part = &parts[index];
        assert_eq!(part.node, node);
        assert_eq!(
            part.columns,
            whole.parts[0].columns[index * n..(index + 1) * n]
        );
        assert_eq!(whole.parts[0].weights.layout(), Layout::Transposed);
        assert_eq!(part.weights.layout(), Layout::RowMajor);
        for (column, row) in (0..n).flat_map(|column| (0..k).map(move |row| (column, row))) {
            let expected = whole.parts[0].weights.values()[(index * n + column) * k + row];
            assert_eq!(part.weights.values()[row * n + column], expected);
        }
    }
}

/// The token vectors that `quantised` gives.
fn vectors(model: &Model, quantised: &QuantisedModel) -> Vec<f32> {
    let texts = model
        .tokenize(&["a b", "c a c"], Default::default())
        .expect("texts are short");
    let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
    let input = model.bert.embed(&texts).expect("tokens are known");
    let mut cpu = CpuBackend::new(1);
    let mut runner = Runner::new(&mut cpu, false);
    quant::forward(quantised, &model.config, input, &lengths, &mut runner).expect("it runs")
}

#[test]
fn encoded_weights_give_what_their_dense_meaning_gives() {
    let folder = tiny::folder();
    let model = Model::open(folder.path()).expect("it opens");
    let calibrated = quant::calibrate(&model, TEXT, &mut |_| ()).expect("it calibrates");
    let plan = PLAN.parse().expect("it is a plan");
    let mut quantised =
        quant::apply(&model, &calibrated, &plan, TEXT, &mut |_| ()).expect("it can be applied");
    let expected = vectors(&model, &quantised);
    let mut encoded = 0;
    for kind in Kind::ALL {
        for part in &mut quantised.layers[0].linear_mut(kind).parts {
            let Some(encoding) = part.weights.encoding() else {
                continue;
            };
            assert_eq!(encoding.view().check(), Ok(()));
            let dense = encoding.dense().expect("it was checked");
            part.weights = Weights::new(encoding.k, encoding.n, Layout::RowMajor, dense);
            encoded += 1;
        }
    }
    assert_eq!(encoded, 6);
    assert_eq!(vectors(&model, &quantised), expected);
}

#[test]
fn a_plan_leaves_nothing_of_the_plan_before() {
    let (folder, mut embedder) = quantised("w4");
    for plan in ["w8", PLAN, "w3@query", "w8@query", "w8"] {
        let rules = plan.parse().expect("it is a plan");
        embedder
            .apply(&rules, TEXT, &mut |_| ())
            .expect("it can be applied");
        let (_other, mut fresh) = quantised(plan);
        assert_eq!(embedder.scheme(), fresh.scheme());
        assert_eq!(embed(&mut embedder).digests, embed(&mut fresh).digests);
        let files = [&embedder, &fresh].map(|it| {
            let path = folder.path().join("written");
            it.write(&path).expect("it can be written");
            Parts::read(&path).tensors
        });
        assert_eq!(files[0], files[1], "{plan}");
    }
    assert_eq!(embed(&mut embedder).vectors, embed(&mut model().1).vectors);
}

#[test]
fn a_search_starts_from_eight_bits_whatever_was_applied() {
    let mut found = [model(), quantised("w2")].map(|(_folder, mut embedder)| {
        let before = embed(&mut embedder).digests;
        let goal = "bytes=60%".parse().expect("it is a goal");
        let candidates = ["w8", "w4"].map(|it| it.parse().expect("it is a scheme"));
        let found = embedder
            .search(goal, &candidates, TEXT, &mut |_| ())
            .expect("it can be reached");
        assert_eq!(embed(&mut embedder).digests, before);
        let losses = found.items.into_iter().map(|item| item.losses);
        (found.plan, found.cosine, losses.collect::<Vec<_>>())
    });
    let [fresh, applied] = &mut found;
    assert_eq!(fresh, applied);
}

#[test]
fn a_search_says_how_far_it_is_and_what_cannot_be_before_it_begins() {
    let (_folder, mut embedder) = model();
    let candidates = ["w8", "w4"].map(|it| it.parse().expect("it is a scheme"));
    let mut search = |goal: &str| {
        let mut steps = Vec::new();
        let goal = goal.parse().expect("it is a goal");
        let found = embedder.search(goal, &candidates, TEXT, &mut |step| steps.push(step));
        (found.map_err(|error| error.to_string()), steps)
    };
    let (found, steps) = search("bytes=60%");
    assert!(found.is_ok());
    let mut expected = vec![Step::Start];
    expected.extend((0..=6).map(|done| Step::Measured(done, 6)));
    expected.extend([Step::Tried(1, 0, 1), Step::Tried(1, 1, 1)]);
    assert_eq!(steps, expected);
    // Half a byte a weight is the least, and exactly that can be had.
    assert!(search("bytes=50%").0.is_ok());
    let (found, steps) = search("bytes=49.9%");
    let error = found.expect_err("it is too little");
    assert!(
        error.contains("224 bytes, 50.0 % of those of w8"),
        "{error}"
    );
    assert_eq!(steps, []);
    let (found, steps) = search("accuracy=0.9999999999");
    let error = found.expect_err("it is too much");
    assert!(error.contains("eight bits everywhere reach"), "{error}");
    assert_eq!(steps, [Step::Start]);
}

#[test]
fn a_plan_that_fails_midway_leaves_the_model_as_it_was() {
    let (_folder, mut embedder) = quantised("w4");
    let before = embed(&mut embedder);
    // The last product to be quantised is the first that cannot be.
    let mut plan: Plan = "w3,2:4-sparsegpt@ffn.out".parse().expect("it is a plan");
    plan.rules[1].scheme.rounding = Rounding::Nearest;
    let error = embedder.apply(&plan, TEXT, &mut |_| ());
    let error = error.expect_err("the scheme makes no sense").to_string();
    assert!(error.contains("sparsegpt finds codes by gptq"), "{error}");
    assert_eq!(embedder.scheme(), "w4");
    assert_eq!(embed(&mut embedder).digests, before.digests);
}

#[test]
fn files_give_back_what_was_written() {
    for plan in ["w8", "w7", "w4g32-gptq", "w2+2:4", "block4x4=0.75", PLAN] {
        let (folder, mut embedder) = quantised(plan);
        let path = folder.path().join("written.safetensors");
        embedder.write(&path).expect("it can be written");
        let expected = embed(&mut embedder);
        // Nothing but the file is left.
        let alone = tempfile::tempdir().expect("a folder can be made");
        let moved = alone.path().join("m.safetensors");
        std::fs::copy(&path, &moved).expect("it can be copied");
        drop(folder);
        let mut read = Embedder::load(&moved, &mut |_, _| ()).expect("it can be read");
        assert_eq!(read.origin(), &Origin::File);
        assert_eq!(read.scheme(), embedder.scheme());
        assert_eq!(
            read.quantised().weight_bytes(),
            embedder.quantised().weight_bytes()
        );
        let found = embed(&mut read);
        assert_eq!(found.digests, expected.digests, "{plan}");
        assert_eq!(found.vectors, expected.vectors, "{plan}");
    }
}

#[test]
fn bits_are_packed() {
    // 8x24 weights of the fused projection, 8x8, 8x12 and 12x8.
    let weights = 192 + 64 + 96 + 96;
    for (plan, bytes) in [
        ("w8", weights),
        ("w5", weights * 5 / 8),
        ("w4g32", weights / 2 + 24 + 8 + 12 + 8),
        ("2:4", weights / 2 + weights / 8),
        ("block4x4=0.5", weights / 2 + 2 + 1 + 1 + 1),
    ] {
        let (_folder, embedder) = quantised(plan);
        assert_eq!(embedder.quantised().weight_bytes(), bytes as u64, "{plan}");
    }
}

/// What the header of a file begins with.
const OPENING: &str = r#"{"__metadata__":{"checksum":""#;

/// A file taken apart.
struct Parts {
    metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
}

impl Parts {
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).expect("it was written");
        let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("it is whole");
        let tensors = SafeTensors::deserialize(&bytes).expect("it is whole");
        let part = |(name, view): (String, TensorView<'_>)| {
            (
                name,
                (view.dtype(), view.shape().to_vec(), view.data().to_vec()),
            )
        };
        Self {
            metadata: metadata
                .metadata()
                .clone()
                .expect("there is some")
                .into_iter()
                .collect(),
            tensors: tensors.tensors().into_iter().map(part).collect(),
        }
    }

    /// Writes them with the checksum that they ask for, as the format is described, tensors in the
    /// order of their names.
    fn write(&self, path: &Path) {
        let mut bytes = self.unsealed(&"0".repeat(32));
        let digits = 8 + OPENING.len()..8 + OPENING.len() + 32;
        let all = [&bytes[..digits.start], &bytes[digits.end..]].concat();
        let checksum = format!("{:032x}", xxh3_128(&all));
        bytes[digits].copy_from_slice(checksum.as_bytes());
        std::fs::write(path, bytes).expect("it can be written");
    }

    /// As [`Self::write`], with the checksum of the file that was read.
    fn write_unsealed(&self, path: &Path) {
        let bytes = self.unsealed(&self.metadata["checksum"]);
        std::fs::write(path, bytes).expect("it can be written");
    }

    fn unsealed(&self, checksum: &str) -> Vec<u8> {
        let mut header = format!("{OPENING}{checksum}\"");
        for (name, text) in &self.metadata {
            if name != "checksum" {
                header += &format!(",{}:{}", json!(name), json!(text));
            }
        }
        header += "}";
        let mut data = Vec::new();
        for (name, (dtype, shape, bytes)) in &self.tensors {
            let offsets = [data.len(), data.len() + bytes.len()];
            let info = json!({"dtype": dtype, "shape": shape, "data_offsets": offsets});
            header += &format!(",{}:{info}", json!(name));
            data.extend(bytes);
        }
        header += "}";
        let length = header.len() as u64;
        [&length.to_le_bytes(), header.as_bytes(), &data].concat()
    }

    fn header(&mut self, change: impl FnOnce(&mut Value)) {
        let text = self.metadata.get_mut("systole").expect("it is there");
        let mut header = serde_json::from_str(text).expect("it is JSON");
        change(&mut header);
        *text = header.to_string();
    }

    fn product(&mut self, name: &str, key: &str, value: Value) {
        self.header(|header| header["products"][name][key] = value);
    }

    fn bytes(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.tensors.get_mut(name).expect("it is there").2
    }

    /// Takes the last byte of a list away.
    fn shorten(&mut self, name: &str) {
        let (_, shape, bytes) = self.tensors.get_mut(name).expect("it is there");
        bytes.pop();
        shape[0] -= 1;
    }
}

fn written() -> (TempDir, PathBuf) {
    let (folder, embedder) = quantised(PLAN);
    let path = folder.path().join("model.safetensors.q");
    embedder.write(&path).expect("it can be written");
    (folder, path)
}

fn refusal(path: &Path) -> String {
    let error = Embedder::load(path, &mut |_, _| ()).expect_err("it is malformed");
    error.to_string()
}

type Change = fn(&mut Parts);

/// A value that could have been written: only the checksum tells.
#[test]
fn plausible_changes_are_told_by_the_checksum() {
    let replaced = |it: &mut Parts, name: &str, from: &str, to: &str| {
        let text = it.metadata.get_mut(name).expect("it is there");
        assert!(text.contains(from), "no {from} in {text}");
        *text = text.replace(from, to);
    };
    let changes: [&dyn Fn(&mut Parts); 9] = [
        &|it| it.bytes("layer.0.attention.query.biases")[0] ^= 1,
        &|it| it.bytes("layer.0.attention.value.scales")[0] ^= 1,
        &|it| it.bytes("embeddings.word_embeddings.weight")[0] ^= 1,
        &|it| replaced(it, "config.json", "1e-12", "5e-12"),
        &|it| {
            replaced(
                it,
                "config.json",
                r#""num_attention_heads":2"#,
                r#""num_attention_heads":4"#,
            )
        },
        &|it| replaced(it, "tokenizer.json", r#""b":4"#, r#""b":5"#),
        &|it| replaced(it, "tokenizer.json", r#""c":5"#, r#""q":5"#),
        &|it| it.header(|it| it["limit"] = json!(9)),
        &|it| it.header(|it| it["lower_case"] = json!(true)),
    ];
    let (folder, path) = written();
    let broken = folder.path().join("broken");
    // What is rewritten with nothing changed is understood, whatever the order of its tensors.
    Parts::read(&path).write(&broken);
    assert!(Embedder::load(&broken, &mut |_, _| ()).is_ok());
    for (number, change) in changes.into_iter().enumerate() {
        let mut parts = Parts::read(&path);
        change(&mut parts);
        parts.write_unsealed(&broken);
        let sentence = refusal(&broken);
        let words = [
            "damaged",
            "its checksum differs; write it again with `systole quantize`",
        ];
        for word in words {
            assert!(sentence.contains(word), "case {number}: {sentence}");
        }
    }
    let bytes = std::fs::read(&path).expect("it is there");
    let mut other = bytes.clone();
    // A name of as many letters: there is no checksum then.
    let name = 8 + OPENING.len() - "checksum\":\"".len();
    other[name..name + 8].copy_from_slice(b"checkers");
    std::fs::write(&broken, other).expect("it can be written");
    assert!(refusal(&broken).contains("does not begin with a checksum"));
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    let bytes = |_| {
        let (_folder, path) = written();
        std::fs::read(path).expect("it is there")
    };
    let files: Vec<Vec<u8>> = (0..8).map(bytes).collect();
    assert!(files.iter().all(|file| *file == files[0]));
    // The header says how long it is, ends where values are aligned, and the checksum is that of the
    // description.
    let file = &files[0];
    let length = u64::from_le_bytes(*file.first_chunk().expect("it is long")) as usize;
    assert!(length.is_multiple_of(8));
    let digits = 8 + OPENING.len()..8 + OPENING.len() + 32;
    let all = [&file[..digits.start], &file[digits.end..]].concat();
    assert_eq!(&file[8..digits.start], OPENING.as_bytes());
    assert_eq!(file[digits], *format!("{:032x}", xxh3_128(&all)).as_bytes());
}

#[test]
fn files_that_are_cut_off_or_of_another_kind_say_so() {
    let (folder, path) = written();
    let broken = folder.path().join("broken");
    let bytes = std::fs::read(&path).expect("it is there");
    let size = bytes.len();
    let refuses = |bytes: &[u8], words: &str| {
        std::fs::write(&broken, bytes).expect("it can be written");
        let sentence = refusal(&broken);
        let common = ["not a whole safetensors file", "systole quantize"];
        for word in common.iter().chain([&words]) {
            assert!(sentence.contains(word), "no `{word}` in: {sentence}");
        }
    };
    for length in [0, 7] {
        refuses(&bytes[..length], &format!("{length} bytes are too few"));
    }
    for length in [8, 100] {
        refuses(&bytes[..length], &format!("but {} follow", length - 8));
    }
    for length in [size - 300, size - 1] {
        let words = format!("it is cut off, {length} of its {size} bytes are there");
        refuses(&bytes[..length], &words);
    }
    refuses(&[&bytes[..], b"abc"].concat(), "3 bytes follow its end");
    let mut garbled = bytes.clone();
    garbled[8] = b'[';
    refuses(&garbled, "its table of contents is damaged");
    refuses(b"this is a text and no model at all", "of another kind");
}

#[test]
fn a_flipped_bit_in_any_byte_is_seen() {
    let (_folder, path) = written();
    let bytes = std::fs::read(&path).expect("it is there");
    let file = std::fs::File::options().write(true).open(&path);
    let file = file.expect("it can be changed");
    for (at, byte) in bytes.iter().enumerate() {
        let put = |byte: u8| {
            let written = file.write_all_at(&[byte], at as u64);
            written.expect("it can be changed");
        };
        put(byte ^ 1 << (at % 8));
        let read = Embedder::load(&path, &mut |_, _| ());
        assert!(read.is_err(), "bit {} of byte {at}", at % 8);
        put(*byte);
    }
    assert!(Embedder::load(&path, &mut |_, _| ()).is_ok());
}

#[test]
fn malformed_files_are_refused_with_the_tensor_and_the_place() {
    const VALUE: &str = "layer.0.attention.value";
    const OUT: &str = "layer.0.ffn.out";
    let cases: Vec<(Change, &[&str])> = vec![
        (
            |it| it.product(VALUE, "bits", json!(9)),
            &[VALUE, "weights of 9 bits"],
        ),
        (
            |it| it.product(VALUE, "bits", json!(1)),
            &[VALUE, "weights of 1 bits"],
        ),
        (
            |it| it.product(VALUE, "bits", json!(300)),
            &["malformed", "`systole` in its metadata", "300"],
        ),
        (
            |it| it.product(VALUE, "bits", json!(6)),
            &["layer.0.attention.value.codes", "[32]", "[48]"],
        ),
        (
            |it| it.product(VALUE, "group", json!(48)),
            &[VALUE, "groups of 48"],
        ),
        (
            |it| it.product(VALUE, "colour", json!(1)),
            &["`systole` in its metadata", "unknown field `colour`"],
        ),
        (
            |it| it.product(VALUE, "two_four", json!(true)),
            &["layer.0.attention.value.codes"],
        ),
        (
            |it| it.product(OUT, "block", json!([0, 4])),
            &[OUT, "blocks of 0x4"],
        ),
        (
            |it| it.product(OUT, "block", json!([4, 4097])),
            &[OUT, "blocks of 4x4097", "1 to 4096"],
        ),
        (
            |it| it.product(OUT, "block", json!([usize::MAX - 3, 4])),
            &[OUT, "1 to 4096"],
        ),
        (
            |it| it.product(OUT, "block", json!([6, 4])),
            &[OUT, "6 rows cut the fours"],
        ),
        (
            |it| drop(it.tensors.remove("layer.0.attention.value.scales")),
            &["tensor `layer.0.attention.value.scales` is missing"],
        ),
        (
            |it| drop(it.tensors.remove("layer.0.attention.query.indices")),
            &["tensor `layer.0.attention.query.indices` is missing"],
        ),
        (
            |it| it.bytes("layer.0.attention.query.indices")[0] |= 3,
            &[
                "tensor `layer.0.attention.query.indices`",
                "rows 0 to 3, column 0",
                "not ascending",
            ],
        ),
        (
            |it| it.shorten("layer.0.ffn.out.blocks"),
            &["layer.0.ffn.out.blocks", "[0]", "[1]"],
        ),
        (
            |it| it.bytes("layer.0.ffn.out.blocks")[0] |= 0xc0,
            &[
                "tensor `layer.0.ffn.out.blocks`",
                "bits beyond its last block",
            ],
        ),
        (
            |it| it.shorten("layer.0.ffn.in.codes"),
            &["layer.0.ffn.in.codes", "[47]", "[48]"],
        ),
        (
            |it| {
                it.tensors
                    .get_mut("layer.0.ffn.in.codes")
                    .expect("it is there")
                    .0 = Dtype::I8
            },
            &["malformed", "tensor `layer.0.ffn.in.codes` is I8", "U8"],
        ),
        (
            |it| it.bytes("layer.0.ffn.in.codes")[5] = 0x80,
            &["tensor `layer.0.ffn.in.codes`", "-128", "column"],
        ),
        (
            |it| it.bytes("layer.0.attention.query.shifts")[3] = 32,
            &["tensor `layer.0.attention.query.shifts` holds 32 at 3"],
        ),
        (
            |it| it.bytes("layer.0.qkv.units")[8..12].copy_from_slice(&(-1f32).to_le_bytes()),
            &["tensor `layer.0.qkv.units` holds -1 at 2"],
        ),
        (
            |it| it.bytes("layer.0.qkv.factors")[..4].copy_from_slice(&f32::NAN.to_le_bytes()),
            &["tensor `layer.0.qkv.factors`", "not a finite number"],
        ),
        (
            |it| drop(it.tensors.remove("layer.0.output_norm.gain")),
            &["tensor `layer.0.output_norm.gain` is missing"],
        ),
        (
            |it| it.header(|it| drop(it["products"].as_object_mut().expect("a map").remove(OUT))),
            &["says nothing of `layer.0.ffn.out`"],
        ),
        (
            |it| it.header(|it| it["version"] = json!(3)),
            &["version 3", "2 runs"],
        ),
        (
            |it| {
                let sum = json!("00");
                it.header(|it| (it["version"], it["checksum"]) = (json!(1), sum));
            },
            &["version 1", "2 runs"],
        ),
        (
            |it| drop(it.metadata.remove("systole")),
            &["no `systole`", "systole quantize"],
        ),
        (
            |it| drop(it.metadata.remove("tokenizer.json")),
            &["no `tokenizer.json`"],
        ),
        (
            |it| drop(it.metadata.insert("config.json".into(), "{".into())),
            &["malformed", "`config.json` in its metadata"],
        ),
        (
            |it| {
                let config = it.metadata.get_mut("config.json").expect("it is there");
                *config = config.replace("gelu", "gelv");
            },
            &["malformed", "`config.json` in its metadata", "gelv"],
        ),
        (
            |it| drop(it.metadata.insert("tokenizer.json".into(), "[]".into())),
            &["malformed", "`tokenizer.json` in its metadata"],
        ),
        (
            // A block more than codes were written for.
            |it| it.bytes("layer.0.ffn.out.blocks")[0] ^= 1,
            &[
                "tensor `layer.0.ffn.out.codes` has shape",
                "but `layer.0.ffn.out.blocks`, by the blocks that it counts, asks for",
            ],
        ),
        (
            |it| it.header(|it| it["limit"] = json!(2)),
            &["`tokenizer.json` in its metadata", "no room for text"],
        ),
    ];
    let (folder, path) = written();
    assert!(Embedder::load(&path, &mut |_, _| ()).is_ok());
    let broken = folder.path().join("broken");
    for (number, (change, words)) in cases.into_iter().enumerate() {
        let mut parts = Parts::read(&path);
        change(&mut parts);
        // Malformed by who wrote it; and changed since, so that the checksum tells too.
        for (sealed, more) in [(true, "systole quantize`"), (false, "its checksum differs")] {
            match sealed {
                true => parts.write(&broken),
                false => parts.write_unsealed(&broken),
            }
            let sentence = refusal(&broken);
            for word in words.iter().chain([&more]) {
                assert!(
                    sentence.contains(word),
                    "case {number}: `{word}` is not in: {sentence}"
                );
            }
            assert_eq!(sealed, !sentence.contains("checksum"), "{sentence}");
        }
    }
    // Bits beyond the last value: 8x8 weights of 3 bits fill their bytes, 6 of them do not.
    let mut parts = Parts::read(&path);
    parts.product("layer.0.attention.output", "bits", json!(2));
    parts.shorten("layer.0.attention.output.codes");
    parts.write(&broken);
    assert!(refusal(&broken).contains("layer.0.attention.output.codes"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Damage never panics and is always seen, in any bits, of the header and of the tensors.
    #[test]
    fn no_damage_panics_or_goes_unseen(
        places in prop::collection::vec((any::<prop::sample::Index>(), 0..8u8), 1..4),
        in_tensors in any::<bool>(),
    ) {
        static FILE: OnceLock<Vec<u8>> = OnceLock::new();
        let bytes = FILE.get_or_init(|| {
            let (_folder, path) = written();
            std::fs::read(path).expect("it is there")
        });
        let header = u64::from_le_bytes(*bytes.first_chunk().expect("it is long")) as usize + 8;
        let range = if in_tensors { header..bytes.len() } else { 0..header };
        let mut damaged = bytes.clone();
        for (place, change) in places {
            damaged[range.start + place.index(range.len())] ^= 1 << change;
        }
        prop_assume!(&damaged != bytes);
        let file = tempfile::NamedTempFile::new().expect("a file can be made");
        std::fs::write(file.path(), &damaged).expect("it can be written");
        let read = Embedder::load(file.path(), &mut |_, _| ());
        prop_assert!(read.is_err());
    }
}
