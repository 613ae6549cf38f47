//! A plan applied to a model: layer after layer, each seeing what the layers before it give when
//! they are quantised already.

use super::apart::apart;
use super::calibrate::tokenize_lines;
use super::forward;
use super::nodes::{Kind, Node};
use super::record::Recorder;
use super::scheme::{Plan, Scheme};
use super::work::{EncodeError, LinearWork};
use super::{Part, QuantiseError, QuantisedLayer, QuantisedModel, Runner};
use crate::backend::Backend;
use crate::cpu::CpuBackend;
use crate::model::float::{self, LayerTrace, threads};
use crate::model::{LayerWeights, Linear, Model, ModelError};

/// What `plan` makes of `calibrated`, which is `model` as calibration left it, by the sentences of
/// `text`, one a line; `progress` hears the number of layers done.
///
/// Products that the plan leaves in eight bits stay as they are in `calibrated`, which therefore must
/// not be the result of another plan.
///
/// # Errors
/// When the float weights cannot be read or cannot be quantised, or the tokenizer fails.
pub fn apply(
    model: &Model,
    calibrated: &QuantisedModel,
    plan: &Plan,
    text: &str,
    progress: &mut dyn FnMut(usize),
) -> Result<QuantisedModel, QuantiseError> {
    check_fit(calibrated, plan)?;
    // What layers see takes long to find out.
    let mut pass = match plan.rules.iter().any(|rule| rule.scheme.is_calibrated()) {
        true => Some(Pass::new(model, text)?),
        false => None,
    };
    let mut applied = calibrated.copy();
    for (index, layer) in applied.layers.iter_mut().enumerate() {
        let weights = model.bert.layer(index)?;
        let trace = pass.as_ref().map(|pass| pass.trace(&weights));
        for kind in Kind::ALL {
            let parts = plan.parts(index, kind);
            if parts == [(kind.whole(), Scheme::W8)] {
                continue;
            }
            let work = match pass.as_ref().zip(trace.as_ref()) {
                Some((pass, trace)) => {
                    let seen = pass.seen(index, layer)?.take(kind);
                    pass.work(layer, &weights, trace, kind, seen)
                }
                None => {
                    let linear = smoothed(&weights, layer, kind);
                    LinearWork::new(linear, Vec::new(), Vec::new(), threads())
                }
            };
            let parts = encode(model, index, &work, &parts, &layer.linear(kind).units)?;
            layer.linear_mut(kind).parts = parts;
        }
        if let Some((pass, trace)) = pass.as_mut().zip(trace) {
            pass.advance(index, layer, trace)?;
        }
        progress(index + 1);
    }
    Ok(applied)
}

/// Checks that the zero blocks of `plan` fit the products of `model`.
fn check_fit(model: &QuantisedModel, plan: &Plan) -> Result<(), QuantiseError> {
    for (index, layer) in model.layers.iter().enumerate() {
        for kind in Kind::ALL {
            let parts = plan.parts(index, kind);
            let (k, n) = layer.linear(kind).shape();
            for (node, scheme) in &parts {
                scheme.check_fit(k, n / parts.len(), &node.of_layer(index))?;
            }
        }
    }
    Ok(())
}

/// The products `parts` of a linear layer by their schemes.
///
/// # Errors
/// When a scale cannot be represented, the inputs are out of range, or a scheme makes no sense.
pub fn encode(
    model: &Model,
    index: usize,
    work: &LinearWork,
    parts: &[(Node, Scheme)],
    units: &[f32],
) -> Result<Vec<Part>, QuantiseError> {
    work.parts(parts, units).map_err(|error| {
        let node = parts[0].0.of_layer(index);
        let reason = match error {
            EncodeError::Scheme(error) => return error.into(),
            EncodeError::Range => {
                format!("the weights of `{node}` are too large for int8 with scales")
            }
            EncodeError::Inputs => format!(
                "the inputs of `{node}` in calibration are so large that their squares are no \
                 numbers, and schemes that look at inputs cannot be used"
            ),
        };
        ModelError::malformed(model.bert.tensors().path(), reason).into()
    })
}

/// Where a pass over the layers is.
pub struct Pass<'a> {
    model: &'a Model,
    lengths: Vec<usize>,
    /// What enters the next layer in floats.
    floats: Vec<f32>,
    /// What enters it after the quantised layers before it.
    vectors: Vec<f32>,
}

