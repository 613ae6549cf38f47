//! What each product loses under each scheme, when all others stay as they are.

use std::ops::Range;

use crate::cpu::CpuBackend;
use crate::embed::cosine;
use crate::model::float::{self, threads};
use crate::model::{Model, TooLong};
use crate::quant::apart::apart;
use crate::quant::apply::{Pass, encode};
use crate::quant::forward;
use crate::quant::scheme::Scheme;
use crate::quant::{Kind, Node, QuantiseError, QuantisedModel, RunError, Runner};

/// One product of the model.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its layer.
    pub layer: usize,
    /// Which product.
    pub node: Node,
    /// Inputs.
    pub k: usize,
    /// Outputs.
    pub n: usize,
    /// By how much the mean cosine falls under each candidate.
    pub losses: Vec<f64>,
}

/// Sentences of calibration text, cut into those that schemes are fitted to and those that tell
/// what they lose.
#[derive(Clone, Debug)]
pub struct Texts {
    /// Sentences, one a line.
    pub fit: String,
    /// Tokens of the others.
    pub unseen: Vec<Vec<u32>>,
}

impl Texts {
    /// Of every four sentences of `text` the last tells, the others fit.
    ///
    /// # Errors
    /// When there are not four sentences, or the tokenizer fails on one.
    pub fn split(model: &Model, text: &str) -> Result<Self, QuantiseError> {
        let lines: Vec<&str> = text.lines().filter(|it| !it.trim().is_empty()).collect();
        if lines.len() < 4 {
            return Err(QuantiseError::FewSentences(lines.len()));
        }
        let part = |tells: bool| -> Vec<&str> {
            let lines = lines.iter().enumerate();
            let lines = lines.filter(|(index, _)| (index % 4 == 3) == tells);
            lines.map(|(_, line)| *line).collect()
        };
        let unseen = model.tokenize(&part(true), TooLong::Truncate)?;
        Ok(Self {
            fit: part(false).join("\n"),
            unseen,
        })
    }
}

/// One less the cosine to the float model's embeddings, over sentences.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    /// Mean.
    pub mean: f64,
    /// Standard error of the mean: other sentences differ by about as much.
    pub error: f64,
}

impl Loss {
    fn of(losses: &[f64]) -> Self {
        let count = losses.len().max(1) as f64;
        let mean = losses.iter().sum::<f64>() / count;
        let squares = losses.iter().map(|loss| (loss - mean) * (loss - mean));
        Self {
            mean,
            error: squares.sum::<f64>().sqrt() / count,
        }
    }

    /// What other sentences will hardly exceed.
    pub fn cautious(self) -> f64 {
        self.mean + self.error
    }
}

/// The float model's embeddings of sentences, to compare with.
pub struct Judge<'a> {
    model: &'a Model,
    lengths: Vec<usize>,
    start: Vec<f32>,
    wanted: Vec<Vec<f32>>,
}

impl<'a> Judge<'a> {
    /// Runs the float model.
    ///
    /// # Errors
    /// When its weights cannot be read.
    pub fn new(model: &'a Model, texts: &[Vec<u32>]) -> Result<Self, QuantiseError> {
        Ok(Self {
            model,
            lengths: texts.iter().map(Vec::len).collect(),
            start: model.bert.embed(texts)?,
            wanted: float::embed(model, texts)?,
        })
    }

    /// One less the cosine of the embeddings of `quantised`.
    ///
    /// # Errors
    /// When a product cannot be run.
    pub fn loss(&self, quantised: &QuantisedModel) -> Result<Loss, QuantiseError> {
        self.loss_from(quantised, 0, self.start.clone(), &mut workers())
    }

    /// As [`Self::loss`], from `vectors` that enter layer `first`.
    fn loss_from(
        &self,
        quantised: &QuantisedModel,
        first: usize,
        mut vectors: Vec<f32>,
        workers: &mut [CpuBackend],
    ) -> Result<Loss, QuantiseError> {
        let layers = first..quantised.layers.len();
        self.run(quantised, layers, &mut vectors, workers)?;
        let vectors = self.model.pool(&vectors, &self.lengths)?;
        let pairs = vectors.iter().zip(&self.wanted);
        let losses: Vec<f64> = pairs.map(|(a, b)| 1.0 - cosine(a, b)).collect();
        Ok(Loss::of(&losses))
    }

    /// Runs `layers` of `quantised` on the vectors that enter the first of them.
    fn run(
        &self,
        quantised: &QuantisedModel,
        layers: Range<usize>,
        vectors: &mut [f32],
        workers: &mut [CpuBackend],
    ) -> Result<(), RunError> {
        let config = &self.model.config;
        apart(
            workers,
            vectors,
            &self.lengths,
            |backend, vectors, lengths| {
                let mut runner = Runner::new(backend, false);
                layers.clone().try_for_each(|index| {
                    let layer = &quantised.layers[index];
                    forward::layer(layer, config, index, vectors, lengths, &mut runner)
                })
            },
        )
    }
}

/// A CPU for each thread that runs sentences.
fn workers() -> Vec<CpuBackend> {
    (0..threads()).map(|_| CpuBackend::new(1)).collect()
}

/// Measures every product of `quantised`, which loses `base`, under every candidate, alone;
/// `progress` hears the number of products done.
///
/// # Errors
/// When weights cannot be read or quantised, or the tokenizer fails.
pub fn measure(
    model: &Model,
    quantised: &mut QuantisedModel,
    texts: &Texts,
    judge: &Judge<'_>,
    base: Loss,
    candidates: &[Scheme],
    progress: &mut dyn FnMut(usize),
) -> Result<Vec<Item>, QuantiseError> {
    let mut pass = Pass::new(model, &texts.fit)?;
    let mut vectors = judge.start.clone();
    let mut workers = workers();
    let mut items = Vec::new();
    for index in 0..model.config.layers {
        let weights = model.bert.layer(index)?;
        let trace = pass.trace(&weights);
        let mut seen = pass.seen(index, &quantised.layers[index])?;
        for kind in Kind::ALL {
            let layer = &quantised.layers[index];
            let work = pass.work(layer, &weights, &trace, kind, seen.take(kind));
            for &node in kind.parts() {
                let mut losses = Vec::with_capacity(candidates.len());
                for scheme in candidates {
                    if *scheme == Scheme::W8 {
                        losses.push(0.0);
                        continue;
                    }
                    let alone =
                        |part: &Node| (*part, if *part == node { *scheme } else { Scheme::W8 });
                    let parts: Vec<(Node, Scheme)> = kind.parts().iter().map(alone).collect();
                    let units = &quantised.layers[index].linear(kind).units;
                    let parts = encode(model, index, &work, &parts, units)?;
                    let linear = quantised.layers[index].linear_mut(kind);
                    let before = std::mem::replace(&mut linear.parts, parts);
                    let loss = judge.loss_from(quantised, index, vectors.clone(), &mut workers);
                    quantised.layers[index].linear_mut(kind).parts = before;
                    losses.push(loss?.mean - base.mean);
                }
                let linear = quantised.layers[index].linear(kind);
                items.push(Item {
                    layer: index,
                    node,
                    k: linear.factors.len(),
                    n: linear.units.len() / kind.parts().len(),
                    losses,
                });
                progress(items.len());
            }
        }
        judge.run(quantised, index..index + 1, &mut vectors, &mut workers)?;
        pass.advance(index, &quantised.layers[index], trace)?;
        workers.iter_mut().for_each(CpuBackend::forget_weights);
    }
    Ok(items)
}
