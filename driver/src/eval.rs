//! How near a quantised model comes to the float model.

use serde::Serialize;

use crate::backend::Backend;
use crate::embed::{EmbedError, Embedder, batches, cosine};
use crate::model::{Model, ModelError, TooLong, float};
use crate::quant::{self, Runner};

/// Sentences whose pairs are compared: as many pairs as this times half of it.
const MOST_PAIRED: usize = 2000;

/// What a float model makes of sentences.
#[derive(Clone, Debug)]
pub struct Reference {
    /// Tokens of the sentences.
    texts: Vec<Vec<u32>>,
    /// Token vectors after each layer.
    layers: Vec<Vec<f32>>,
    /// Embeddings.
    vectors: Vec<Vec<f32>>,
}

/// How near a model comes to a reference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Sentences compared.
    pub sentences: usize,
    /// Mean cosine of the embeddings of the same sentence.
    pub cosine_mean: f64,
    /// The smallest of them.
    pub cosine_min: f64,
    /// Rank correlation of the similarities of pairs of sentences; `None` below three sentences.
    pub spearman: Option<f64>,
    /// For each layer the error of its token vectors over their length, what came before it
    /// included.
    pub layer_errors: Vec<f64>,
}

impl Reference {
    /// Runs `model` in floats on `sentences`.
    ///
    /// # Errors
    /// When its weights cannot be read, or a sentence is empty or too long.
    pub fn of<T: AsRef<str>>(
        model: &Model,
        sentences: &[T],
        too_long: TooLong,
    ) -> Result<Self, ModelError> {
        let texts = model.tokenize(sentences, too_long)?;
        Self::of_texts(model, texts)
    }

    /// As [`Self::of`], with sentences that are tokens already.
    ///
    /// # Errors
    /// When the model's weights cannot be read.
    pub fn of_texts(model: &Model, texts: Vec<Vec<u32>>) -> Result<Self, ModelError> {
        let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
        let mut vectors = model.bert.embed(&texts)?;
        let mut layers = Vec::with_capacity(model.config.layers);
        for index in 0..model.config.layers {
            let weights = model.bert.layer(index)?;
            vectors = float::layer(&model.config, &weights, &vectors, &lengths).output;
            layers.push(vectors.clone());
        }
        Ok(Self {
            vectors: model.pool(&vectors, &lengths)?,
            texts,
            layers,
        })
    }

    /// Compares the embeddings and layers of `embedder` on the same sentences, whose products run on
    /// `backend`.
    ///
    /// # Errors
    /// When the model is of another shape than the reference or reads the sentences as other
    /// tokens, or the backend fails.
    pub fn compare<T: AsRef<str>>(
        &self,
        embedder: &Embedder,
        sentences: &[T],
        too_long: TooLong,
        backend: &mut dyn Backend,
    ) -> Result<Evaluation, EmbedError> {
        let model = embedder.model();
        let hidden = model.config.hidden;
        let tokens: usize = self.texts.iter().map(Vec::len).sum();
        let fits = self.layers.iter().all(|it| it.len() == tokens * hidden);
        if model.config.layers != self.layers.len() || !fits {
            let reason = "another number of layers or another width than the float model has";
            return Err(ModelError::malformed(model.folder(), reason).into());
        }
        if model.tokenize(sentences, too_long)? != self.texts {
            let reason = "its tokenizer reads the sentences as other tokens than the float model's";
            return Err(ModelError::malformed(model.folder(), reason).into());
        }
        let mut errors = vec![[0.0f64; 2]; self.layers.len()];
        let mut vectors = Vec::with_capacity(self.texts.len());
        let mut runner = Runner::new(backend, false);
        let mut first = 0;
        for batch in batches(&self.texts) {
            let lengths: Vec<usize> = batch.iter().map(Vec::len).collect();
            let input = model.bert.embed(batch)?;
            let range = first..first + input.len();
            let mut watch = |layer: usize, found: &[f32]| {
                let pairs = found.iter().zip(&self.layers[layer][range.clone()]);
                for (found, wanted) in pairs {
                    let (found, wanted) = (f64::from(*found), f64::from(*wanted));
                    errors[layer][0] += (found - wanted) * (found - wanted);
                    errors[layer][1] += wanted * wanted;
                }
            };
            let result = quant::forward_watched(
                embedder.quantised(),
                &model.config,
                input,
                &lengths,
                &mut runner,
                &mut watch,
            )?;
            first = range.end;
            vectors.extend(model.pool(&result, &lengths)?);
        }
        let relative = errors
            .iter()
            .map(|[error, whole]| (error / whole.max(f64::MIN_POSITIVE)).sqrt());
        Ok(self.evaluation(&vectors, relative.collect()))
    }

    /// Compares embeddings alone.
    pub fn evaluation(&self, vectors: &[Vec<f32>], layer_errors: Vec<f64>) -> Evaluation {
        let pairs = vectors.iter().zip(&self.vectors);
        let cosines: Vec<f64> = pairs.map(|(a, b)| cosine(a, b)).collect();
        Evaluation {
            sentences: cosines.len(),
            cosine_mean: cosines.iter().sum::<f64>() / cosines.len().max(1) as f64,
            cosine_min: cosines.iter().copied().fold(1.0, f64::min),
            spearman: spearman(&similarities(vectors), &similarities(&self.vectors)),
            layer_errors,
        }
    }
}

/// Cosines of all pairs of the first vectors.
fn similarities(vectors: &[Vec<f32>]) -> Vec<f64> {
    let vectors = &vectors[..vectors.len().min(MOST_PAIRED)];
    let row = |first: usize| {
        let others = &vectors[first + 1..];
        others
            .iter()
            .map(move |other| cosine(&vectors[first], other))
    };
    (0..vectors.len()).flat_map(row).collect()
}

/// Rank correlation, ties sharing the mean of their ranks; `None` for fewer than two values or where
/// all values of a side are the same.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.len() < 2 || a.len() != b.len() {
        return None;
    }
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() + 1) as f64 / 2.0;
    let sum = |terms: &mut dyn Iterator<Item = (f64, f64)>| -> f64 {
        terms.map(|(a, b)| (a - mean) * (b - mean)).sum()
    };
    let pair = |a: &[f64], b: &[f64]| sum(&mut a.iter().copied().zip(b.iter().copied()));
    let both = (pair(&a, &a) * pair(&b, &b)).sqrt();
    (both > 0.0).then(|| pair(&a, &b) / both)
}

/// Rank of each value, from 1.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for same in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = first as f64 + (same.len() + 1) as f64 / 2.0;
        same.iter().for_each(|index| ranks[*index] = rank);
        first += same.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_correlated_and_ties_share_them() {
        assert_eq!(spearman(&[1.0, 2.0, 9.0], &[-5.0, 0.0, 0.1]), Some(1.0));
        assert_eq!(spearman(&[1.0, 2.0, 9.0], &[3.0, 2.0, 1.0]), Some(-1.0));
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
        // By hand: ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: 4.5 over the root of 4.5 times 5.
        let found = spearman(&[0.0, 1.0, 1.0, 2.0], &[0.0, 1.0, 2.0, 3.0]);
        let expected = 4.5 / (4.5f64 * 5.0).sqrt();
        assert!(found.is_some_and(|found| (found - expected).abs() < 1e-12));
        assert_eq!(spearman(&[1.0], &[2.0]), None);
        assert_eq!(spearman(&[1.0, 1.0], &[2.0, 3.0]), None);
    }
}
