//! CPU or device: a comparison of times, and a sentence that says how it came out.

use crate::backend::Place;

/// How fast the two places are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Clock of the card in cycles a second of wall time; of a simulated card what the simulation
    /// reaches, or the clock that the card is meant to have.
    pub card_hz: f64,
    /// Multiply-accumulates a second that the CPU kernels reach.
    pub cpu_macs: f64,
    /// Seconds that one program costs outside of the card: pack, submit, unpack.
    pub overhead: f64,
}

/// Where a product should run and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Where.
    pub place: Place,
    /// Why, in words.
    pub reason: String,
}

/// Picks the place that ends first: `macs` multiply-accumulates, foreseen to take `cycles` on the
/// card.
pub fn choose(macs: u64, cycles: u64, rates: &Rates) -> Choice {
    let device = cycles as f64 / rates.card_hz + rates.overhead;
    let cpu = macs as f64 / rates.cpu_macs;
    let (device_us, cpu_us) = (device * 1e6, cpu * 1e6);
    if device <= cpu {
        let reason = format!(
            "the card is foreseen to take {device_us:.1} us ({cycles} cycles), the CPU {cpu_us:.1} us"
        );
        Choice {
            place: Place::Device,
            reason,
        }
    } else {
        let reason = format!(
            "the CPU is foreseen to take {cpu_us:.1} us, the card {device_us:.1} us ({cycles} cycles)"
        );
        Choice {
            place: Place::Cpu,
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faster_place_wins_and_says_so() {
        let rates = Rates {
            card_hz: 1e8,
            cpu_macs: 1e10,
            overhead: 1e-5,
        };
        let small = choose(1_000, 500, &rates);
        assert_eq!(small.place, Place::Cpu);
        assert!(
            small.reason.contains("the CPU is foreseen to take 0.1 us"),
            "{}",
            small.reason
        );
        assert_eq!(choose(1 << 30, 4 << 20, &rates).place, Place::Device);
    }
}
