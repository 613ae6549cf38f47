//! Reading quantised models: everything is checked before it is believed.

use std::path::Path;

use isa::numerics::{ColumnParam, Dyadic};
use isa::weights::FormatError;
use safetensors::tensor::Dtype;

use super::pack::{present, signed, unpack};
use super::{CONFIG, HEADER, Header, Product, TOKENIZER, VERSION, Version};
use crate::encoding::{BlockMap, Encoding};
use crate::matmul::{Layout, Weights};
use crate::model::{
    Config, Model, ModelError, Norm, Source, Tensors, Tokenizer, WRITE_AGAIN, json,
};
use crate::quant::scheme::ZeroBlocks;
use crate::quant::sealed::{self, Seal};
use crate::quant::{Kind, Node, Part, QuantisedLayer, QuantisedLinear, QuantisedModel};

/// What is said when the checksum differs.
const CHANGED: &str = "it is damaged, or was changed after it was written: its checksum differs";

/// What a file holds: a model without layers, its layers, and the scheme that they were made by.
type Read = (Model, QuantisedModel, String);

/// Reads a quantised model, and the scheme that it was made by.
///
/// # Errors
/// When the file is missing, differs from what was written in any bit, or anything in it is missing,
/// malformed or contradicts the rest; the error names the tensor and, where there is one, the place
/// in it.
pub fn read(path: &Path) -> Result<Read, ModelError> {
    let tensors = Tensors::open(path, Source::Quantised)?;
    let seal = sealed::check(tensors.file());
    let malformed = |reason: String| {
        Err(ModelError::malformed(
            path,
            format!("{reason}; {WRITE_AGAIN}"),
        ))
    };
    match (understand(path, tensors), seal) {
        (Ok(read), Seal::Whole) => Ok(read),
        (Ok(_), Seal::Differs) => malformed(CHANGED.into()),
        (Ok(_), Seal::Absent) => {
            malformed("it does not begin with a checksum, by which damage is found".into())
        }
        (
            Err(ModelError::Malformed { reason, .. } | ModelError::Unsupported { reason, .. }),
            Seal::Differs,
        ) => malformed(format!("{reason} ({CHANGED})")),
        (Err(ModelError::Malformed { reason, .. }), _) => malformed(reason),
        (Err(ModelError::Unsupported { reason, .. }), _) => Err(ModelError::unsupported(
            path,
            format!("{reason}; {WRITE_AGAIN}"),
        )),
        (Err(error), _) => Err(error),
    }
}

/// Takes everything for what it says, whether or not it is what was written.
fn understand(path: &Path, tensors: Tensors) -> Result<Read, ModelError> {
    let text = |name: &str| {
        tensors.text(name).ok_or_else(|| {
            let reason = format!(
                "its metadata hold no `{name}`, as files of `systole quantize` do (of a float \
                 model, name the folder)"
            );
            ModelError::malformed(path, reason)
        })
    };
    let header = text(HEADER)?.as_bytes();
    let Version { version } = in_text(HEADER, json::parse(path, header))?;
    if version != VERSION {
        let reason = format!("version {version} of the layout, but {VERSION} runs");
        return Err(match version < VERSION {
            true => ModelError::malformed(path, format!("it is old: {reason}")),
            false => ModelError::unsupported(path, reason),
        });
    }
    let header: Header = in_text(HEADER, json::parse(path, header))?;
    let config = in_text(CONFIG, Config::parse(path, text(CONFIG)?))?;
    let limit = header.limit.min(config.positions);
    let tokenizer = text(TOKENIZER)?.as_bytes();
    let tokenizer = Tokenizer::parse(path, tokenizer, limit, header.lower_case);
    let tokenizer = in_text(TOKENIZER, tokenizer)?;
    let reader = Reader {
        tensors: &tensors,
        header: &header,
        config: &config,
    };
    let layers = (0..config.layers)
        .map(|index| reader.layer(index))
        .collect::<Result<_, _>>()?;
    let model = Model::of_file(path, config, header.pooling, tokenizer, tensors)?;
    Ok((model, QuantisedModel { layers }, header.scheme))
}

/// What was made of the text `name` of the metadata; errors name it. Nothing is written that is not
/// understood, so what a text asks for in vain is damage too.
fn in_text<T>(name: &str, made: Result<T, ModelError>) -> Result<T, ModelError> {
    made.map_err(|error| match error {
        ModelError::Malformed { path, reason } | ModelError::Unsupported { path, reason } => {
            ModelError::Malformed {
                path,
                reason: format!("`{name}` in its metadata: {reason}"),
            }
        }
        other => other,
    })
}

