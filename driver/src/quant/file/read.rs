//! Reading quantised models: everything is checked before it is believed.

use std::path::Path;

use isa::numerics::{ColumnParam, Dyadic};
use isa::weights::FormatError;
use safetensors::tensor::Dtype;

use super::pack::{present, signed, unpack};
use super::{HEADER, Header, Product, VERSION, checksum};
use crate::encoding::{BlockMap, Encoding};
use crate::matmul::{Layout, Weights};
use crate::model::{Config, Model, ModelError, Norm, Tensors, Tokenizer, json};
use crate::quant::scheme::ZeroBlocks;
use crate::quant::{Kind, Node, Part, QuantisedLayer, QuantisedLinear, QuantisedModel};

/// Reads a quantised model, and the scheme that it was made by.
///
/// # Errors
/// When the file is missing, or anything in it is missing, malformed or contradicts the rest; the
/// error names the tensor and, where there is one, the place in it.
pub fn read(path: &Path) -> Result<(Model, QuantisedModel, String), ModelError> {
    let tensors = Tensors::open(path)?.asked_by("the file's header");
    let text = |name: &str| {
        tensors.text(name).ok_or_else(|| {
            let reason = format!(
                "its metadata hold no `{name}`; `systole quantize` writes files that can be used"
            );
            ModelError::malformed(path, reason)
        })
    };
    let header: Header = json::parse(path, text(HEADER)?.as_bytes())?;
    if header.version != VERSION {
        let reason = format!("version {} of its layout; {VERSION} runs", header.version);
        return Err(ModelError::unsupported(path, reason));
    }
    let config = Config::parse(path, text("config.json")?)?;
    let limit = header.limit.min(config.positions);
    let tokenizer = text("tokenizer.json")?.as_bytes();
    let tokenizer = Tokenizer::parse(path, tokenizer, limit, header.lower_case)?;
    let reader = Reader {
        tensors: &tensors,
        header: &header,
        config: &config,
    };
    let layers = (0..config.layers)
        .map(|index| reader.layer(index))
        .collect::<Result<_, _>>()?;
    let found = tensors.all();
    let found = found.iter().map(|(name, bytes)| (name.as_str(), *bytes));
    if checksum(found) != header.checksum {
        let reason = "its tensors are not those that were written: the checksum differs";
        return Err(ModelError::malformed(path, reason));
    }
    let model = Model::of_file(path, config, header.pooling, tokenizer, tensors)?;
    Ok((model, QuantisedModel { layers }, header.scheme))
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
        let values = |part: &str, bits: u8| -> Result<Vec<u8>, ModelError> {
            let size = (places.len() * usize::from(bits)).div_ceil(8);
            let (values, clean) = unpack(bytes(part, &[size])?, bits, places.len());
            match clean {
                true => Ok(values),
                false => self.malformed(format!(
                    "tensor `{name}.{part}` has bits beyond its last value"
                )),
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
