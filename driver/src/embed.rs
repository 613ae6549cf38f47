//! Texts to vectors: the whole way through a model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::backend::{Backend, NodeReport};
use crate::model::{Model, ModelError, TooLong, cache};
use crate::quant::mixed::{CycleModel, Found, Search, Step};
use crate::quant::scheme::{Goal, Plan, Scheme};
use crate::quant::{
    self, CALIBRATION, Key, NodeDigest, QuantiseError, QuantisedModel, RunError, Runner,
};

/// Tokens that go through the encoder together: enough to keep weights busy, few enough that
/// memory does not grow with the number of texts.
const BATCH_TOKENS: usize = 1024;

/// Why texts could not be embedded.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// The model or a text is wrong.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The products could not be run.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// How texts are embedded.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmbedOptions {
    /// What becomes of a text beyond the model's limit.
    pub too_long: TooLong,
    /// Whether every node's integers are hashed ([`Embeddings::digests`]).
    pub digests: bool,
}

/// Vectors of texts and how they came about.
#[derive(Clone, Debug, Serialize)]
pub struct Embeddings {
    /// One vector a text, in order.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens of each text, special ones included.
    pub tokens: Vec<usize>,
    /// What is known of each node, over all texts.
    pub nodes: Vec<NodeReport>,
    /// A hash of all integers of each node, by its name, if it was asked for. Two backends that
    /// got the same texts must agree on every one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digests: Option<BTreeMap<String, NodeDigest>>,
}

/// Cosine of the angle between two vectors, which tells how near in meaning two texts are; 0 if
/// one of them is zero.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let terms = a.iter().zip(b);
        terms.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths > 0.0 {
        dot(a, b) / lengths
    } else {
        0.0
    }
}

/// Where the quantised weights came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the cache.
    Cache,
    /// Calibrated now, and kept in the cache.
    Calibrated,
    /// From a file that `systole quantize` wrote.
    File,
    /// Calibrated now; the cache could not be written, for this reason.
    NotKept(String),
}

/// A model ready to embed texts.
#[derive(Debug)]
pub struct Embedder {
    model: Model,
    quantised: QuantisedModel,
    /// The model as calibration left it, once a plan was applied; before, `quantised` is that.
    calibrated: Option<QuantisedModel>,
    origin: Origin,
    scheme: String,
}

impl Embedder {
    /// Opens the model in `folder`, and quantises it unless the cache ([`cache::folder`]) has it
    /// quantised; or the quantised model of a file ([`quant::write_file`]).
    ///
    /// `progress` hears the number of layers quantised and of all layers.
    ///
    /// # Errors
    /// When a file of the model is missing, malformed, or asks for something that is not built.
    pub fn load(folder: &Path, progress: &mut dyn FnMut(usize, usize)) -> Result<Self, EmbedError> {
        Self::load_cached(folder, cache::folder(), progress)
    }

    /// As [`Self::load`], with a cache folder of the caller's choice.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with_cache(
        folder: &Path,
        cache: &Path,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self, EmbedError> {
        Self::load_cached(folder, Ok(cache.into()), progress)
    }

