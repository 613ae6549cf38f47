//! Quantised models in the cache: safetensors files that are checked before they are believed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use isa::numerics::{ColumnParam, Dyadic};
use safetensors::tensor::{Dtype, SafeTensors};
use xxhash_rust::xxh3::Xxh3;

use super::sealed::{self, Seal, Tensor, seal};
use super::{Kind, Part, QuantisedLayer, QuantisedLinear, QuantisedModel, SCHEME};
use crate::matmul::{Layout, Weights};
use crate::model::{Config, Model, ModelError, Norm, cache};

/// Version of the file's layout.
const FORMAT: &str = "2";

/// Hash of everything that a quantised model depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Key of `model` quantised with the sentences of `calibration`.
    ///
    /// # Errors
    /// When a file of the model cannot be read.
    pub fn of(model: &Model, calibration: &str) -> Result<Self, ModelError> {
        let mut hash = Xxh3::new();
        for part in [FORMAT, SCHEME, calibration] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        for name in [
            "config.json",
            "sentence_bert_config.json",
            "tokenizer.json",
            "model.safetensors",
        ] {
            hash_file(&model.folder().join(name), &mut hash)?;
        }
        Ok(Self(format!("{:032x}", hash.digest128())))
    }

    /// Where the quantised model lies in the folder `cache`.
    pub fn path(&self, cache: &Path) -> PathBuf {
        cache
            .join("quantised")
            .join(format!("{}.safetensors", self.0))
    }
}

/// Adds a file's length and bytes, read in pieces so that they do not stay in memory. An absent
/// file counts as empty.
fn hash_file(path: &Path, hash: &mut Xxh3) -> Result<(), ModelError> {
    let io = |source| ModelError::Io {
        path: path.into(),
        source,
    };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            hash.update(&0u64.to_le_bytes());
            return Ok(());
        }
        Err(error) => return Err(io(error)),
    };
    hash.update(&file.metadata().map_err(io)?.len().to_le_bytes());
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer).map_err(io)? {
            0 => return Ok(()),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// Writes a quantised model.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, key: &Key, model: &QuantisedModel) -> Result<(), ModelError> {
    let mut tensors = BTreeMap::new();
    for (index, layer) in model.layers.iter().enumerate() {
        let mut put = |name: &str, dtype, shape: Vec<usize>, bytes| {
            let tensor = Tensor {
                dtype,
                shape,
                bytes,
            };
            tensors.insert(format!("{index}.{name}"), tensor);
        };
        for (name, linear) in linears(layer) {
            // The cache keeps what calibration gives: one part, dense.
            let part = &linear.parts[0];
            let shape = vec![part.weights.n(), part.weights.k()];
            let weights = part
                .weights
                .values()
                .iter()
                .map(|value| *value as u8)
                .collect();
            put(&format!("{name}.weights"), Dtype::I8, shape, weights);
            let columns = &part.columns;
            let multipliers = columns
                .iter()
                .flat_map(|it| it.scale.multiplier.to_le_bytes());
            let multipliers = multipliers.collect();
            put(
                &format!("{name}.multipliers"),
                Dtype::U16,
                vec![columns.len()],
                multipliers,
            );
            let shifts = columns.iter().map(|it| it.scale.shift).collect();
            put(
                &format!("{name}.shifts"),
                Dtype::U8,
                vec![columns.len()],
                shifts,
            );
            let biases = columns
                .iter()
                .flat_map(|it| it.bias.to_le_bytes())
                .collect();
            put(
                &format!("{name}.biases"),
                Dtype::I32,
                vec![columns.len()],
                biases,
            );
        }
        for (name, values) in floats(layer) {
            let bytes = values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            put(&name, Dtype::F32, vec![values.len()], bytes);
        }
    }
    let texts = BTreeMap::from([("key", key.0.clone())]);
    let bytes =
        seal(&tensors, &texts).map_err(|error| ModelError::malformed(path, error.to_string()))?;
    cache::write_whole(path, &bytes)
}

/// Reads a quantised model; `None` if the file is absent, damaged, or of another model or layout,
/// so that it must be made anew.
pub fn read(path: &Path, key: &Key, config: &Config) -> Option<QuantisedModel> {
    let bytes = std::fs::read(path).ok()?;
    if sealed::check(&bytes) != Seal::Whole {
        return None;
    }
    let (_, metadata) = SafeTensors::read_metadata(&bytes).ok()?;
    if metadata.metadata().as_ref()?.get("key") != Some(&key.0) {
        return None;
    }
    let tensors = SafeTensors::deserialize(&bytes).ok()?;
    let layers = (0..config.layers).map(|index| read_layer(&tensors, index, config));
    Some(QuantisedModel {
        layers: layers.collect::<Option<_>>()?,
    })
}

