//! What each module of a design takes.

use std::fmt::Write as _;

use super::svg::{COLOURS, escaped, head};
use super::{Kind, Placed};

/// Width of the names, of the bars of one kind, and of the number behind a bar.
const NAMES: f64 = 230.0;
const BARS: f64 = 90.0;
const NUMBER: f64 = 50.0;

/// From one row to the next, and room above the first.
const ROW: f64 = 22.0;
const ABOVE: f64 = 40.0;

/// Draws a bar for each kind of cell and each module; the longest of a kind is the largest.
pub fn modules(placed: &Placed) -> String {
    let kinds = Kind::ALL.len() as f64;
    let width = NAMES + kinds * (BARS + NUMBER) + 20.0;
    let height = ABOVE + ROW * placed.groups.len() as f64 + 12.0;
    let mut out = head(width, height);
    let count = |group: usize, kind: Kind| {
        let cells = placed.groups[group].1.iter();
        cells.filter(|cell| cell.kind == kind).count()
    };
    let groups = 0..placed.groups.len();
    for (index, ((name, _), _)) in placed.groups.iter().zip(COLOURS).enumerate() {
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            NAMES - 10.0,
            ABOVE + ROW * index as f64 + 14.0,
            escaped(name)
        );
    }
    for (column, kind) in Kind::ALL.into_iter().enumerate() {
        let left = NAMES + column as f64 * (BARS + NUMBER);
        let most = groups.clone().map(|group| count(group, kind)).max();
        let most = most.unwrap_or(0).max(1) as f64;
        let total: usize = groups.clone().map(|group| count(group, kind)).sum();
        let _ = writeln!(
            out,
            "<text x=\"{left:.1}\" y=\"24\" font-weight=\"bold\">{}: {total}</text>",
            kind.name()
        );
        for (group, colour) in groups.clone().zip(COLOURS) {
            let cells = count(group, kind);
            let top = ABOVE + ROW * group as f64;
            let long = BARS * cells as f64 / most;
            let _ = writeln!(
                out,
                "<rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{long:.1}\" height=\"14\" \
                 fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{:.1}\" font-size=\"11\">{cells}</text>",
                top + 3.0,
                left + long + 4.0,
                top + 14.0
            );
        }
    }
    out.push_str("</svg>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::super::floorplan;
    use super::*;

    #[test]
    fn both_pictures_name_and_count_every_module() {
        let cell = |kind: &str, bel: &str| {
            format!("{{\"type\":\"{kind}\",\"attributes\":{{\"NEXTPNR_BEL\":\"{bel}\"}}}}")
        };
        let text = format!(
            "{{\"modules\":{{\"top\":{{\"cells\":{{\"a<b.x\":{},\"c.y\":{},\"c.z\":{}}}}}}}}}",
            cell("TRELLIS_FF", "X1/Y2/A"),
            cell("TRELLIS_COMB", "X4/Y0/A"),
            cell("TRELLIS_COMB", "X4/Y0/B")
        );
        let placed = Placed::read(&text).unwrap();
        let plan = floorplan(&placed);
        assert_eq!(plan.matches("<path").count(), 2, "{plan}");
        assert!(
            plan.contains("a&lt;b: 1 cells") && plan.contains("c: 2 cells"),
            "{plan}"
        );
        let bars = modules(&placed);
        assert!(
            bars.contains(">LUT: 2<") && bars.contains(">FF: 1<"),
            "{bars}"
        );
        assert_eq!(bars.matches("height=\"14\"").count(), 8, "{bars}");
    }
}
