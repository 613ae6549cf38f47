//! Points in a plane as an SVG file, each with a key that a legend explains.

mod axis;
mod labels;

use std::fmt::Write;

use axis::Axis;
use labels::{RADIUS, key, lines, place};

/// A point and what the legend says of it.
pub struct Point {
    /// Its name.
    pub name: String,
    /// More, which may be long.
    pub detail: String,
    /// To the right.
    pub x: f64,
    /// Upwards.
    pub y: f64,
}

/// An axis of a picture.
pub struct Scale<'a> {
    /// What it shows.
    pub name: &'a str,
    /// Least and largest value that there can be.
    pub bounds: [f64; 2],
}

/// Size of the picture without its legend, and of the margins left, right, above and below the
/// plane.
const SIZE: (f64, f64) = (760.0, 480.0);
const MARGINS: [f64; 4] = [84.0, 36.0, 24.0, 56.0];

/// Letters in a line of the legend, which fit the picture in any usual font of its size.
const LEGEND_LETTERS: usize = 96;

/// From one line of the legend to the next.
const LEGEND_LINE: f64 = 15.0;

/// Where lines of the legend begin: keys, and what stands behind them.
const LEGEND_LEFT: [f64; 2] = [20.0, 52.0];

/// Draws `points`, of which there must be one at least, in a plane of `x` and `y`.
pub fn svg([x, y]: [Scale<'_>; 2], points: &[Point]) -> String {
    let legend = legend(points);
    let count = legend.len() as f64;
    let height = SIZE.1 + LEGEND_LINE * (count + 1.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        SIZE.0
    );
    plane(&mut out, [x, y], points);
    for (index, (key, text)) in legend.iter().enumerate() {
        let down = SIZE.1 + LEGEND_LINE * (index as f64 + 0.5);
        if let Some(key) = key {
            let left = LEGEND_LEFT[0];
            let style = "font-weight=\"bold\"";
            line(
                &mut out,
                format_args!("<text x=\"{left}\" y=\"{down:.1}\" {style}>{key}</text>"),
            );
        }
        let (left, text) = (LEGEND_LEFT[1], escaped(text));
        let style = "font-size=\"11\"";
        line(
            &mut out,
            format_args!("<text x=\"{left}\" y=\"{down:.1}\" {style}>{text}</text>"),
        );
    }
    out.push_str("</svg>\n");
    out
}

/// Lines of the legend, the first of each point with its key.
fn legend(points: &[Point]) -> Vec<(Option<String>, String)> {
    let mut legend = Vec::new();
    for (index, point) in points.iter().enumerate() {
        let texts = [&point.name, &point.detail].map(|text| lines(text, LEGEND_LETTERS));
        let mut key = Some(key(index));
        legend.extend(texts.into_iter().flatten().map(|text| (key.take(), text)));
    }
    legend
}

/// Draws the grid, the axes and the points with their keys.
fn plane(out: &mut String, [x, y]: [Scale<'_>; 2], points: &[Point]) {
    let names = [x.name, y.name].map(escaped);
    let x = Axis::of(points.iter().map(|point| point.x), x.bounds);
    let y = Axis::of(points.iter().map(|point| point.y), y.bounds);
    let [left, right, above, below] = MARGINS;
    let (width, height) = (SIZE.0 - left - right, SIZE.1 - above - below);
    let across = |value: f64| left + width * x.place(value);
    let down = |value: f64| above + height * (1.0 - y.place(value));
    let (bottom, end) = (above + height, left + width);
    for (value, label) in x.lines() {
        let at = across(value);
        line(
            out,
            format_args!(
                "<path d=\"M{at:.1} {above}V{bottom}\" stroke=\"#ddd\"/>\
                 <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
                bottom + 18.0
            ),
        );
    }
    for (value, label) in y.lines() {
        let at = down(value);
        line(
            out,
            format_args!(
                "<path d=\"M{left} {at:.1}H{end}\" stroke=\"#ddd\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                left - 8.0,
                at + 4.0
            ),
        );
    }
    line(
        out,
        format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            left + width / 2.0,
            bottom + 42.0,
            names[0]
        ),
    );
    line(
        out,
        format_args!(
            "<text transform=\"translate(20 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            above + height / 2.0,
            names[1]
        ),
    );
    let places = points.iter().map(|point| (across(point.x), down(point.y)));
    let places: Vec<(f64, f64)> = places.collect();
    // Points at the edge have their keys beside the plane, where nothing else stands.
    let room = [left, 2.0, SIZE.0 - 2.0, bottom];
    let labels = place(&places, room);
    for label in labels.iter().filter(|label| label.far) {
        let [from, top, to, low] = label.area;
        let (x, y) = label.at;
        line(
            out,
            format_args!(
                "<path d=\"M{x:.1} {y:.1}L{:.1} {:.1}\" stroke=\"#999\"/>",
                x.clamp(from, to),
                y.clamp(top, low)
            ),
        );
    }
    for (x, y) in places {
        let style = "fill=\"#1565c0\"";
        line(
            out,
            format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{RADIUS}\" {style}/>"),
        );
    }
    for label in labels {
        let [from, _, to, low] = label.area;
        line(
            out,
            format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-weight=\"bold\">{}</text>",
                (from + to) / 2.0,
                low - 2.5,
                label.text
            ),
        );
    }
}

