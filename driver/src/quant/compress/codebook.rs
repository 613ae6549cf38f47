//! The weights that codes stand for.

use isa::weights::{SCALE_ONE, code_range, widen};

use crate::model::math::round;

/// The codes that may be used, lowest and highest. A weight of -128 is never among them.
#[derive(Clone, Copy, Debug)]
pub struct Codebook {
    low: i8,
    high: i8,
}

impl Codebook {
    /// The codes of `bits` bits.
    pub fn new(bits: u8) -> Self {
        let (low, high) = code_range(bits);
        Self {
            low: low.max(-i8::MAX),
            high,
        }
    }

    /// Highest code.
    pub fn high(self) -> i8 {
        self.high
    }

    /// The code whose weight at this scale is nearest to `target`, and that weight.
    #[inline(always)]
    pub fn nearest(self, target: f32, scale: u8) -> (i8, f32) {
        let (low, high) = (f32::from(self.low), f32::from(self.high));
        // A scale of zero makes every code zero.
        let factor = f32::from(SCALE_ONE) / f32::from(scale.max(1));
        let guess = (target * factor).clamp(low, high);
        let guess = round(guess) as i8;
        let weight = |code: i8| f32::from(widen(code, Some(scale)));
        let mut best = (guess, weight(guess));
        if scale == SCALE_ONE {
            return best;
        }
        // The weight is rounded too, so that the neighbour on the target's side may be nearer.
        let side = if best.1 < target { 1 } else { -1 };
        let code = guess.saturating_add(side);
        if code >= self.low && code <= self.high {
            let value = weight(code);
            if (value - target).abs() < (best.1 - target).abs() {
                best = (code, value);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_code_is_nearer() {
        for bits in 2..=8 {
            let (low, high) = code_range(bits);
            for scale in [0u8, 1, 3, 8, 9, 20, 77, 145, 255] {
                for step in -300..=300 {
                    let target = step as f32 * 0.5 + 0.13;
                    let (code, value) = Codebook::new(bits).nearest(target, scale);
                    assert_eq!(value, f32::from(widen(code, Some(scale))));
                    assert!(value > -128.0);
                    for other in low.max(-127)..=high {
                        let other = f32::from(widen(other, Some(scale)));
                        assert!(
                            (value - target).abs() <= (other - target).abs() + 1e-4,
                            "{bits} bits, scale {scale}: {value} for {target}, not {other}"
                        );
                    }
                }
            }
        }
    }
}
