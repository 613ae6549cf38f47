//! What the error of a weight costs: second moments of a layer's inputs, and their factor.
//!
//! With inputs `x` and an error `e` of an output channel's weights, the squared error of the result
//! over all inputs is `e^T H e` with `H = sum x x^T` (Optimal Brain Surgeon; GPTQ,
//! arXiv:2210.17323). With `H = R R^T` and R upper triangular that is the sum of the squares of
//! `R^T e`, of which term `i` depends on the first `i` errors only: weights that are chosen one
//! after the other make their term small, given the errors so far. This is GPTQ's feedback without
//! an inverse.

use crate::model::float::multiply;
use crate::model::math::vectorised;

/// Rows of inputs that are multiplied together, so that they stay in the cache.
const CHUNK: usize = 256;

/// Sums over the inputs of a layer in calibration.
#[derive(Clone, Debug)]
pub struct Moments {
    /// Inputs.
    pub k: usize,
    /// Mean of each input.
    pub mean: Vec<f32>,
    /// Covariances, `k x k`.
    pub covariance: Vec<f32>,
}

impl Moments {
    /// Moments of rows of `k` values.
    pub fn of(rows: &[f32], k: usize, threads: usize) -> Self {
        let mean = mean(rows, k);
        let centred = centred(rows, &mean);
        let covariance = products(&centred, k, &centred, k, threads);
        Self {
            k,
            mean,
            covariance,
        }
    }
}

/// Mean of each of `width` columns.
pub fn mean(rows: &[f32], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0f64; width];
    for row in rows.chunks_exact(width) {
        sums.iter_mut()
            .zip(row)
            .for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let count = (rows.len() / width).max(1) as f64;
    sums.iter().map(|sum| (sum / count) as f32).collect()
}

/// Rows less their mean.
pub fn centred(rows: &[f32], mean: &[f32]) -> Vec<f32> {
    let rows = rows.chunks_exact(mean.len());
    rows.flat_map(|row| row.iter().zip(mean).map(|(value, mean)| value - mean))
        .collect()
}

/// `a^T b` over the number of rows: `m x n` mean products of the columns of rows of `m` and `n`.
pub fn products(a: &[f32], m: usize, b: &[f32], n: usize, threads: usize) -> Vec<f32> {
    let rows = a.len() / m;
    let mut out = vec![0.0f32; m * n];
    let band = m.div_ceil(threads.max(1)).next_multiple_of(4);
    std::thread::scope(|scope| {
        for (index, out) in out.chunks_mut(band * n).enumerate() {
            scope.spawn(move || {
                let (first, count) = (index * band, out.len() / n);
                for (a, b) in a.chunks(CHUNK * m).zip(b.chunks(CHUNK * n)) {
                    let depth = a.len() / m;
                    let mut transposed = vec![0.0; count * depth];
                    for (row, a) in a.chunks_exact(m).enumerate() {
                        for (column, value) in a[first..first + count].iter().enumerate() {
                            transposed[column * depth + row] = *value;
                        }
                    }
                    multiply(&transposed, b, depth, n, out);
                }
            });
        }
    });
    let factor = 1.0 / rows.max(1) as f32;
    out.iter_mut().for_each(|value| *value *= factor);
    out
}

/// A damped matrix of second moments and its factor.
#[derive(Clone, Debug)]
pub struct Hessian {
    /// Inputs.
    pub k: usize,
    /// The matrix, `k x k`, in the order of inputs.
    pub matrix: Vec<f32>,
    /// Inputs in the order in which their weights are chosen: fours of neighbours stay together,
    /// those whose inputs are largest come first.
    pub order: Vec<usize>,
    /// R of `H = R R^T` in that order, upper triangular, `k x k`.
    pub factor: Vec<f32>,
}

