//! Writing quantised models.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::Dtype;

use super::pack::{pack, present};
use super::{CONFIG, HEADER, Header, Product, TOKENIZER, VERSION};
use crate::encoding::Encoding;
use crate::matmul::{Layout, Weights};
use crate::model::{Model, ModelError};
use crate::output;
use crate::quant::sealed::{Tensor, seal};
use crate::quant::{Kind, Part, QuantisedLayer, QuantisedModel};

/// Tensors and what the header says of them.
#[derive(Default)]
struct Content {
    tensors: BTreeMap<String, Tensor>,
    products: BTreeMap<String, Product>,
}

/// Writes `quantised`, which was made of `model` by what `scheme` says, with all that is needed to
/// use it, and gives the size of the file.
///
/// # Errors
/// When a file of the model cannot be read, or the file cannot be written.
pub fn write(
    path: &Path,
    model: &Model,
    quantised: &QuantisedModel,
    scheme: &str,
) -> Result<u64, ModelError> {
    let mut content = Content::default();
    content.embeddings(model)?;
    for (index, layer) in quantised.layers.iter().enumerate() {
        content.layer(index, layer);
    }
    let Content { tensors, products } = content;
    let header = Header {
        version: VERSION,
        scheme: scheme.into(),
        limit: model.tokenizer.limit(),
        lower_case: model.tokenizer.lower_case(),
        pooling: model.pooling,
        products,
    };
    let unwritable = |reason: String| ModelError::malformed(path, reason);
    let header = serde_json::to_string(&header).map_err(|error| unwritable(error.to_string()))?;
    let mut texts = BTreeMap::from([(HEADER, header)]);
    for name in [CONFIG, TOKENIZER] {
        let file = model.folder().join(name);
        let text = std::fs::read_to_string(&file)
            .map_err(|source| ModelError::Io { path: file, source })?;
        texts.insert(name, text);
    }
    let bytes = seal(&tensors, &texts).map_err(|error| unwritable(error.to_string()))?;
    output::write(path, |file| file.write_all(&bytes)).map_err(ModelError::Write)?;
    Ok(bytes.len() as u64)
}

impl Content {
    fn put(&mut self, name: String, dtype: Dtype, shape: Vec<usize>, bytes: Vec<u8>) {
        self.tensors.insert(
            name,
            Tensor {
                dtype,
                shape,
                bytes,
            },
        );
    }

    fn floats(&mut self, name: String, values: &[f32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        let bytes = bytes.collect();
        self.put(name, Dtype::F32, vec![values.len()], bytes);
    }

    /// Copies what the encoder needs before its first layer.
    fn embeddings(&mut self, model: &Model) -> Result<(), ModelError> {
        let config = &model.config;
        let hidden = config.hidden;
        for (name, shape) in [
            ("word_embeddings.weight", vec![config.vocabulary, hidden]),
            ("position_embeddings.weight", vec![config.positions, hidden]),
            (
                "token_type_embeddings.weight",
                vec![config.token_types, hidden],
            ),
            ("LayerNorm.weight", vec![hidden]),
            ("LayerNorm.bias", vec![hidden]),
        ] {
            let name = format!("embeddings.{name}");
            let bytes = model.bert.tensors().bytes(&name, Dtype::F32, &shape)?;
            let bytes = bytes.to_vec();
            self.put(name, Dtype::F32, shape, bytes);
        }
        Ok(())
    }

    fn layer(&mut self, index: usize, layer: &QuantisedLayer) {
        let name = |rest: &str| format!("layer.{index}.{rest}");
        for kind in Kind::ALL {
            let linear = layer.linear(kind);
            let file_name = kind.file_name();
            self.floats(name(&format!("{file_name}.factors")), &linear.factors);
            self.floats(name(&format!("{file_name}.units")), &linear.units);
            for part in &linear.parts {
                self.part(&part.node.of_layer(index), part);
            }
        }
        self.floats(name("score_unit"), &[layer.score_unit]);
        self.floats(name("context_unit"), &[layer.context_unit]);
        for (kind, norm) in [
            ("attention_norm", &layer.attention_norm),
            ("output_norm", &layer.output_norm),
        ] {
            self.floats(name(&format!("{kind}.gain")), &norm.gain);
            self.floats(name(&format!("{kind}.offset")), &norm.offset);
        }
    }

    fn part(&mut self, name: &str, part: &Part) {
        let n = part.columns.len();
        let columns = &part.columns;
        let bytes = |values: Vec<[u8; 2]>| values.concat();
        let multipliers = columns
            .iter()
            .map(|it| it.scale.multiplier.to_le_bytes())
            .collect();
        self.put(
            format!("{name}.multipliers"),
            Dtype::U16,
            vec![n],
            bytes(multipliers),
        );
        let shifts = columns.iter().map(|it| it.scale.shift).collect();
        self.put(format!("{name}.shifts"), Dtype::U8, vec![n], shifts);
        let biases = columns.iter().flat_map(|it| it.bias.to_le_bytes());
        let biases = biases.collect();
        self.put(format!("{name}.biases"), Dtype::I32, vec![n], biases);
        let encoding = match part.weights.encoding() {
            Some(encoding) => Cow::Borrowed(encoding),
            None => Cow::Owned(plain(&part.weights)),
        };
        self.encoding(name, &encoding);
    }

    fn encoding(&mut self, name: &str, encoding: &Encoding) {
        let codes = present(encoding).map(|at| encoding.codes[at] as u8);
        let codes = pack(codes, encoding.bits);
        self.put(format!("{name}.codes"), Dtype::U8, vec![codes.len()], codes);
        if let Some(indices) = &encoding.indices {
            let indices = pack(present(encoding).map(|at| indices[at]), 2);
            let shape = vec![indices.len()];
            self.put(format!("{name}.indices"), Dtype::U8, shape, indices);
        }
        if encoding.group > 0 {
            let shape = vec![encoding.k.div_ceil(encoding.group), encoding.n];
            let scales = encoding.scales.clone();
            self.put(format!("{name}.scales"), Dtype::U8, shape, scales);
        }
        if let Some(blocks) = &encoding.blocks {
            let bitmap = blocks.bitmap.clone();
            self.put(
                format!("{name}.blocks"),
                Dtype::U8,
                vec![bitmap.len()],
                bitmap,
            );
        }
        let product = Product {
            bits: encoding.bits,
            group: encoding.group,
            two_four: encoding.indices.is_some(),
            block: encoding.blocks.as_ref().map(|it| [it.k, it.n]),
        };
        self.products.insert(name.into(), product);
    }
}

/// Dense int8 weights as an encoding of eight bits.
fn plain(weights: &Weights) -> Encoding {
    let (k, n) = (weights.k(), weights.n());
    let values = weights.values();
    let codes = match weights.layout() {
        Layout::RowMajor => values.to_vec(),
        Layout::Transposed => (0..k)
            .flat_map(|row| values.iter().skip(row).step_by(k).copied())
            .collect(),
    };
    Encoding {
        k,
        n,
        bits: 8,
        codes,
        indices: None,
        group: 0,
        scales: Vec::new(),
        blocks: None,
    }
}