/// Writes a line, which to a string cannot fail.
fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{text}");
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

    fn point(name: &str, x: f64, y: f64) -> Point {
        Point {
            name: name.into(),
            detail: "w3g32-gptq@layer.0.attention.query,".repeat(30),
            x,
            y,
        }
    }

    fn scales() -> [Scale<'static>; 2] {
        let bytes = [0.0, f64::INFINITY];
        [("bytes", bytes), ("cosine", [-1.0, 1.0])].map(|(name, bounds)| Scale { name, bounds })
    }

    /// Values of an attribute of all elements that begin with `tag`.
    fn numbers(text: &str, tag: &str, name: &str) -> Vec<f64> {
        let value = |rest: &str| {
            let element = rest.split('>').next()?;
            let value = element.split(&format!(" {name}=\"")).nth(1)?;
            value.split('"').next()?.parse().ok()
        };
        text.split(tag).skip(1).filter_map(value).collect()
    }

    #[test]
    fn points_lie_where_they_belong_and_names_are_escaped() {
        let text = svg(
            scales(),
            &[point("w4 <&>", 5.0, 0.95), point("w8", 10.0, 0.99)],
        );
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
        assert!(text.contains("w4 &lt;&amp;&gt;"));
        let across = numbers(&text, "<circle", "cx");
        let down = numbers(&text, "<circle", "cy");
        // More bytes to the right, more accurate above.
        assert!(across.len() == 2 && across[0] < across[1] && down[0] > down[1]);
        for (x, y) in across.into_iter().zip(down) {
            assert!(x >= MARGINS[0] && x <= SIZE.0 - MARGINS[1]);
            assert!(y >= MARGINS[2] && y <= SIZE.1 - MARGINS[3]);
        }
    }

    #[test]
    fn a_legend_says_everything_within_the_picture() {
        let points: Vec<Point> = (0..9).map(|at| point("name", at as f64, 0.9)).collect();
        let text = svg(scales(), &points);
        assert!(!text.contains("..."));
        for key in 'A'..='I' {
            // Beside the point, and in the legend.
            assert_eq!(text.matches(&format!(">{key}</text>")).count(), 2, "{key}");
        }
        let bottom = text
            .split("viewBox=\"0 0 760 ")
            .nth(1)
            .expect("it has a size");
        let bottom: f64 = bottom
            .split('"')
            .next()
            .expect("it ends")
            .parse()
            .expect("a number");
        assert!(numbers(&text, "<text", "y").iter().all(|y| *y < bottom));
        let explained: Vec<&str> = text
            .lines()
            .filter_map(|line| {
                line.split_once("font-size=\"11\">")?
                    .1
                    .strip_suffix("</text>")
            })
            .collect();
        let said = explained.concat();
        assert_eq!(said.matches("@layer.0.attention.query,").count(), 9 * 30);
        assert!(explained.iter().all(|line| line.len() <= LEGEND_LETTERS));
    }
}
