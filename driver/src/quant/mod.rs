//! int8 encoders: weights quantised offline, activations as they come.
//!
//! The scheme (why it is so: `numerics-notes`, and the figures in `docs/results.md`):
//!
//! * Weights have one scale an output channel and lie in -127..=127.
//! * Activations have one scale a token, found while running, and lie in -127..=127; so a
//!   sentence's result does not depend on what else is in its batch.
//! * SmoothQuant (arXiv:2211.10438, alpha 0.5) moves outliers of the activations into the weights.
//!   For the output of attention the factors fold into the value projection; elsewhere they
//!   multiply while activations are quantised, because the residual reads the same LayerNorm.
//! * Every product gives int16 in a unit that calibration fixed, with room for twice the largest
//!   value seen.
//! * In attention, queries and keys have a scale a token and head, values one a channel of the
//!   sentence, and probabilities one a row, relative to the row's largest.
//! * Softmax, GELU, LayerNorm and residuals are floats on the CPU ([`crate::model::math`]).

mod apart;
mod apply;
mod attention;
mod calibrate;
pub mod compress;
mod file;
mod forward;
mod linear;
pub mod mixed;
mod nodes;
mod record;
mod rows;
mod runner;
pub mod scheme;
mod sealed;
mod store;
mod work;

use crate::backend::BackendError;
use crate::model::{ModelError, Norm};

pub use apply::apply;
pub use calibrate::{CALIBRATION, COMPRESSION, calibrate};
pub use file::{matrix_bytes, read as read_file, write as write_file};
pub use forward::{forward, forward_watched};
pub use linear::{Part, QuantisedLinear};
pub use nodes::{Kind, Node};
pub use runner::{NodeDigest, Runner};
pub use store::{Key, read, write};

/// Name of the scheme; it changes whenever quantised models come out differently.
pub const SCHEME: &str = "w8 channel, a8 token, smooth 0.5, i16 out, headroom 2, v2";

/// A quantised encoder without its embeddings.
#[derive(Debug)]
pub struct QuantisedModel {
    /// The layers, first to last.
    pub layers: Vec<QuantisedLayer>,
}

/// One quantised layer.
#[derive(Debug)]
pub struct QuantisedLayer {
    /// Query, key and value projections.
    pub qkv: QuantisedLinear,
    /// Value of one step of the int16 scores of attention.
    pub score_unit: f32,
    /// Value of one step of the int16 results of attention.
    pub context_unit: f32,
    /// Projection of what attention gives.
    pub attention_output: QuantisedLinear,
    /// LayerNorm after attention.
    pub attention_norm: Norm,
    /// First linear layer of the feed-forward part.
    pub ffn_in: QuantisedLinear,
    /// Second linear layer of the feed-forward part.
    pub ffn_out: QuantisedLinear,
    /// LayerNorm after the feed-forward part.
    pub output_norm: Norm,
}

impl QuantisedModel {
    /// Bytes of all weights: codes, indices, group scales and bitmaps of blocks.
    pub fn weight_bytes(&self) -> u64 {
        self.parts().map(Part::weight_bytes).sum()
    }

    /// The same model once more, to be changed.
    pub(crate) fn copy(&self) -> Self {
        Self {
            layers: self.layers.iter().map(QuantisedLayer::copy).collect(),
        }
    }

    /// Number of all weights, zeros included, which is their bytes in eight bits.
    pub fn weights(&self) -> u64 {
        let weights = |part: &Part| part.weights.values().len() as u64;
        self.parts().map(weights).sum()
    }

    /// All products with weights.
    fn parts(&self) -> impl Iterator<Item = &Part> {
        let linears = self
            .layers
            .iter()
            .flat_map(|layer| Kind::ALL.map(|kind| layer.linear(kind)));
        linears.flat_map(|linear| &linear.parts)
    }
}

impl QuantisedLayer {
    /// A linear layer by its kind.
    pub fn linear(&self, kind: Kind) -> &QuantisedLinear {
        match kind {
            Kind::Qkv => &self.qkv,
            Kind::AttentionOutput => &self.attention_output,
            Kind::FfnIn => &self.ffn_in,
            Kind::FfnOut => &self.ffn_out,
        }
    }

    fn copy(&self) -> Self {
        Self {
            qkv: self.qkv.copy(),
            score_unit: self.score_unit,
            context_unit: self.context_unit,
            attention_output: self.attention_output.copy(),
            attention_norm: self.attention_norm.clone(),
            ffn_in: self.ffn_in.copy(),
            ffn_out: self.ffn_out.copy(),
            output_norm: self.output_norm.clone(),
        }
    }

    /// A linear layer by its kind, to replace it.
    pub fn linear_mut(&mut self, kind: Kind) -> &mut QuantisedLinear {
        match kind {
            Kind::Qkv => &mut self.qkv,
            Kind::AttentionOutput => &mut self.attention_output,
            Kind::FfnIn => &mut self.ffn_in,
            Kind::FfnOut => &mut self.ffn_out,
        }
    }
}

/// Why a model could not be quantised.
#[derive(Debug, thiserror::Error)]
pub enum QuantiseError {
    /// The model or a text is wrong.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The products of calibration could not be run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A scheme makes no sense.
    #[error(transparent)]
    Scheme(#[from] scheme::SchemeError),
    /// There is too little text to hold some of it back.
    #[error("{0} sentences for calibration are too few: a plan that is searched for needs four")]
    FewSentences(usize),
    /// No plan reaches what was asked for.
    #[error("the goal is out of reach: {0}")]
    Goal(String),
}

/// Why a quantised model could not be run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The backend's answer is not of the shape or format that was asked for.
    #[error("`{backend}` answered `{node}` with another shape or format than was asked for")]
    Answer {
        /// Name of the backend.
        backend: String,
        /// Name of the node.
        node: String,
    },
    /// An activation is so large that its scale cannot be represented.
    #[error("the activations at the input of `{node}` are too large for int8 with a 16-bit scale")]
    Range {
        /// Name of the node.
        node: String,
    },
}
