//! First choice of steps and group scales, each weight counted by its importance.

use isa::weights::SCALE_ONE;

use super::channel::{Channel, Rules};
use super::codebook::Codebook;

/// Parts of the largest weight that the largest code is tried at.
const CLIPS: [f32; 14] = [
    1.06, 1.0, 0.96, 0.92, 0.88, 0.84, 0.8, 0.76, 0.72, 0.68, 0.64, 0.6, 0.55, 0.5,
];

/// The channel of `weights` with codes of zero, `kept` of which may change; `importance` is what
/// the square of each weight's error counts.
///
/// Eight bits without groups reach as far as the largest weight; narrower codes, where it costs
/// less, do not.
pub fn channel(weights: &[f32], kept: Vec<bool>, importance: &[f32], rules: &Rules) -> Channel {
    let k = weights.len();
    let largest = weights.iter().fold(0.0f32, |a, b| a.max(b.abs()));
    let high = f32::from(rules.codebook.high());
    let scales = match rules.group {
        0 => vec![SCALE_ONE],
        group => vec![0; k.div_ceil(group)],
    };
    let mut channel = Channel {
        target: Vec::new(),
        step: 0.0,
        scales,
        codes: vec![0; k],
        values: vec![0.0; k],
        kept,
    };
    channel.step = match rules.group {
        0 if rules.codebook.high() == i8::MAX => largest / high,
        0 => best_step(
            weights,
            largest / high,
            &channel.kept,
            importance,
            rules.codebook,
        ),
        // The largest scale must suffice for the largest weight.
        _ => largest / (high * f32::from(u8::MAX) / f32::from(SCALE_ONE)).min(f32::from(i8::MAX)),
    };
    let inverse = if channel.step > 0.0 {
        1.0 / channel.step
    } else {
        0.0
    };
    channel.target = weights.iter().map(|weight| weight * inverse).collect();
    if rules.group > 0 {
        for group in 0..channel.scales.len() {
            let range = group * rules.group..((group + 1) * rules.group).min(k);
            let kept = &channel.kept[range.clone()];
            let (targets, importance) = (&channel.target[range.clone()], &importance[range]);
            channel.scales[group] = best_scale(targets, kept, importance, rules.codebook);
        }
    }
    channel
}

fn cost(
    targets: &[f32],
    inverse: f32,
    kept: &[bool],
    importance: &[f32],
    codebook: Codebook,
    scale: u8,
) -> f32 {
    let weights = targets.iter().zip(kept).zip(importance);
    weights
        .filter(|((_, kept), _)| **kept)
        .map(|((target, _), importance)| {
            let target = target * inverse;
            let error = codebook.nearest(target, scale).1 - target;
            error * error * importance
        })
        .sum()
}

fn best_step(
    weights: &[f32],
    full: f32,
    kept: &[bool],
    importance: &[f32],
    codebook: Codebook,
) -> f32 {
    let mut best = (f32::INFINITY, full);
    for clip in CLIPS {
        let step = full * clip;
        if step > 0.0 {
            let inverse = 1.0 / step;
            let cost = cost(weights, inverse, kept, importance, codebook, SCALE_ONE) * step * step;
            if cost < best.0 {
                best = (cost, step);
            }
        }
    }
    best.1
}

fn best_scale(targets: &[f32], kept: &[bool], importance: &[f32], codebook: Codebook) -> u8 {
    let weights = targets.iter().zip(kept);
    let largest = weights.fold(0.0f32, |a, (b, kept)| match kept {
        true => a.max(b.abs()),
        false => a,
    });
    let full = largest * f32::from(SCALE_ONE) / f32::from(codebook.high());
    let mut best = (f32::INFINITY, 0);
    let mut last = 0;
    for clip in CLIPS {
        let scale = (full * clip).round().clamp(0.0, 255.0) as u8;
        if scale == last {
            continue;
        }
        last = scale;
        let cost = cost(targets, 1.0, kept, importance, codebook, scale);
        if cost < best.0 {
            best = (cost, scale);
        }
    }
    best.1
}