impl<'a> Pass<'a> {
    /// Begins with the sentences of `text`, one a line.
    ///
    /// # Errors
    /// When the tokenizer fails or finds no token.
    pub fn new(model: &'a Model, text: &str) -> Result<Self, QuantiseError> {
        let texts = tokenize_lines(model, text)?;
        let floats = model.bert.embed(&texts)?;
        Ok(Self {
            model,
            lengths: texts.iter().map(Vec::len).collect(),
            vectors: floats.clone(),
            floats,
        })
    }

    /// What the float layer computes.
    pub fn trace(&self, weights: &LayerWeights) -> LayerTrace {
        float::layer(&self.model.config, weights, &self.floats, &self.lengths)
    }

    /// What enters the linear layers of `layer` as it now is.
    ///
    /// # Errors
    /// When a product cannot be run.
    pub fn seen(&self, index: usize, layer: &QuantisedLayer) -> Result<Recorder, QuantiseError> {
        let recorder = |_| Recorder::new(CpuBackend::new(1));
        let mut recorders: Vec<Recorder> = (0..threads()).map(recorder).collect();
        let mut vectors = self.vectors.clone();
        self.run(index, layer, &mut vectors, &mut recorders)?;
        Ok(Recorder::join(recorders))
    }

    /// The linear layer `kind`, whose inputs in the quantised model are `seen`.
    pub fn work(
        &self,
        layer: &QuantisedLayer,
        weights: &LayerWeights,
        trace: &LayerTrace,
        kind: Kind,
        seen: Vec<f32>,
    ) -> LinearWork {
        let meant = match kind {
            Kind::Qkv => &self.floats,
            Kind::AttentionOutput => &trace.context,
            Kind::FfnIn => &trace.ffn_input,
            Kind::FfnOut => &trace.gelu,
        };
        let factors = &layer.linear(kind).factors;
        let rows = meant.chunks_exact(factors.len());
        let meant = rows.flat_map(|row| row.iter().zip(factors).map(|(value, by)| value * by));
        LinearWork::new(
            smoothed(weights, layer, kind),
            seen,
            meant.collect(),
            threads(),
        )
    }

    /// Goes on to the next layer.
    ///
    /// # Errors
    /// When a product cannot be run.
    pub fn advance(
        &mut self,
        index: usize,
        layer: &QuantisedLayer,
        trace: LayerTrace,
    ) -> Result<(), QuantiseError> {
        let mut vectors = std::mem::take(&mut self.vectors);
        let mut workers: Vec<CpuBackend> = (0..threads()).map(|_| CpuBackend::new(1)).collect();
        self.run(index, layer, &mut vectors, &mut workers)?;
        self.vectors = vectors;
        self.floats = trace.output;
        Ok(())
    }

    fn run<B: Backend>(
        &self,
        index: usize,
        layer: &QuantisedLayer,
        vectors: &mut [f32],
        workers: &mut [B],
    ) -> Result<(), QuantiseError> {
        let config = &self.model.config;
        apart(
            workers,
            vectors,
            &self.lengths,
            |backend, vectors, lengths| {
                let mut runner = Runner::new(backend, false);
                forward::layer(layer, config, index, vectors, lengths, &mut runner)
            },
        )?;
        Ok(())
    }
}

/// The linear layer `kind` with its smoothing worked in: what reads the inputs after they were
/// multiplied by the layer's factors.
fn smoothed(weights: &LayerWeights, layer: &QuantisedLayer, kind: Kind) -> Linear {
    let mut linear = match kind {
        Kind::Qkv => &weights.qkv,
        Kind::AttentionOutput => &weights.attention_output,
        Kind::FfnIn => &weights.ffn_in,
        Kind::FfnOut => &weights.ffn_out,
    }
    .clone();
    let factors = &layer.linear(kind).factors;
    for row in linear.weights.chunks_exact_mut(linear.inputs) {
        row.iter_mut()
            .zip(factors)
            .for_each(|(weight, factor)| *weight /= factor);
    }
    if kind == Kind::Qkv {
        // The value projection bears the smoothing of what reads the result of attention.
        let factors = &layer.attention_output.factors;
        let first = linear.outputs - factors.len();
        let rows = linear.weights.chunks_exact_mut(linear.inputs).skip(first);
        let rows = rows.zip(&mut linear.bias[first..]).zip(factors);
        for ((row, bias), factor) in rows {
            row.iter_mut().for_each(|weight| *weight *= factor);
            *bias *= factor;
        }
    }
    linear
}
