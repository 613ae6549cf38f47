//! Quantised models as files that stand alone: one safetensors file with the tokenizer, the
//! embeddings, and weights in as many bits as their schemes say.
//!
//! The metadata hold `config.json` and `tokenizer.json` as they were, under `systole` what
//! [`Header`] says, and a checksum of the whole file ([`super::sealed`]). The same model gives the
//! same bytes. Tensors of a product `layer.0.ffn.in` (with [`super::Node`]'s names):
//!
//! | Tensor | Type | Holds |
//! |---|---|---|
//! | `layer.0.ffn.in.codes` | U8, bytes | codes, row by row, packed from the lowest bit on; without those of zero blocks |
//! | `layer.0.ffn.in.indices` | U8, bytes | 2:4: two bits a code, in the same order |
//! | `layer.0.ffn.in.scales` | U8, groups x outputs | group scales in eighths |
//! | `layer.0.ffn.in.blocks` | U8, bytes | a bit a block, the lowest first |
//! | `layer.0.ffn.in.multipliers`, `.shifts`, `.biases` | U16, U8, I32, outputs | requantisation |
//!
//! and of a layer `layer.0.ffn_in.factors` and `.units`, `layer.0.output_norm.gain` and so on, F32.

mod pack;
mod read;
mod write;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::Pooling;

pub use pack::matrix_bytes;
pub use read::read;
pub use write::write;

/// Version of the layout. The first had a checksum of the tensors alone.
const VERSION: u32 = 2;

/// Name of [`Header`] in the metadata.
const HEADER: &str = "systole";

/// Names in the metadata of the files of the float model.
const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";

/// The part of [`Header`] that all versions have.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// What a file says about itself.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    /// The plan, for people.
    scheme: String,
    /// Most tokens of a text.
    limit: usize,
    lower_case: bool,
    pooling: Pooling,
    /// Products with weights, by name.
    products: BTreeMap<String, Product>,
}

/// How the weights of a product are written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Product {
    bits: u8,
    #[serde(default, skip_serializing_if = "is_zero")]
    group: usize,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    two_four: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    block: Option<[usize; 2]>,
}

fn is_zero(value: &usize) -> bool {
    *value == 0
}
