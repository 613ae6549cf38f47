//! Codes and scales improved one after the other until little is left to gain.
//!
//! Error feedback never returns to a weight that it has chosen. Coordinate descent does: each code,
//! each pair of a four and each group scale is set to what is best given all others, so that the
//! squared error of the results only falls (as in QuantEase, arXiv:2309.01885, here with the
//! card's own weights, masks and integer scales).

use super::channel::{Channel, Rules, pairs};
use super::hessian::{Hessian, add_scaled, dot};

/// Times that everything is gone through.
const SWEEPS: usize = 4;

/// How far scales are tried from where they are, in the first sweep and in later ones.
const SCALE_STEPS: [&[i16]; 2] = [&[-10, -5, -2, -1, 1, 2, 5, 10], &[-2, -1, 1, 2]];

/// Fall of the squared error below which a change is rounding noise, as a part of the step's own.
const NOISE: f32 = 1e-4;

/// Improves `channel`; with `free`, the pairs that are kept of each four may change, but `barred`
/// weights stay zero.
pub fn polish(
    channel: &mut Channel,
    hessian: &Hessian,
    rules: &Rules,
    free: bool,
    barred: &[bool],
) {
    let mut state = State {
        wanted: hessian.times(&channel.target),
        gradient: hessian.times(&channel.errors()),
        channel,
        hessian,
        rules,
    };
    for sweep in 0..SWEEPS {
        state.fit_step();
        if rules.group > 0 {
            state.sweep_scales(SCALE_STEPS[sweep.min(1)]);
        }
        let changed = match free {
            true => state.sweep_pairs(barred),
            false => state.sweep_codes(),
        };
        if changed == 0 {
            break;
        }
    }
    state.fit_step();
}

/// Place of a weight, its code and its value.
type Code = (usize, i8, f32);

struct State<'a> {
    channel: &'a mut Channel,
    hessian: &'a Hessian,
    rules: &'a Rules,
    /// `H target`.
    wanted: Vec<f32>,
    /// `H (target - values)`.
    gradient: Vec<f32>,
}

