//! The quantised encoder and the float one against embeddings that ONNX Runtime computed in fp32
//! (`tests/reference/embed_reference.py`), on sentences that calibration never saw.
//!
//! Needs the model: `systole model fetch minilm`, or this test fetches it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use systole::cpu::{CpuBackend, Kernels};
use systole::embed::{EmbedOptions, Embedder, cosine};
use systole::model::fetch::KnownModel;
use systole::model::{TooLong, float};
use systole::quant::{CALIBRATION, COMPRESSION};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/data")
        .join(name)
}

fn sentences() -> Vec<String> {
    let text = std::fs::read_to_string(data("eval_sentences.txt")).expect("the file is there");
    text.lines().map(String::from).collect()
}

fn reference() -> Vec<Vec<f32>> {
    let bytes = std::fs::read(data("minilm_fp32.safetensors")).expect("the file is there");
    let tensors = SafeTensors::deserialize(&bytes).expect("it is a safetensors file");
    let tensor = tensors
        .tensor("embeddings")
        .expect("it holds the embeddings");
    let width = tensor.shape()[1];
    let values: Vec<f32> = tensor
        .data()
        .as_chunks::<4>()
        .0
        .iter()
        .map(|it| f32::from_le_bytes(*it))
        .collect();
    values.chunks_exact(width).map(<[f32]>::to_vec).collect()
}

fn embedder() -> Embedder {
    let model = KnownModel::find("minilm").expect("it is known");
    let folder = model.fetch().expect("the model can be fetched");
    Embedder::load(&folder, &mut |_, _| ()).expect("the model loads")
}

/// Similarities of all pairs.
fn pairs(vectors: &[Vec<f32>]) -> Vec<f64> {
    let row = |first: usize| {
        vectors[first + 1..]
            .iter()
            .map(move |second| cosine(&vectors[first], second))
    };
    (0..vectors.len()).flat_map(row).collect()
}

/// Rank correlation; values of this many digits have no ties worth a correction.
fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let ranks = |values: &[f64]| {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
        let mut ranks = vec![0.0; values.len()];
        order
            .into_iter()
            .enumerate()
            .for_each(|(rank, index)| ranks[index] = rank as f64);
        ranks
    };
    let squares: f64 = ranks(a)
        .iter()
        .zip(ranks(b))
        .map(|(a, b)| (a - b) * (a - b))
        .sum();
    let count = a.len() as f64;
    1.0 - 6.0 * squares / (count * (count * count - 1.0))
}

/// Mean and smallest cosine to the reference, and the rank correlation of similarities.
fn compare(name: &str, vectors: &[Vec<f32>], reference: &[Vec<f32>]) -> (f64, f64, f64) {
    let cosines: Vec<f64> = vectors
        .iter()
        .zip(reference)
        .map(|(a, b)| cosine(a, b))
        .collect();
    let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
    let least = cosines.iter().copied().fold(1.0, f64::min);
    let spearman = spearman(&pairs(vectors), &pairs(reference));
    println!(
        "{name}: {} sentences, cosine mean {mean:.5} min {least:.5}, Spearman {spearman:.5}",
        cosines.len()
    );
    (mean, least, spearman)
}

#[test]
fn the_evaluation_is_fair() {
    let sentences = sentences();
    assert!(sentences.len() >= 120);
    let calibration: HashSet<&str> = CALIBRATION.lines().chain(COMPRESSION.lines()).collect();
    assert!(
        sentences
            .iter()
            .all(|sentence| !calibration.contains(sentence.as_str()))
    );
}

#[test]
fn quantised_embeddings_are_near_the_float_ones() {
    let sentences = sentences();
    let embeddings = embedder()
        .embed(&sentences, EmbedOptions::default(), &mut CpuBackend::new(2))
        .expect("sentences embed");
    let (mean, least, spearman) = compare("int8", &embeddings.vectors, &reference());
    assert!(mean >= 0.996 && least >= 0.98 && spearman >= 0.993);
}

/// Mean and smallest cosine and rank correlation of the model under a plan, and its weights over those
/// in eight bits.
fn under(plan: &str) -> ((f64, f64, f64), f64) {
    let mut embedder = embedder();
    let rules = plan.parse().expect("it is a plan");
    embedder
        .apply(&rules, COMPRESSION, &mut |_| ())
        .expect("the plan can be applied");
    let embeddings = embedder
        .embed(
            &sentences(),
            EmbedOptions::default(),
            &mut CpuBackend::new(2),
        )
        .expect("sentences embed");
    let quantised = embedder.quantised();
    let part = quantised.weight_bytes() as f64 / quantised.weights() as f64;
    (compare(plan, &embeddings.vectors, &reference()), part)
}

#[test]
fn four_bits_with_groups_and_feedback_keep_the_meaning() {
    let ((mean, least, spearman), part) = under("w4g32-gptq");
    assert!(mean >= 0.985 && least >= 0.93 && spearman >= 0.98);
    assert!(part <= 0.532);
    // Feedback is what makes them good.
    let ((nearest, ..), same) = under("w4g32");
    assert!(nearest < mean - 0.005 && same == part);
}

#[test]
fn two_of_four_queries_and_keys_keep_the_meaning() {
    let ((mean, least, _), part) = under("w8,2:4-sparsegpt@query,2:4-sparsegpt@key");
    assert!(mean >= 0.985 && least >= 0.92);
    assert!(part <= 0.938);
}

#[test]
fn the_float_encoder_is_the_reference() {
    let embedder = embedder();
    let model = embedder.model();
    let texts = model
        .tokenize(&sentences(), TooLong::Refuse)
        .expect("sentences are short");
    let vectors = float::embed(model, &texts).expect("the model runs");
    let (_, least, _) = compare("fp32", &vectors, &reference());
    assert!(least >= 1.0 - 1e-5);
}

#[test]
fn neither_the_batch_nor_kernels_nor_threads_show() {
    let sentences: Vec<String> = sentences().into_iter().step_by(3).collect();
    let mut embedder = embedder();
    let options = EmbedOptions {
        digests: true,
        ..EmbedOptions::default()
    };
    let together = embedder
        .embed(&sentences, options, &mut CpuBackend::new(1))
        .expect("sentences embed");
    for (index, sentence) in sentences.iter().enumerate().step_by(4) {
        let alone = embedder
            .embed(&[sentence], options, &mut CpuBackend::new(1))
            .expect("the sentence embeds");
        assert_eq!(alone.vectors[0], together.vectors[index], "{sentence}");
    }
    for kernels in Kernels::available() {
        let other = embedder
            .embed(
                &sentences,
                options,
                &mut CpuBackend::with_kernels(3, kernels),
            )
            .expect("sentences embed");
        assert_eq!(other.digests, together.digests, "{}", kernels.name());
        assert_eq!(other.vectors, together.vectors, "{}", kernels.name());
    }
}
