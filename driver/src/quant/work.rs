//! A linear layer to be encoded: its float weights, and what it sees in calibration.

use std::sync::OnceLock;

use super::compress::compress;
use super::compress::hessian::{Hessian, Moments, centred, mean, products};
use super::linear::{Part, column};
use super::nodes::Node;
use super::scheme::{Scheme, SchemeError};
use crate::matmul::{Layout, Weights};
use crate::model::{Linear, float};

/// Part of the mean second moment of a layer's inputs that is added to each (GPTQ's damping): what
/// calibration did not show counts too. A few thousand tokens say little of a matrix of 1536 inputs,
/// hence more than GPTQ's 0.01; it and [`CORRECTION`] were chosen on calibration sentences held back.
const DAMPING: f32 = 0.3;

/// Part of the correction for the errors of layers before that is made: all of it would follow what
/// is chance in calibration too.
const CORRECTION: f32 = 0.5;

/// A linear layer, its smoothing worked in, and its inputs.
pub struct LinearWork {
    layer: Linear,
    /// Its inputs in the quantised model, row-major.
    seen: Vec<f32>,
    /// Its inputs in the float model.
    meant: Vec<f32>,
    threads: usize,
    /// What only schemes that look at inputs need.
    calibrated: OnceLock<Option<Calibrated>>,
}

/// Why a linear layer cannot be encoded.
#[derive(Debug)]
pub enum EncodeError {
    /// A scale cannot be represented.
    Range,
    /// Its inputs in calibration have no finite moments, or are far from the float model's beyond
    /// all numbers.
    Inputs,
    /// A scheme makes no sense.
    Scheme(SchemeError),
}

struct Calibrated {
    hessian: Hessian,
    /// Mean of the inputs in the quantised model, and in the float model.
    means: [Vec<f32>; 2],
    /// The weights that give what the float layer gives, as well as weights can that read the
    /// quantised model's inputs instead of the float model's: the errors of layers before are made
    /// good too (as in GPTAQ, arXiv:2504.02692).
    weights: Vec<f32>,
}

impl LinearWork {
    /// Takes a layer and its inputs, rows of `layer.inputs` values.
    pub fn new(layer: Linear, seen: Vec<f32>, meant: Vec<f32>, threads: usize) -> Self {
        Self {
            layer,
            seen,
            meant,
            threads,
            calibrated: OnceLock::new(),
        }
    }

    /// The encoded parts, of equal numbers of outputs.
    ///
    /// # Errors
    /// See [`EncodeError`].
    pub fn parts(&self, parts: &[(Node, Scheme)], units: &[f32]) -> Result<Vec<Part>, EncodeError> {
        let n = self.layer.outputs / parts.len();
        let parts = parts.iter().zip(units.chunks_exact(n)).enumerate();
        parts
            .map(|(index, ((node, scheme), units))| self.part(index * n, *node, scheme, units))
            .collect()
    }

    /// The outputs from `first` on, one for each of `units`.
    fn part(
        &self,
        first: usize,
        node: Node,
        scheme: &Scheme,
        units: &[f32],
    ) -> Result<Part, EncodeError> {
        let (k, n) = (self.layer.inputs, units.len());
        let range = first * k..(first + n) * k;
        let weights = &self.layer.weights[range.clone()];
        let calibrated = match scheme.is_calibrated() {
            true => Some(self.calibrated().ok_or(EncodeError::Inputs)?),
            false => None,
        };
        let (target, hessian) = match calibrated {
            Some(it) => (&it.weights[range], Some(&it.hessian)),
            None => (weights, None),
        };
        let compressed =
            compress(target, k, hessian, scheme, self.threads).map_err(EncodeError::Scheme)?;
        let mut columns = Vec::with_capacity(n);
        for (index, unit) in units.iter().enumerate() {
            let mut bias = f64::from(self.layer.bias[first + index]);
            if let Some(it) = calibrated {
                // The mean of the result stays what it was in floats (arXiv:1906.04721).
                let [seen, meant] = &it.means;
                bias += product(&weights[index * k..(index + 1) * k], meant);
                bias -= product(&compressed.weights(index), seen);
            }
            let column = column(compressed.steps[index], bias as f32, *unit);
            columns.push(column.ok_or(EncodeError::Range)?);
        }
        let encoding = compressed.encoding;
        let weights = match scheme.is_dense_int8() {
            true => Weights::new(k, n, Layout::RowMajor, encoding.codes),
            false => Weights::encoded(encoding).expect("what `compress` gives fits together"),
        };
        Ok(Part {
            node,
            weights,
            columns,
        })
    }