    /// A cache that cannot be used is no reason to fail.
    fn load_cached(
        folder: &Path,
        cache: Result<PathBuf, ModelError>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self, EmbedError> {
        if folder.is_file() {
            let (model, quantised, scheme) = quant::read_file(folder)?;
            return Ok(Self {
                model,
                quantised,
                calibrated: None,
                origin: Origin::File,
                scheme,
            });
        }
        let scheme = Scheme::W8.to_string();
        let model = Model::open(folder)?;
        let key = Key::of(&model, CALIBRATION)?;
        let path = cache.map(|cache| key.path(&cache));
        let cached = path
            .as_ref()
            .ok()
            .and_then(|path| quant::read(path, &key, &model.config));
        if let Some(quantised) = cached {
            return Ok(Self {
                model,
                quantised,
                calibrated: None,
                origin: Origin::Cache,
                scheme,
            });
        }
        let layers = model.config.layers;
        let quantised = quant::calibrate(&model, CALIBRATION, &mut |done| progress(done, layers))?;
        let origin = match path.and_then(|path| quant::write(&path, &key, &quantised)) {
            Ok(()) => Origin::Calibrated,
            Err(error) => Origin::NotKept(error.to_string()),
        };
        Ok(Self {
            model,
            quantised,
            calibrated: None,
            origin,
            scheme,
        })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The scheme of the weights, as [`Plan`] reads it.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Gives layers other weights by `plan`, calibrated by the sentences of `text`, one a line, of
    /// which the model sees as much as it can read.
    /// `progress` hears the number of layers done. Nothing is left of plans that were applied before.
    ///
    /// # Errors
    /// When the float weights are not there, as in a file that [`Self::write`] wrote, or cannot be
    /// quantised so, or a scheme makes no sense; the model then stays as it was.
    pub fn apply(
        &mut self,
        plan: &Plan,
        text: &str,
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), QuantiseError> {
        let calibrated = self.calibrated.as_ref().unwrap_or(&self.quantised);
        let applied = quant::apply(&self.model, calibrated, plan, text, progress)?;
        let before = std::mem::replace(&mut self.quantised, applied);
        self.calibrated.get_or_insert(before);
        self.scheme = plan.to_string();
        Ok(())
    }

    /// The best plan for `goal` of these candidates, found by the sentences of `text`, one a line, of
    /// which some are held back to measure; the model stays as it is. `progress` hears how far it is.
    ///
    /// # Errors
    /// As [`Self::apply`], or when no plan reaches the goal.
    pub fn search(
        &mut self,
        goal: Goal,
        candidates: &[Scheme],
        text: &str,
        progress: &mut dyn FnMut(Step),
    ) -> Result<Found, QuantiseError> {
        let search = Search {
            model: &self.model,
            quantised: self.calibrated.as_mut().unwrap_or(&mut self.quantised),
            candidates,
            text,
            cycles: &CycleModel::default(),
        };
        search.run(goal, progress)
    }

    /// Writes the quantised model to a file that stands alone ([`crate::output`] says how), and gives
    /// its size. The same model gives the same bytes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<u64, ModelError> {
        quant::write_file(path, &self.model, &self.quantised, &self.scheme)
    }

    /// The quantised encoder.
    pub fn quantised(&self) -> &QuantisedModel {
        &self.quantised
    }

    /// Where the quantised weights came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Embeds texts with their products on `backend`.
    ///
    /// A text's vector does not depend on the other texts, nor on the backend.
    ///
    /// # Errors
    /// When a text is empty or too long, the backend fails, or the weights are so large that a
    /// vector is not finite.
    pub fn embed<T: AsRef<str>>(
        &mut self,
        texts: &[T],
        options: EmbedOptions,
        backend: &mut dyn Backend,
    ) -> Result<Embeddings, EmbedError> {
        self.embed_watched(texts, options, backend, &mut |_| ())
    }

    /// As [`Self::embed`]; `progress` hears the number of texts done.
    ///
    /// # Errors
    /// As [`Self::embed`].
    pub fn embed_watched<T: AsRef<str>>(
        &mut self,
        texts: &[T],
        options: EmbedOptions,
        backend: &mut dyn Backend,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Embeddings, EmbedError> {
        let texts = self.model.tokenize(texts, options.too_long)?;
        let mut runner = Runner::new(backend, options.digests);
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in batches(&texts) {
            vectors.extend(self.embed_batch(batch, &mut runner)?);
            progress(vectors.len());
        }
        let (nodes, digests) = runner.finish();
        Ok(Embeddings {
            vectors,
            tokens: texts.iter().map(Vec::len).collect(),
            nodes,
            digests,
        })
    }

    fn embed_batch(
        &self,
        texts: &[Vec<u32>],
        runner: &mut Runner<'_>,
    ) -> Result<Vec<Vec<f32>>, EmbedError> {
        let Model { config, bert, .. } = &self.model;
        let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
        let vectors = bert.embed(texts)?;
        let vectors = quant::forward(&self.quantised, config, vectors, &lengths, runner)?;
        Ok(self.model.pool(&vectors, &lengths)?)
    }
}

/// Neighbouring texts with at most [`BATCH_TOKENS`] tokens together, or one text alone.
pub(crate) fn batches(mut texts: &[Vec<u32>]) -> impl Iterator<Item = &[Vec<u32>]> {
    std::iter::from_fn(move || {
        let mut tokens = 0;
        let fits = |text: &&Vec<u32>| {
            tokens += text.len();
            tokens <= BATCH_TOKENS
        };
        let count = texts
            .iter()
            .take_while(fits)
            .count()
            .max(1)
            .min(texts.len());
        let (batch, rest) = texts.split_at(count);
        texts = rest;
        (!batch.is_empty()).then_some(batch)
    })
}