impl State<'_> {
    fn entry(&self, i: usize, j: usize) -> f32 {
        self.hessian.matrix[i * self.hessian.k + j]
    }

    /// Sets weight `i`, and what follows from it.
    fn set(&mut self, i: usize, code: i8, value: f32) {
        let change = value - self.channel.values[i];
        self.channel.codes[i] = code;
        if change != 0.0 {
            self.channel.values[i] = value;
            let k = self.hessian.k;
            let row = &self.hessian.matrix[i * k..(i + 1) * k];
            add_scaled(&mut self.gradient, row, -change);
        }
    }

    /// Changes the step to the best for these values, and the targets with it.
    fn fit_step(&mut self) {
        let values = &self.channel.values;
        let have: Vec<f32> = self
            .wanted
            .iter()
            .zip(&self.gradient)
            .map(|(wanted, gradient)| wanted - gradient)
            .collect();
        let (along, square) = (dot(values, &self.wanted), dot(values, &have));
        let factor = along / square;
        // Far from one it is noise of a channel that hardly counts.
        if !(0.5..2.0).contains(&factor) {
            return;
        }
        self.channel.step *= factor;
        let inverse = 1.0 / factor;
        for target in &mut self.channel.target {
            *target *= inverse;
        }
        for ((wanted, gradient), have) in self.wanted.iter_mut().zip(&mut self.gradient).zip(&have)
        {
            *wanted *= inverse;
            *gradient = *wanted - have;
        }
    }

    fn sweep_codes(&mut self) -> usize {
        let mut changed = 0;
        for i in 0..self.hessian.k {
            if !self.channel.kept[i] {
                continue;
            }
            let now = self.channel.values[i];
            let best = now + self.gradient[i] / self.entry(i, i);
            let scale = self.channel.scale(i, self.rules.group);
            let (code, value) = self.rules.codebook.nearest(best, scale);
            if (value - best).abs() < (now - best).abs() - NOISE {
                self.set(i, code, value);
                changed += 1;
            }
        }
        changed
    }

    /// Tries other scales for each group, with the codes that then are best one after the other.
    fn sweep_scales(&mut self, steps: &[i16]) {
        let k = self.hessian.k;
        for group in 0..self.channel.scales.len() {
            let range = group * self.rules.group..((group + 1) * self.rules.group).min(k);
            let now = i16::from(self.channel.scales[group]);
            let mut best: Option<(f32, u8, Vec<Code>)> = None;
            for step in steps {
                let Ok(scale) = u8::try_from(now + step) else {
                    continue;
                };
                let (fall, codes) = self.try_scale(range.clone(), scale);
                let floor = NOISE * self.entry(range.start, range.start);
                if fall > best.as_ref().map_or(floor, |best| best.0) {
                    best = Some((fall, scale, codes));
                }
            }
            if let Some((_, scale, codes)) = best {
                self.channel.scales[group] = scale;
                for (i, code, value) in codes {
                    self.set(i, code, value);
                }
            }
        }
    }

    /// How much the squared error falls with another scale of the inputs `range`, and the codes.
    fn try_scale(&self, range: std::ops::Range<usize>, scale: u8) -> (f32, Vec<Code>) {
        let k = self.hessian.k;
        let mut gradient = self.gradient[range.clone()].to_vec();
        let mut codes = Vec::with_capacity(range.len());
        let mut fall = 0.0;
        for i in range.clone() {
            if !self.channel.kept[i] {
                continue;
            }
            let now = self.channel.values[i];
            let square = self.entry(i, i);
            let local = gradient[i - range.start];
            let (code, value) = self.rules.codebook.nearest(now + local / square, scale);
            codes.push((i, code, value));
            let change = value - now;
            if change != 0.0 {
                fall += change * (2.0 * local - change * square);
                let row = &self.hessian.matrix[i * k..][range.clone()];
                add_scaled(&mut gradient, row, -change);
            }
        }
        (fall, codes)
    }

    fn sweep_pairs(&mut self, barred: &[bool]) -> usize {
        let k = self.hessian.k;
        let mut changed = 0;
        for first in (0..k).step_by(4) {
            let len = (k - first).min(4);
            let now = &self.channel.values[first..first + len];
            let mut best = (NOISE * self.entry(first, first), None);
            for pair in pairs(len) {
                let allowed = |offset: usize| offset < len && !barred[first + offset];
                let kept = [pair.0, pair.1].map(|offset| (offset, allowed(offset)));
                // Both orders: the second weight makes good for the rounding of the first.
                for kept in [kept, [kept[1], kept[0]]] {
                    let (fall, codes) = self.try_pair(first, now, kept);
                    if fall > best.0 {
                        best = (fall, Some((kept, codes)));
                    }
                }
            }
            if let (_, Some((kept, codes))) = best {
                for (offset, (code, value)) in codes.into_iter().enumerate().take(len) {
                    let stays = kept.contains(&(offset, true));
                    self.channel.kept[first + offset] = stays;
                    self.set(first + offset, code, value);
                }
                changed += 1;
            }
        }
        changed
    }

    /// How much the squared error falls if of the four at `first` only `kept` stay, and the codes.
    fn try_pair(
        &self,
        first: usize,
        now: &[f32],
        kept: [(usize, bool); 2],
    ) -> (f32, [(i8, f32); 4]) {
        let mut gradient = [0.0f32; 4];
        gradient[..now.len()].copy_from_slice(&self.gradient[first..first + now.len()]);
        let mut codes = [(0i8, 0.0f32); 4];
        let mut fall = 0.0;
        let mut change = |offset: usize, by: f32, gradient: &mut [f32; 4]| {
            let square = self.entry(first + offset, first + offset);
            fall += by * (2.0 * gradient[offset] - by * square);
            for (other, gradient) in gradient.iter_mut().enumerate().take(now.len()) {
                *gradient -= by * self.entry(first + offset, first + other);
            }
        };
        // The others become zero first, so that those that stay can make good for them.
        for (offset, value) in now.iter().enumerate() {
            if !kept.contains(&(offset, true)) {
                change(offset, -value, &mut gradient);
            }
        }
        let kept: Vec<usize> = kept
            .iter()
            .filter(|(_, allowed)| *allowed)
            .map(|(offset, _)| *offset)
            .collect();
        for (turn, &offset) in kept.iter().enumerate() {
            let i = first + offset;
            let (mut local, mut square) = (gradient[offset], self.entry(i, i));
            if let (0, Some(&other)) = (turn, kept.get(1)) {
                // What the other one can still make good does not count.
                let j = first + other;
                let share = self.entry(i, j) / self.entry(j, j);
                local -= share * gradient[other];
                square -= share * self.entry(i, j);
            }
            let target = now[offset] + local / square;
            let scale = self.channel.scale(i, self.rules.group);
            codes[offset] = self.rules.codebook.nearest(target, scale);
            change(offset, codes[offset].1 - now[offset], &mut gradient);
        }
        (fall, codes)
    }
}
