//! One output channel: its weights, and the codes that stand for them.

use super::codebook::Codebook;
use super::hessian::{Hessian, add_scaled};

/// What is fixed about every channel of a matrix.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Codes that may be used.
    pub codebook: Codebook,
    /// Inputs that share a scale, or 0.
    pub group: usize,
}

/// Codes of a channel.
///
/// The weight at `i` is what `codes[i]` gives at its scale, in units of `step`.
#[derive(Clone, Debug)]
pub struct Channel {
    /// The float weights that it stands for, in units of `step`.
    pub target: Vec<f32>,
    /// Value of one unit.
    pub step: f32,
    /// Scale of each group in eighths; one scale of eight where there are no groups.
    pub scales: Vec<u8>,
    /// Codes.
    pub codes: Vec<i8>,
    /// The weights that the codes stand for.
    pub values: Vec<f32>,
    /// Which weights may be other than zero.
    pub kept: Vec<bool>,
}

/// The pairs of a four that may be kept.
pub const PAIRS: [(usize, usize); 6] = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)];

/// Pairs of a four of `len` weights, which at the end of the matrix may be less than four.
pub fn pairs(len: usize) -> impl Iterator<Item = (usize, usize)> {
    PAIRS.into_iter().filter(move |pair| pair.1 < len.max(2))
}

impl Channel {
    /// Scale of weight `index`.
    pub fn scale(&self, index: usize, group: usize) -> u8 {
        match index.checked_div(group) {
            Some(group) => self.scales[group],
            None => self.scales[0],
        }
    }

    /// Rounds each kept weight alone.
    pub fn round(&mut self, rules: &Rules) {
        for i in 0..self.target.len() {
            self.set(i, self.target[i], rules);
        }
    }

    fn set(&mut self, i: usize, target: f32, rules: &Rules) {
        (self.codes[i], self.values[i]) = match self.kept[i] {
            true => rules.codebook.nearest(target, self.scale(i, rules.group)),
            false => (0, 0.0),
        };
    }

    /// Chooses codes four by four in the order of `hessian`, each such that it makes good for the
    /// errors of those before it as well as it can. With `free`, it also chooses which two of each
    /// four are kept, by trying all pairs; else `kept` says it.
    pub fn feedback(&mut self, hessian: &Hessian, rules: &Rules, free: bool) {
        let k = hessian.k;
        // Column i of R times the errors so far.
        let mut carried = vec![0.0f32; k];
        let mut place = 0;
        while place < k {
            let first = hessian.order[place];
            let len = (k - first).min(4);
            if free {
                self.choose_pair(hessian, rules, &carried, place);
            } else {
                self.choose_four(hessian, rules, &carried, place);
            }
            for offset in 0..len {
                let error = self.target[first + offset] - self.values[first + offset];
                let row = &hessian.factor[(place + offset) * k..][..k];
                add_scaled(&mut carried[place + len..], &row[place + len..], error);
            }
            place += len;
        }
    }

    /// Chooses the kept codes of the four at `place` of the order; returns what it adds to the
    /// squared error.
    fn choose_four(
        &mut self,
        hessian: &Hessian,
        rules: &Rules,
        carried: &[f32],
        place: usize,
    ) -> f32 {
        let k = hessian.k;
        let first = hessian.order[place];
        let mut errors = [0.0f32; 4];
        let mut cost = 0.0;
        for offset in 0..(k - first).min(4) {
            let factor = |row: usize| hessian.factor[(place + row) * k + place + offset];
            let mut carry = carried[place + offset];
            for (row, error) in errors[..offset].iter().enumerate() {
                carry += factor(row) * error;
            }
            let diagonal = factor(offset);
            let target = self.target[first + offset];
            self.set(first + offset, target + carry / diagonal, rules);
            errors[offset] = target - self.values[first + offset];
            let left = diagonal * errors[offset] + carry;
            cost += left * left;
        }
        cost
    }

    /// Keeps the pair of the four at `place` that costs least, among weights that may be kept.
    fn choose_pair(&mut self, hessian: &Hessian, rules: &Rules, carried: &[f32], place: usize) {
        let first = hessian.order[place];
        let len = (hessian.k - first).min(4);
        let allowed: Vec<bool> = self.kept[first..first + len].to_vec();
        let mut best: Option<(f32, (usize, usize))> = None;
        for pair in pairs(len) {
            self.keep_pair(first, pair, &allowed);
            let cost = self.choose_four(hessian, rules, carried, place);
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, pair));
            }
        }
        if let Some((_, pair)) = best {
            self.keep_pair(first, pair, &allowed);
            self.choose_four(hessian, rules, carried, place);
        }
    }

    fn keep_pair(&mut self, first: usize, pair: (usize, usize), allowed: &[bool]) {
        for (offset, allowed) in allowed.iter().enumerate() {
            self.kept[first + offset] = *allowed && (offset == pair.0 || offset == pair.1);
        }
    }

    /// Keeps the two of each four that have the highest scores, among those that may be kept.
    pub fn keep_best(&mut self, importance: impl Fn(usize, f32) -> f32) {
        let k = self.target.len();
        for first in (0..k).step_by(4) {
            let mut four: Vec<usize> = (first..(first + 4).min(k)).collect();
            let score = |i: usize| match self.kept[i] {
                true => importance(i, self.target[i]),
                false => -1.0,
            };
            four.sort_by(|a, b| score(*b).total_cmp(&score(*a)));
            for dropped in four.iter().skip(2) {
                self.kept[*dropped] = false;
            }
        }
    }

    /// Errors of the weights, in units of the step.
    pub fn errors(&self) -> Vec<f32> {
        let pairs = self.target.iter().zip(&self.values);
        pairs.map(|(target, value)| target - value).collect()
    }
}