impl Hessian {
    /// Takes `k x k` second moments; `damping` times their mean is added to the diagonal, more
    /// where the matrix would not be positive definite otherwise. `None` if a moment is not a finite
    /// number, or no finite one makes the matrix positive definite.
    pub fn new(mut matrix: Vec<f32>, k: usize, damping: f32) -> Option<Self> {
        if !matrix.iter().all(|moment| moment.is_finite()) {
            return None;
        }
        let trace: f64 = (0..k).map(|i| f64::from(matrix[i * k + i])).sum();
        let mean = (trace / k as f64) as f32;
        // Inputs that are always zero: any weights will do.
        let mean = if mean > 0.0 { mean } else { 1.0 };
        let order = order(&matrix, k);
        let mut added = damping * mean;
        let mut total = 0.0;
        loop {
            for i in 0..k {
                matrix[i * k + i] += added - total;
            }
            total = added;
            if !(0..k).all(|i| matrix[i * k + i].is_finite()) {
                return None;
            }
            if let Some(factor) = factor(&matrix, k, &order) {
                return Some(Self {
                    k,
                    matrix,
                    order,
                    factor,
                });
            }
            added = (2.0 * added).max(1e-6 * mean).max(f32::MIN_POSITIVE);
        }
    }

    /// Diagonal of the matrix.
    pub fn diagonal(&self) -> Vec<f32> {
        (0..self.k).map(|i| self.matrix[i * self.k + i]).collect()
    }

    /// `H x`.
    pub fn times(&self, x: &[f32]) -> Vec<f32> {
        let rows = self.matrix.chunks_exact(self.k);
        rows.map(|row| dot(row, x)).collect()
    }

    /// The `x` with `H x = b`, in place.
    pub fn solve(&self, b: &mut [f32]) {
        let k = self.k;
        let mut x: Vec<f32> = self.order.iter().map(|input| b[*input]).collect();
        for i in (0..k).rev() {
            let row = &self.factor[i * k..(i + 1) * k];
            x[i] = (x[i] - dot(&row[i + 1..], &x[i + 1..])) / row[i];
        }
        for i in 0..k {
            let row = &self.factor[i * k..(i + 1) * k];
            let value = x[i] / row[i];
            x[i] = value;
            add_scaled(&mut x[i + 1..], &row[i + 1..], -value);
        }
        for (input, value) in self.order.iter().zip(x) {
            b[*input] = value;
        }
    }
}

/// Fours of inputs, those of the largest moments first; the last, where it is not whole, stays
/// last.
fn order(matrix: &[f32], k: usize) -> Vec<usize> {
    let four = |first: usize| first..(first + 4).min(k);
    let weight = |first: usize| -> f32 { four(first).map(|i| matrix[i * k + i]).sum() };
    let mut fours: Vec<usize> = (0..k).step_by(4).collect();
    let whole = k / 4;
    fours[..whole].sort_by(|a, b| weight(*b).total_cmp(&weight(*a)));
    fours.into_iter().flat_map(four).collect()
}

/// R of `H = R R^T` for the permuted matrix, or `None` if it is not positive definite.
fn factor(matrix: &[f32], k: usize, order: &[usize]) -> Option<Vec<f32>> {
    let mut r = vec![0.0f64; k * k];
    for j in (0..k).rev() {
        let column = order[j];
        let (upper, row) = r.split_at_mut(j * k);
        let tail = &row[j + 1..k];
        let square = f64::from(matrix[column * k + column]) - dot64(tail, tail);
        // Half of the precision of the entries is noise by then.
        let floor = 1e-7 * f64::from(matrix[column * k + column]);
        if square.is_nan() || square <= floor {
            return None;
        }
        let pivot = square.sqrt();
        for i in 0..j {
            let above = &mut upper[i * k..(i + 1) * k];
            let value = f64::from(matrix[order[i] * k + column]) - dot64(&above[j + 1..], tail);
            above[j] = value / pivot;
        }
        row[j] = pivot;
    }
    Some(r.into_iter().map(|value| value as f32).collect())
}

