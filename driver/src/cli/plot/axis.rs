//! Axes with round numbers.

/// Lines of the grid that are aimed at.
const LINES: f64 = 6.0;

/// A range of values along an axis, from one line of its grid to another.
pub struct Axis {
    /// First line.
    pub low: f64,
    /// Last line.
    pub high: f64,
    step: f64,
}

impl Axis {
    /// The axis of `values`, which has no line below or above what values can be: `bounds`, multiples
    /// of every step.
    pub fn of(values: impl Iterator<Item = f64> + Clone, bounds: [f64; 2]) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(f64::NEG_INFINITY, f64::max);
        // A single value has room around it too.
        let span = (high - low).max(high.abs() * 1e-3).max(1e-9);
        let rough = span / LINES;
        let power = 10f64.powf(rough.log10().floor());
        let factors = [1.0, 2.0, 5.0, 10.0];
        let step = factors.map(|factor| factor * power);
        let step = step.into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(10.0 * power);
        Self {
            low: ((low / step - 0.2).floor() * step).max(bounds[0]),
            high: ((high / step + 0.2).ceil() * step).min(bounds[1]),
            step,
        }
    }

    /// Place of `value` between the ends, 0 to 1.
    pub fn place(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// Lines of the grid and their labels.
    pub fn lines(&self) -> impl Iterator<Item = (f64, String)> + '_ {
        let count = ((self.high - self.low) / self.step).round() as usize;
        let digits = (-self.step.log10().floor()).max(0.0) as usize;
        (0..=count).map(move |index| {
            let value = self.low + index as f64 * self.step;
            // Sums of steps miss zero by a little, which would show its sign.
            let value = if value.abs() < 1e-6 * self.step {
                0.0
            } else {
                value
            };
            (value, format!("{value:.digits$}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSINE: [f64; 2] = [-1.0, 1.0];

    fn labels(axis: &Axis) -> Vec<String> {
        axis.lines().map(|(_, label)| label).collect()
    }

    #[test]
    fn lines_are_round_numbers_around_all_values() {
        let axis = Axis::of([0.953, 0.997].into_iter(), COSINE);
        assert_eq!(
            labels(&axis),
            ["0.95", "0.96", "0.97", "0.98", "0.99", "1.00"]
        );
        let axis = Axis::of([2.2, 10.6].into_iter(), [0.0, f64::INFINITY]);
        assert_eq!(labels(&axis), ["0", "2", "4", "6", "8", "10", "12"]);
        let alone = Axis::of([5.0].into_iter(), [0.0, f64::INFINITY]);
        assert!(alone.low < 5.0 && alone.high > 5.0);
    }

    #[test]
    fn no_line_stands_where_no_value_can_be() {
        for values in [
            vec![0.1, 1.0],
            vec![0.4, 0.9999],
            vec![-0.9, 1.0],
            vec![0.999_999, 1.0],
            vec![1.0],
            vec![-1.0],
            vec![0.0],
            vec![0.03, 0.5],
        ] {
            let axis = Axis::of(values.iter().copied(), COSINE);
            let lines: Vec<f64> = axis.lines().map(|(line, _)| line).collect();
            assert!(lines.len() >= 2, "{values:?}");
            for value in lines.iter().chain([&axis.low, &axis.high]) {
                assert!(
                    (-1.0 - 1e-9..=1.0 + 1e-9).contains(value),
                    "{values:?}: {value}"
                );
            }
            for value in &values {
                assert!((0.0..=1.0).contains(&axis.place(*value)), "{values:?}");
            }
            // The last line is the end of the axis.
            let end = lines.last().expect("there are some");
            assert!((end - axis.high).abs() < 1e-9, "{values:?}");
            let mut labels = labels(&axis);
            assert!(
                labels
                    .iter()
                    .all(|label| !label.starts_with("-0.0") || label.len() > 4)
            );
            labels.dedup();
            assert_eq!(labels.len(), lines.len(), "{values:?}");
        }
        let bytes = Axis::of([0.1, 10.0].into_iter(), [0.0, f64::INFINITY]);
        assert_eq!(bytes.low, 0.0);
    }
}
