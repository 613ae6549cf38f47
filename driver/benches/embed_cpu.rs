//! Speed of whole sentences of all-MiniLM-L6-v2 on the CPU, one thread, by their tokens.
//!
//! Fetches the model on first use. `tests/reference/embed_reference.py --time` prints what ONNX
//! Runtime takes for the same lengths.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use systole::cpu::{CpuBackend, Kernels};
use systole::embed::{EmbedOptions, Embedder};
use systole::model::fetch::KnownModel;

/// Tokens of a sentence, the two special ones included.
const LENGTHS: [usize; 4] = [16, 64, 128, 256];

fn benches(criterion: &mut Criterion) {
    let model = KnownModel::find("minilm").expect("it is known");
    let folder = model.fetch().expect("the model can be fetched");
    let mut embedder = Embedder::load(&folder, &mut |_, _| ()).expect("the model loads");
    for tokens in LENGTHS {
        let mut group = criterion.benchmark_group(format!("{tokens} tokens"));
        // One token a word, two around them.
        let text = ["pump"].repeat(tokens - 2).join(" ");
        for kernels in Kernels::available() {
            let mut backend = CpuBackend::with_kernels(1, kernels);
            group.bench_function(kernels.name(), |bencher| {
                bencher.iter(|| {
                    let texts = black_box([text.as_str()]);
                    let options = EmbedOptions::default();
                    let made = embedder.embed(&texts, options, &mut backend);
                    let made = made.expect("the sentence embeds");
                    assert_eq!(made.tokens, [tokens]);
                    made
                });
            });
        }
        group.finish();
    }
}

criterion_group!(embed, benches);
criterion_main!(embed);