fn linears(layer: &QuantisedLayer) -> [(&'static str, &QuantisedLinear); 4] {
    Kind::ALL.map(|kind| (kind.file_name(), layer.linear(kind)))
}

/// All floats of a layer by name.
fn floats(layer: &QuantisedLayer) -> Vec<(String, &[f32])> {
    let mut list: Vec<(String, &[f32])> = vec![
        ("score_unit".into(), std::slice::from_ref(&layer.score_unit)),
        (
            "context_unit".into(),
            std::slice::from_ref(&layer.context_unit),
        ),
    ];
    for (name, linear) in linears(layer) {
        list.push((format!("{name}.factors"), &linear.factors));
        list.push((format!("{name}.units"), &linear.units));
    }
    for (name, norm) in [
        ("attention_norm", &layer.attention_norm),
        ("output_norm", &layer.output_norm),
    ] {
        list.push((format!("{name}.gain"), &norm.gain));
        list.push((format!("{name}.offset"), &norm.offset));
    }
    list
}

fn read_layer(tensors: &SafeTensors<'_>, index: usize, config: &Config) -> Option<QuantisedLayer> {
    let bytes = |name: &str, dtype, count: usize| {
        let view = tensors.tensor(&format!("{index}.{name}")).ok()?;
        let size = view.shape().iter().product::<usize>();
        (view.dtype() == dtype && size == count).then_some(view.data().to_vec())
    };
    let floats = |name: &str, count| -> Option<Vec<f32>> {
        let bytes = bytes(name, Dtype::F32, count)?;
        Some(
            bytes
                .as_chunks::<4>()
                .0
                .iter()
                .map(|it| f32::from_le_bytes(*it))
                .collect(),
        )
    };
    let linear = |kind: Kind, outputs: usize, inputs: usize| -> Option<QuantisedLinear> {
        let name = kind.file_name();
        let weights = bytes(&format!("{name}.weights"), Dtype::I8, outputs * inputs)?;
        let weights: Vec<i8> = weights.into_iter().map(|value| value as i8).collect();
        let multipliers = bytes(&format!("{name}.multipliers"), Dtype::U16, outputs)?;
        let shifts = bytes(&format!("{name}.shifts"), Dtype::U8, outputs)?;
        let biases = bytes(&format!("{name}.biases"), Dtype::I32, outputs)?;
        let scales = multipliers
            .as_chunks::<2>()
            .0
            .iter()
            .zip(shifts)
            .map(|(bytes, shift)| Dyadic {
                multiplier: u16::from_le_bytes(*bytes),
                shift,
            });
        let biases = biases
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bytes| i32::from_le_bytes(*bytes));
        let columns = scales
            .zip(biases)
            .map(|(scale, bias)| ColumnParam { scale, bias })
            .collect();
        let part = Part {
            node: kind.whole(),
            weights: Weights::new(inputs, outputs, Layout::Transposed, weights),
            columns,
        };
        Some(QuantisedLinear {
            parts: vec![part],
            factors: floats(&format!("{name}.factors"), inputs)?,
            units: floats(&format!("{name}.units"), outputs)?,
        })
    };
    let norm = |name: &str| -> Option<Norm> {
        Some(Norm {
            gain: floats(&format!("{name}.gain"), config.hidden)?,
            offset: floats(&format!("{name}.offset"), config.hidden)?,
            epsilon: config.epsilon,
        })
    };
    let Config {
        hidden,
        intermediate,
        ..
    } = *config;
    Some(QuantisedLayer {
        qkv: linear(Kind::Qkv, 3 * hidden, hidden)?,
        score_unit: floats("score_unit", 1)?[0],
        context_unit: floats("context_unit", 1)?[0],
        attention_output: linear(Kind::AttentionOutput, hidden, hidden)?,
        attention_norm: norm("attention_norm")?,
        ffn_in: linear(Kind::FfnIn, intermediate, hidden)?,
        ffn_out: linear(Kind::FfnOut, hidden, intermediate)?,
        output_norm: norm("output_norm")?,
    })
}
