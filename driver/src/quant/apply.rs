//! A plan applied to a model: layer after layer, each seeing what the layers before it give when
//! they are quantised already.

use super::calibrate::tokenize_lines;
use super::compress::compress;
use super::compress::hessian::{Hessian, Moments, centred, mean, products};
use super::forward;
use super::linear::{Part, column};
use super::nodes::{Kind, Node};
use super::record::Recorder;
use super::scheme::{Plan, Scheme};
use super::{QuantiseError, QuantisedLayer, QuantisedModel, Runner};
use crate::cpu::CpuBackend;
use crate::matmul::{Layout, Weights};
use crate::model::float::{self, LayerTrace};
use crate::model::{LayerWeights, Linear, Model, ModelError};

/// Part of the mean second moment of a layer's inputs that is added to each (GPTQ's damping): what
/// calibration did not show counts a little too.
const DAMPING: f32 = 0.01;

/// Applies `plan` to `quantised`, which is `model` as calibration left it, by the sentences of
/// `text`, one a line; `progress` hears the number of layers done.
///
/// # Errors
/// When the float weights cannot be read or cannot be quantised, or the tokenizer fails.
pub fn apply(
    model: &Model,
    quantised: &mut QuantisedModel,
    plan: &Plan,
    text: &str,
    progress: &mut dyn FnMut(usize),
) -> Result<(), QuantiseError> {
    let texts = tokenize_lines(model, text)?;
    let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
    let mut pass = Pass {
        model,
        threads: threads(),
        lengths: &lengths,
        floats: model.bert.embed(&texts)?,
        vectors: Vec::new(),
    };
    pass.vectors = pass.floats.clone();
    for (index, layer) in quantised.layers.iter_mut().enumerate() {
        pass.layer(index, layer, plan)?;
        progress(index + 1);
    }
    Ok(())
}

/// Threads worth starting.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Where a pass over the layers is.
struct Pass<'a> {
    model: &'a Model,
    threads: usize,
    lengths: &'a [usize],
    /// What enters the next layer in floats.
    floats: Vec<f32>,
    /// What enters it after the quantised layers before it.
    vectors: Vec<f32>,
}

impl Pass<'_> {
    fn layer(
        &mut self,
        index: usize,
        layer: &mut QuantisedLayer,
        plan: &Plan,
    ) -> Result<(), QuantiseError> {
        let config = &self.model.config;
        let weights = self.model.bert.layer(index)?;
        let trace = float::layer(config, &weights, &self.floats, self.lengths);
        for kind in Kind::ALL {
            let parts = plan.parts(index, kind);
            if parts == [(kind.whole(), Scheme::W8)] {
                continue;
            }
            let smoothed = smoothed(&weights, layer, kind);
            let seen = self.inputs(index, layer, kind)?;
            let meant = scaled(
                meant(&trace, &self.floats, kind),
                &layer.linear(kind).factors,
            );
            let work = LinearWork {
                layer: &smoothed,
                seen: &seen,
                meant: &meant,
                threads: self.threads,
            };
            let units = &layer.linear(kind).units;
            let parts = work.parts(&parts, units).ok_or_else(|| {
                let node = kind.whole().of_layer(index);
                let reason = format!("the weights of {node} are too large for int8 with scales");
                ModelError::malformed(self.model.bert.tensors().path(), reason)
            })?;
            layer.linear_mut(kind).parts = parts;
        }
        let mut cpu = CpuBackend::new(self.threads);
        let mut runner = Runner::new(&mut cpu, false);
        forward::layer(
            layer,
            config,
            index,
            &mut self.vectors,
            self.lengths,
            &mut runner,
        )?;
        self.floats = trace.output;
        Ok(())
    }

    /// What enters the linear layer `kind` of `layer` as it now is.
    fn inputs(
        &self,
        index: usize,
        layer: &QuantisedLayer,
        kind: Kind,
    ) -> Result<Vec<f32>, QuantiseError> {
        let mut cpu = CpuBackend::new(self.threads);
        let mut recorder = Recorder::new(&mut cpu);
        let mut runner = Runner::new(&mut recorder, false);
        let mut vectors = self.vectors.clone();
        let config = &self.model.config;
        forward::layer(
            layer,
            config,
            index,
            &mut vectors,
            self.lengths,
            &mut runner,
        )?;
        Ok(recorder.take(kind))
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

/// What enters the linear layer `kind` in floats.
fn meant<'a>(trace: &'a LayerTrace, input: &'a [f32], kind: Kind) -> &'a [f32] {
    match kind {
        Kind::Qkv => input,
        Kind::AttentionOutput => &trace.context,
        Kind::FfnIn => &trace.ffn_input,
        Kind::FfnOut => &trace.gelu,
    }
}

fn scaled(rows: &[f32], factors: &[f32]) -> Vec<f32> {
    let rows = rows.chunks_exact(factors.len());
    rows.flat_map(|row| {
        row.iter()
            .zip(factors)
            .map(|(value, factor)| value * factor)
    })
    .collect()
}

/// A linear layer to be encoded.
struct LinearWork<'a> {
    layer: &'a Linear,
    /// Its inputs in the quantised model, row-major.
    seen: &'a [f32],
    /// Its inputs in the float model.
    meant: &'a [f32],
    threads: usize,
}

