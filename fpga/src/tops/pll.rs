//! What a PLL is set to.

use crate::boards::Part;

/// One divider in front of the comparison, one multiplier and one divider behind the oscillator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pll {
    /// Clock that comes in, MHz.
    pub input_mhz: f64,
    /// The oscillator runs so many times as fast.
    pub multiply: u32,
    /// The output so many times slower than the oscillator.
    pub divide: u32,
}

/// No PLL of the part gives a clock.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "the PLL cannot make {wanted_mhz} MHz of {input_mhz} MHz: choose from {least_mhz:.2} to \
     {most_mhz:.2} MHz"
)]
pub struct PllError {
    wanted_mhz: f64,
    input_mhz: f64,
    least_mhz: f64,
    most_mhz: f64,
}

/// What a family allows, in MHz where it is a clock.
struct Limits {
    oscillator: [f64; 2],
    multiply: [u32; 2],
    divide: [u32; 2],
    /// The slowest and the fastest that a design would run at.
    output: [f64; 2],
}

/// EHXPLLL of the slowest speed grade; the oscillator is compared through a divider of its own.
const ECP5: Limits = Limits {
    oscillator: [400.0, 800.0],
    multiply: [1, 128],
    divide: [1, 128],
    output: [20.0, 200.0],
};

/// PLLE2 of speed grade -1.
const XC7: Limits = Limits {
    oscillator: [800.0, 1600.0],
    multiply: [2, 64],
    divide: [1, 128],
    output: [20.0, 200.0],
};

impl Pll {
    /// The settings whose clock is the fastest that is not above `wanted_mhz`, with the oscillator
    /// as slow as it may be.
    ///
    /// # Errors
    /// A clock that is too slow or too fast for a design, or that the PLL cannot make.
    pub fn find(part: Part, input_mhz: f64, wanted_mhz: f64) -> Result<Self, PllError> {
        let limits = match part {
            Part::Ecp5 { .. } => ECP5,
            Part::Xc7 { .. } => XC7,
        };
        let refused = PllError {
            wanted_mhz,
            input_mhz,
            least_mhz: limits.output[0],
            most_mhz: limits.output[1],
        };
        if !(limits.output[0]..=limits.output[1]).contains(&wanted_mhz) {
            return Err(refused);
        }
        let mut best: Option<Self> = None;
        for multiply in limits.multiply[0]..=limits.multiply[1] {
            let oscillator = input_mhz * f64::from(multiply);
            if !(limits.oscillator[0]..=limits.oscillator[1]).contains(&oscillator) {
                continue;
            }
            for divide in limits.divide[0]..=limits.divide[1] {
                let pll = Self {
                    input_mhz,
                    multiply,
                    divide,
                };
                let fits = pll.mhz() <= wanted_mhz + 1e-9;
                if fits && best.is_none_or(|best| pll.mhz() > best.mhz() + 1e-9) {
                    best = Some(pll);
                }
            }
        }
        best.ok_or(refused)
    }

    /// The clock that comes out, MHz.
    pub fn mhz(&self) -> f64 {
        self.input_mhz * f64::from(self.multiply) / f64::from(self.divide)
    }

    /// The clock that comes out, to the next Hz.
    pub fn hz(&self) -> u32 {
        (self.mhz() * 1e6).round() as u32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::boards::Board;

    #[test]
    fn round_clocks_are_met_exactly() {
        for board in Board::ALL {
            for mhz in [25.0, 40.0, 50.0, 75.0, 80.0, 90.0, 100.0, 125.0, 200.0] {
                let pll = Pll::find(board.part(), board.clock().mhz, mhz).unwrap();
                assert!((pll.mhz() - mhz).abs() < 1e-9, "{board} {mhz} {pll:?}");
            }
            for odd in [0.0, -1.0, f64::NAN, 19.9, 200.1, f64::INFINITY] {
                assert!(
                    Pll::find(board.part(), board.clock().mhz, odd).is_err(),
                    "{odd}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn every_clock_is_within_the_limits(wanted in 20.0f64..200.0) {
            for (board, limits) in Board::ALL.into_iter().zip([ECP5, XC7]) {
                let pll = Pll::find(board.part(), board.clock().mhz, wanted).unwrap();
                let oscillator = pll.input_mhz * f64::from(pll.multiply);
                prop_assert!(limits.oscillator[0] <= oscillator);
                prop_assert!(oscillator <= limits.oscillator[1]);
                prop_assert!((limits.multiply[0]..=limits.multiply[1]).contains(&pll.multiply));
                prop_assert!((limits.divide[0]..=limits.divide[1]).contains(&pll.divide));
                prop_assert!(pll.mhz() <= wanted + 1e-9);
                prop_assert!(pll.mhz() >= wanted * 0.8, "{} for {}", pll.mhz(), wanted);
            }
        }
    }
}
