//! A linear layer to be encoded: its float weights, and what it sees in calibration.

use std::sync::OnceLock;

use super::compress::compress;
use super::compress::hessian::{Hessian, Moments, centred, mean, products};
use super::linear::{Part, column};
use super::nodes::Node;
use super::scheme::Scheme;
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
    calibrated: OnceLock<Calibrated>,
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

    /// The encoded parts, of equal numbers of outputs; `None` if a scale cannot be represented.
    pub fn parts(&self, parts: &[(Node, Scheme)], units: &[f32]) -> Option<Vec<Part>> {
        let n = self.layer.outputs / parts.len();
        let parts = parts.iter().zip(units.chunks_exact(n)).enumerate();
        parts
            .map(|(index, ((node, scheme), units))| self.part(index * n, *node, scheme, units))
            .collect()
    }

    /// The outputs from `first` on, one for each of `units`.
    fn part(&self, first: usize, node: Node, scheme: &Scheme, units: &[f32]) -> Option<Part> {
        let (k, n) = (self.layer.inputs, units.len());
        let range = first * k..(first + n) * k;
        let weights = &self.layer.weights[range.clone()];
        let calibrated = scheme.is_calibrated().then(|| self.calibrated());
        let (target, hessian) = match calibrated {
            Some(it) => (&it.weights[range], Some(&it.hessian)),
            None => (weights, None),
        };
        let compressed = compress(target, k, hessian, scheme, self.threads);
        let mut columns = Vec::with_capacity(n);
        for (index, unit) in units.iter().enumerate() {
            let mut bias = f64::from(self.layer.bias[first + index]);
            if let Some(it) = calibrated {
                // The mean of the result stays what it was in floats (arXiv:1906.04721).
                let [seen, meant] = &it.means;
                bias += product(&weights[index * k..(index + 1) * k], meant);
                bias -= product(&compressed.weights(index), seen);
            }
            columns.push(column(compressed.steps[index], bias as f32, *unit)?);
        }
        let encoding = compressed.encoding;
        let weights = match scheme.is_dense_int8() {
            true => Weights::new(k, n, Layout::RowMajor, encoding.codes),
            // What `compress` gives never contradicts itself.
            false => Weights::encoded(encoding).ok()?,
        };
        Some(Part {
            node,
            weights,
            columns,
        })
    }

    fn calibrated(&self) -> &Calibrated {
        self.calibrated.get_or_init(|| {
            let (k, n) = (self.layer.inputs, self.layer.outputs);
            let moments = Moments::of(&self.seen, k, self.threads);
            let hessian = Hessian::new(moments.covariance, k, DAMPING);
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
            Calibrated {
                hessian,
                means,
                weights,
            }
        })
    }
}

fn product(a: &[f32], b: &[f32]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}
