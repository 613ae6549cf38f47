//! Points in a plane as an SVG file.

use std::fmt::Write;

/// A point and what stands beside it.
pub struct Point {
    /// Its name.
    pub label: String,
    /// To the right.
    pub x: f64,
    /// Upwards.
    pub y: f64,
}

/// Size of the picture, and of the margins left, right, above and below the plane.
const SIZE: (f64, f64) = (760.0, 480.0);
const MARGINS: [f64; 4] = [84.0, 150.0, 24.0, 56.0];

/// Lines of the grid that are aimed at.
const LINES: f64 = 6.0;

/// A range of values along an axis, from one line of its grid to another.
struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
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
            low: (low / step - 0.2).floor() * step,
            high: (high / step + 0.2).ceil() * step,
            step,
        }
    }

    /// Place of `value` between the ends, 0 to 1.
    fn place(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// Lines of the grid and their labels.
    fn lines(&self) -> impl Iterator<Item = (f64, String)> + '_ {
        let count = ((self.high - self.low) / self.step).round() as usize;
        let digits = (-self.step.log10().floor()).max(0.0) as usize;
        (0..=count).map(move |index| {
            let value = self.low + index as f64 * self.step;
            (value, format!("{value:.digits$}"))
        })
    }
}

/// Draws `points`, of which there must be one at least; `axes` names the axes.
pub fn svg(axes: [&str; 2], points: &[Point]) -> String {
    let (x, y) = (
        Axis::of(points.iter().map(|point| point.x)),
        Axis::of(points.iter().map(|point| point.y)),
    );
    let [left, right, above, below] = MARGINS;
    let (width, height) = (SIZE.0 - left - right, SIZE.1 - above - below);
    let across = |value: f64| left + width * x.place(value);
    let down = |value: f64| above + height * (1.0 - y.place(value));
    let (bottom, end) = (above + height, left + width);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        SIZE.0, SIZE.1
    );
    // Writing to a string cannot fail.
    let mut line = |text: String| {
        let _ = writeln!(out, "{text}");
    };
    for (value, label) in x.lines() {
        let at = across(value);
        line(format!(
            "<path d=\"M{at:.1} {above}V{bottom}\" stroke=\"#ddd\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            bottom + 18.0
        ));
    }
    for (value, label) in y.lines() {
        let at = down(value);
        line(format!(
            "<path d=\"M{left} {at:.1}H{end}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            left - 8.0,
            at + 4.0
        ));
    }
    line(format!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        left + width / 2.0,
        bottom + 42.0,
        escaped(axes[0])
    ));
    line(format!(
        "<text transform=\"translate(20 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        above + height / 2.0,
        escaped(axes[1])
    ));
    for point in points {
        let (x, y) = (across(point.x), down(point.y));
        line(format!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"#1565c0\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x + 7.0,
            y - 6.0,
            escaped(&point.label)
        ));
    }
    out.push_str("</svg>\n");
    out
}

/// Text as it stands in XML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(label: &str, x: f64, y: f64) -> Point {
        Point {
            label: label.into(),
            x,
            y,
        }
    }

    #[test]
    fn lines_are_round_numbers_around_all_values() {
        let axis = Axis::of([0.953, 0.998].into_iter());
        let labels: Vec<String> = axis.lines().map(|(_, label)| label).collect();
        assert_eq!(
            labels,
            ["0.95", "0.96", "0.97", "0.98", "0.99", "1.00", "1.01"][..labels.len()]
        );
        assert!(axis.low <= 0.953 && axis.high >= 0.998);
        let alone = Axis::of([5.0].into_iter());
        assert!(alone.low < 5.0 && alone.high > 5.0);
    }

    #[test]
    fn points_lie_where_they_belong_and_labels_are_escaped() {
        let text = svg(
            ["bytes", "cosine"],
            &[point("w4 <&>", 5.0, 0.95), point("w8", 10.0, 0.99)],
        );
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
        assert!(text.contains("w4 &lt;&amp;&gt;"));
        let places: Vec<(f64, f64)> = text
            .split("<circle ")
            .skip(1)
            .map(|rest| {
                let number = |name: &str| -> f64 {
                    let rest = rest
                        .split(&format!("{name}=\""))
                        .nth(1)
                        .expect("it is there");
                    let value = rest.split('"').next().expect("it ends");
                    value.parse().expect("it is a number")
                };
                (number("cx"), number("cy"))
            })
            .collect();
        assert_eq!(places.len(), 2);
        // More bytes to the right, more accurate above.
        assert!(places[0].0 < places[1].0 && places[0].1 > places[1].1);
        for (x, y) in places {
            assert!(x >= MARGINS[0] && x <= SIZE.0 - MARGINS[1]);
            assert!(y >= MARGINS[2] && y <= SIZE.1 - MARGINS[3]);
        }
    }
}