    /// `None` where numbers ended.
    fn calibrated(&self) -> Option<&Calibrated> {
        let found = self.calibrated.get_or_init(|| {
            let (k, n) = (self.layer.inputs, self.layer.outputs);
            let moments = Moments::of(&self.seen, k, self.threads);
            let hessian = Hessian::new(moments.covariance, k, DAMPING)?;
            let means = [moments.mean, mean(&self.meant, k)];
            let seen = centred(&self.seen, &means[0]);
            let meant = centred(&self.meant, &means[1]);
            let missing: Vec<f32> = meant.iter().zip(&seen).map(|(a, b)| a - b).collect();
            let layer = Linear {
                bias: vec![0.0; n],
                ..self.layer.clone()
            };
            let missing = float::apply(&layer, &missing);
            let wanted = products(&missing, n, &seen, k, self.threads);
            let mut weights = layer.weights;
            let share = n.div_ceil(self.threads) * k;
            std::thread::scope(|scope| {
                for (weights, wanted) in weights.chunks_mut(share).zip(wanted.chunks(share)) {
                    let hessian = &hessian;
                    scope.spawn(move || {
                        let rows = weights.chunks_exact_mut(k).zip(wanted.chunks_exact(k));
                        for (weights, wanted) in rows {
                            let mut change = wanted.to_vec();
                            hessian.solve(&mut change);
                            weights
                                .iter_mut()
                                .zip(change)
                                .for_each(|(it, by)| *it += CORRECTION * by);
                        }
                    });
                }
            });
            let finite = weights.iter().all(|weight| weight.is_finite());
            finite.then_some(Calibrated {
                hessian,
                means,
                weights,
            })
        });
        found.as_ref()
    }
}

fn product(a: &[f32], b: &[f32]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodes a layer of four weights that are one, with these inputs of the quantised and of the
    /// float model.
    fn encoded(seen: f32, meant: f32, scheme: &str) -> Result<Vec<Part>, EncodeError> {
        let layer = Linear {
            weights: vec![1.0; 4],
            bias: vec![0.0],
            inputs: 4,
            outputs: 1,
        };
        let rows = |value: f32| vec![value, 1.0, -2.0, 0.5, -value, 1.0, 1.0, 0.5];
        let work = LinearWork::new(layer, rows(seen), rows(meant), 1);
        let scheme = scheme.parse().expect("it is a scheme");
        work.parts(&[(Node::FfnOut, scheme)], &[1.0])
    }

    #[test]
    fn inputs_beyond_numbers_are_refused_by_schemes_that_look_at_them() {
        for (seen, meant) in [
            (1e30, 1.0),
            (1.0, f32::INFINITY),
            (f32::NAN, 1.0),
            (1.0, f32::NAN),
        ] {
            for scheme in ["w4-gptq", "2:4-sparsegpt", "2:4-wanda"] {
                let found = encoded(seen, meant, scheme);
                assert!(matches!(found, Err(EncodeError::Inputs)), "{seen} {meant}");
            }
            assert!(encoded(seen, meant, "w4").is_ok());
        }
        assert!(encoded(1.0, 1.0, "w4-gptq").is_ok());
    }
}