impl LinearWork<'_> {
    /// The encoded parts; `None` if a scale cannot be represented.
    fn parts(&self, parts: &[(Node, Scheme)], units: &[f32]) -> Option<Vec<Part>> {
        let (k, n) = (self.layer.inputs, self.layer.outputs / parts.len());
        let moments = Moments::of(self.seen, k, self.threads);
        let hessian = Hessian::new(moments.covariance.clone(), k, DAMPING);
        let mut result = Vec::with_capacity(parts.len());
        for (index, (node, scheme)) in parts.iter().enumerate() {
            let channels = index * n..(index + 1) * n;
            let weights = &self.layer.weights[channels.start * k..channels.end * k];
            let bias = &self.layer.bias[channels.clone()];
            let units = &units[channels];
            result.push(self.part(*node, scheme, (weights, bias, units), &moments, &hessian)?);
        }
        Some(result)
    }

    fn part(
        &self,
        node: Node,
        scheme: &Scheme,
        (weights, bias, units): (&[f32], &[f32], &[f32]),
        moments: &Moments,
        hessian: &Hessian,
    ) -> Option<Part> {
        let (k, n) = (hessian.k, units.len());
        let target = match scheme.is_calibrated() {
            true => self.corrected(weights, n, moments, hessian),
            false => weights.to_vec(),
        };
        let compressed = compress(&target, n, hessian, scheme, self.threads);
        let meant = mean(self.meant, k);
        let mut columns = Vec::with_capacity(n);
        for (index, (bias, unit)) in bias.iter().zip(units).enumerate() {
            let mut bias = f64::from(*bias);
            if scheme.is_calibrated() {
                // The mean of the result stays what it was in floats.
                let product = |weights: &[f32], mean: &[f32]| -> f64 {
                    let pairs = weights.iter().zip(mean);
                    pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
                };
                bias += product(&weights[index * k..(index + 1) * k], &meant);
                bias -= product(&compressed.weights(index), &moments.mean);
            }
            columns.push(column(compressed.steps[index], bias as f32, *unit)?);
        }
        let encoding = compressed.encoding;
        let plain = *scheme
            == Scheme {
                bits: 8,
                group: 0,
                sparse: None,
                blocks: None,
                ..*scheme
            };
        let weights = match plain {
            true => Weights::new(k, n, Layout::RowMajor, encoding.codes),
            false => Weights::encoded(encoding).ok()?,
        };
        Some(Part {
            node,
            weights,
            columns,
        })
    }

    /// The weights that give what the float layer gives, as well as weights can that read the
    /// quantised model's inputs instead of the float model's: the errors of layers before are made
    /// good too (as in GPTAQ, arXiv:2504.02692).
    fn corrected(
        &self,
        weights: &[f32],
        n: usize,
        moments: &Moments,
        hessian: &Hessian,
    ) -> Vec<f32> {
        let k = hessian.k;
        let seen = centred(self.seen, &moments.mean);
        let meant = centred(self.meant, &mean(self.meant, k));
        let missing: Vec<f32> = meant.iter().zip(&seen).map(|(a, b)| a - b).collect();
        let missing = float::apply(
            &Linear {
                inputs: k,
                outputs: n,
                weights: weights.to_vec(),
                bias: vec![0.0; n],
            },
            &missing,
        );
        let wanted = products(&missing, n, &seen, k, self.threads);
        let mut corrected = weights.to_vec();
        let share = n.div_ceil(self.threads);
        std::thread::scope(|scope| {
            let parts = corrected
                .chunks_mut(share * k)
                .zip(wanted.chunks(share * k));
            for (corrected, wanted) in parts {
                scope.spawn(move || {
                    let rows = corrected.chunks_exact_mut(k).zip(wanted.chunks_exact(k));
                    for (corrected, wanted) in rows {
                        let mut change = wanted.to_vec();
                        hessian.solve(&mut change);
                        corrected
                            .iter_mut()
                            .zip(change)
                            .for_each(|(weight, change)| *weight += change);
                    }
                });
            }
        });
        corrected
    }
}