vectorised! {
    fn dot64(a: &[f64], b: &[f64]) -> f64 {
        let mut lanes = [0.0f64; 8];
        let (a, b) = (a.as_chunks::<8>(), b.as_chunks::<8>());
        for (a, b) in a.0.iter().zip(b.0) {
            for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
                *lane += a * b;
            }
        }
        let rest: f64 = a.1.iter().zip(b.1).map(|(a, b)| a * b).sum();
        lanes.iter().sum::<f64>() + rest
    }
}

vectorised! {
    /// Sum of products.
    pub fn dot(a: &[f32], b: &[f32]) -> f32 {
        let mut lanes = [0.0f32; 16];
        let (a, b) = (a.as_chunks::<16>(), b.as_chunks::<16>());
        for (a, b) in a.0.iter().zip(b.0) {
            for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
                *lane += a * b;
            }
        }
        let rest: f32 = a.1.iter().zip(b.1).map(|(a, b)| a * b).sum();
        lanes.iter().sum::<f32>() + rest
    }
}

vectorised! {
    /// Adds `factor * row` to `sums`.
    pub fn add_scaled(sums: &mut [f32], row: &[f32], factor: f32) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += factor * value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that look random.
    fn noise(count: usize) -> Vec<f32> {
        let mut state = 7u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn moments_are_those_of_the_definition() {
        let (rows, k) = (301, 7);
        let values = noise(rows * k);
        let moments = Moments::of(&values, k, 3);
        for i in 0..k {
            let mean = |i: usize| -> f64 {
                let column = values.iter().skip(i).step_by(k);
                column.map(|value| f64::from(*value)).sum::<f64>() / rows as f64
            };
            assert!((f64::from(moments.mean[i]) - mean(i)).abs() < 1e-6);
            for j in 0..k {
                let product =
                    |row: &[f32]| (f64::from(row[i]) - mean(i)) * (f64::from(row[j]) - mean(j));
                let sum: f64 = values.chunks_exact(k).map(product).sum();
                let got = f64::from(moments.covariance[i * k + j]);
                assert!((got - sum / rows as f64).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn the_factor_gives_the_matrix_and_solves_with_it() {
        for k in [1, 3, 8, 21, 40] {
            let values = noise(90 * k);
            let hessian = Hessian::new(Moments::of(&values, k, 1).covariance, k, 0.01)
                .expect("the moments are finite");
            for i in 0..k {
                for j in 0..k {
                    let row = |i: usize| &hessian.factor[i * k..(i + 1) * k];
                    let product = dot(row(i), row(j));
                    let entry = hessian.matrix[hessian.order[i] * k + hessian.order[j]];
                    assert!((product - entry).abs() < 1e-4, "{product} {entry}");
                    assert!(j >= i || row(i)[j] == 0.0);
                }
            }
            let x = noise(k);
            let mut b = hessian.times(&x);
            hessian.solve(&mut b);
            assert!(b.iter().zip(&x).all(|(b, x)| (b - x).abs() < 1e-3));
        }
    }

    #[test]
    fn matrices_of_low_rank_are_damped_until_they_have_a_factor() {
        let ones = vec![1.0f32; 64];
        let smallest = vec![1e-42; 64];
        for (matrix, damping) in [(ones, 0.0), (vec![0.0; 64], 0.01), (smallest, 0.0)] {
            let hessian = Hessian::new(matrix, 8, damping).expect("the moments are finite");
            assert!(hessian.factor.iter().all(|value| value.is_finite()));
        }
    }

    #[test]
    fn moments_that_are_no_numbers_have_no_factor() {
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in [0, 1, 9, 63] {
                let mut matrix = vec![0.0; 64];
                (0..8).for_each(|i| matrix[i * 9] = 1.0);
                matrix[at] = wrong;
                assert!(Hessian::new(matrix, 8, 0.01).is_none(), "{wrong} at {at}");
            }
        }
        // Only a sum beyond all numbers would outweigh these.
        assert!(Hessian::new(vec![f32::MAX; 64], 8, 0.0).is_none());
        assert!(Hessian::new(vec![1.0; 64], 8, f32::NAN).is_none());
        assert!(Hessian::new(vec![1.0; 64], 8, f32::INFINITY).is_none());
    }
}