struct Reader<'a> {
    tensors: &'a Tensors,
    header: &'a Header,
    config: &'a Config,
}

impl Reader<'_> {
    fn malformed<T>(&self, reason: impl Into<String>) -> Result<T, ModelError> {
        Err(ModelError::malformed(self.tensors.path(), reason))
    }

    fn layer(&self, index: usize) -> Result<QuantisedLayer, ModelError> {
        let Config {
            hidden,
            intermediate,
            ..
        } = *self.config;
        Ok(QuantisedLayer {
            qkv: self.linear(index, Kind::Qkv, 3 * hidden, hidden)?,
            score_unit: self.positive(format!("layer.{index}.score_unit"), 1)?[0],
            context_unit: self.positive(format!("layer.{index}.context_unit"), 1)?[0],
            attention_output: self.linear(index, Kind::AttentionOutput, hidden, hidden)?,
            attention_norm: self.norm(index, "attention_norm")?,
            ffn_in: self.linear(index, Kind::FfnIn, intermediate, hidden)?,
            ffn_out: self.linear(index, Kind::FfnOut, hidden, intermediate)?,
            output_norm: self.norm(index, "output_norm")?,
        })
    }

    fn norm(&self, index: usize, name: &str) -> Result<Norm, ModelError> {
        let floats = |part: &str| {
            let name = format!("layer.{index}.{name}.{part}");
            self.tensors.read(&name, &[self.config.hidden])
        };
        Ok(Norm {
            gain: floats("gain")?,
            offset: floats("offset")?,
            epsilon: self.config.epsilon,
        })
    }

    /// Floats that must be above zero.
    fn positive(&self, name: String, count: usize) -> Result<Vec<f32>, ModelError> {
        let values = self.tensors.read(&name, &[count])?;
        match values.iter().position(|value| *value <= 0.0) {
            Some(at) => self.malformed(format!(
                "tensor `{name}` holds {} at {at}, which is not above zero",
                values[at]
            )),
            None => Ok(values),
        }
    }

    fn linear(
        &self,
        index: usize,
        kind: Kind,
        outputs: usize,
        inputs: usize,
    ) -> Result<QuantisedLinear, ModelError> {
        let known = |node: Node| self.header.products.get(&node.of_layer(index));
        let nodes = match known(kind.whole()) {
            Some(_) => vec![kind.whole()],
            None => kind.parts().to_vec(),
        };
        let n = outputs / nodes.len();
        let mut parts = Vec::with_capacity(nodes.len());
        for node in nodes {
            let Some(product) = known(node) else {
                let name = node.of_layer(index);
                return self.malformed(format!("its header says nothing of `{name}`"));
            };
            parts.push(self.part(index, node, product, inputs, n)?);
        }
        let name = |part: &str| format!("layer.{index}.{}.{part}", kind.file_name());
        Ok(QuantisedLinear {
            parts,
            factors: self.tensors.read(&name("factors"), &[inputs])?,
            units: self.positive(name("units"), outputs)?,
        })
    }

    fn part(
        &self,
        index: usize,
        node: Node,
        product: &Product,
        k: usize,
        n: usize,
    ) -> Result<Part, ModelError> {
        let name = node.of_layer(index);
        let encoding = self.encoding(&name, product, k, n)?;
        let dense = match encoding.dense() {
            Ok(dense) => dense,
            Err(error) => {
                let part = match error {
                    FormatError::Indices { .. } => "indices",
                    FormatError::BitmapTail => "blocks",
                    _ => "codes",
                };
                return self.malformed(format!("tensor `{name}.{part}`: {error}"));
            }
        };
        if let Some(at) = dense.iter().position(|weight| *weight == i8::MIN) {
            return self.malformed(format!(
                "tensor `{name}.codes`: the weight in row {}, column {} is -128, but none is below \
                 -127",
                at / n,
                at % n
            ));
        }
        let plain = product.bits == 8 && product.group == 0 && !product.two_four;
        let weights = match plain && product.block.is_none() {
            true => Weights::new(k, n, Layout::RowMajor, encoding.codes),
            false => match Weights::encoded(encoding) {
                Ok(weights) => weights,
                Err(error) => return self.malformed(format!("`{name}`: {error}")),
            },
        };
        Ok(Part {
            node,
            weights,
            columns: self.columns(&name, n)?,
        })
    }

    fn columns(&self, name: &str, n: usize) -> Result<Vec<ColumnParam>, ModelError> {
        let bytes = |part: &str, dtype| {
            let name = format!("{name}.{part}");
            self.tensors.bytes(&name, dtype, &[n])
        };
        let multipliers = bytes("multipliers", Dtype::U16)?.as_chunks::<2>().0;
        let shifts = bytes("shifts", Dtype::U8)?;
        let biases = bytes("biases", Dtype::I32)?.as_chunks::<4>().0;
        if let Some(at) = shifts.iter().position(|shift| *shift > Dyadic::MAX_SHIFT) {
            return self.malformed(format!(
                "tensor `{name}.shifts` holds {} at {at}, but shifts end at {}",
                shifts[at],
                Dyadic::MAX_SHIFT
            ));
        }
        let columns = multipliers.iter().zip(shifts).zip(biases);
        Ok(columns
            .map(|((multiplier, shift), bias)| ColumnParam {
                scale: Dyadic {
                    multiplier: u16::from_le_bytes(*multiplier),
                    shift: *shift,
                },
                bias: i32::from_le_bytes(*bias),
            })
            .collect())
    }

    fn encoding(
        &self,
        name: &str,
        product: &Product,
        k: usize,
        n: usize,
    ) -> Result<Encoding, ModelError> {
        let mut encoding = Encoding {
            k,
            n,
            bits: product.bits,
            codes: Vec::new(),
            indices: None,
            group: product.group,
            scales: Vec::new(),
            blocks: None,
        };
        let refuse = |error: FormatError| self.malformed(format!("`{name}`: {error}"));
        if !(2..=8).contains(&product.bits) {
            return refuse(FormatError::Bits(product.bits));
        }
        let bytes = |part: &str, shape: &[usize]| {
            let name = format!("{name}.{part}");
            self.tensors.bytes(&name, Dtype::U8, shape)
        };
        if product.group > 0 {
            if !isa::weights::GROUPS.contains(&product.group) {
                return refuse(FormatError::Group(product.group));
            }
            encoding.scales = bytes("scales", &[k.div_ceil(product.group), n])?.to_vec();
        }
        if let Some([rows, columns]) = product.block {
            let sides = 1..=ZeroBlocks::LARGEST;
            if !sides.contains(&rows) || !sides.contains(&columns) {
                return self.malformed(format!(
                    "`{name}`: blocks of {rows}x{columns} weights, but they have 1 to {} rows and \
                     columns",
                    ZeroBlocks::LARGEST
                ));
            }
            if product.two_four && !rows.is_multiple_of(4) {
                return self.malformed(format!(
                    "`{name}`: blocks of {rows} rows cut the fours of a 2:4 matrix"
                ));
            }
            let count = k.div_ceil(rows) * n.div_ceil(columns);
            encoding.blocks = Some(BlockMap {
                k: rows,
                n: columns,
                bitmap: bytes("blocks", &[count.div_ceil(8)])?.to_vec(),
            });
        }
        let rows = match product.two_four {
            true => k.div_ceil(4) * 2,
            false => k,
        };
        // Where nothing is stored there are zeros, and indices that are ascending.
        encoding.codes = vec![0; rows * n];
        if product.two_four {
            let row = |row: usize| std::iter::repeat_n((row % 2) as u8, n);
            encoding.indices = Some((0..rows).flat_map(row).collect());
        }
        let places: Vec<usize> = present(&encoding).collect();
        // Where blocks are left out, it is their bitmap that says how many values there are.
        let asker = match product.block {
            Some(_) => format!("`{name}.blocks`, by the blocks that it counts,"),
            None => "the file's header".into(),
        };
        let values = |part: &str, bits: u8| -> Result<Vec<u8>, ModelError> {
            let size = (places.len() * usize::from(bits)).div_ceil(8);
            let tensor = format!("{name}.{part}");
            let bytes = self
                .tensors
                .bytes_asked(&tensor, Dtype::U8, &[size], &asker)?;
            let (values, clean) = unpack(bytes, bits, places.len());
            match clean {
                true => Ok(values),
                false => {
                    self.malformed(format!("tensor `{tensor}` has bits beyond its last value"))
                }
            }
        };
        for (at, code) in places.iter().zip(values("codes", product.bits)?) {
            encoding.codes[*at] = signed(code, product.bits);
        }
        if let Some(indices) = &mut encoding.indices {
            for (at, index) in places.iter().zip(values("indices", 2)?) {
                indices[*at] = index;
            }
        }
        Ok(encoding)
    }
}
