//! Where the modules of a design lie.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Placed;
use super::svg::{COLOURS, escaped, head};

/// Width of the die and margins around it.
const WIDTH: f64 = 720.0;
const MARGIN: f64 = 20.0;

/// From one line of the legend to the next, and columns of it.
const LEGEND_LINE: f64 = 18.0;
const LEGEND_COLUMNS: usize = 2;

/// Draws each tile of the die in the colour of the module that has most cells in it; row 0 is
/// above.
pub fn floorplan(placed: &Placed) -> String {
    let mut tiles: BTreeMap<(u32, u32), BTreeMap<usize, usize>> = BTreeMap::new();
    for (group, (_, cells)) in placed.groups.iter().enumerate() {
        for cell in cells {
            *tiles.entry(cell.at).or_default().entry(group).or_default() += 1;
        }
    }
    let columns = tiles.keys().map(|(x, _)| x + 1).max().unwrap_or(1);
    let rows = tiles.keys().map(|(_, y)| y + 1).max().unwrap_or(1);
    // A die that is much higher than wide is drawn smaller.
    let step = (WIDTH / f64::from(columns)).min(WIDTH / f64::from(rows));
    let (wide, high) = (step * f64::from(columns), step * f64::from(rows));
    let lines = placed.groups.len().div_ceil(LEGEND_COLUMNS) as f64;
    let height = MARGIN * 2.5 + high + LEGEND_LINE * lines;
    let mut out = head(WIDTH + 2.0 * MARGIN, height);
    let _ = writeln!(
        out,
        "<rect x=\"{MARGIN}\" y=\"{MARGIN}\" width=\"{wide:.1}\" height=\"{high:.1}\" \
         fill=\"#f5f5f5\" stroke=\"#999\"/>"
    );
    let mut paths = vec![String::new(); placed.groups.len()];
    let side = step * 0.9;
    for ((x, y), groups) in &tiles {
        // Of groups with as many cells, the one that is larger as a whole.
        let most = groups
            .iter()
            .max_by_key(|(group, count)| (**count, usize::MAX - **group));
        if let Some((group, _)) = most {
            let left = MARGIN + step * f64::from(*x);
            let top = MARGIN + step * f64::from(*y);
            let path = &mut paths[*group];
            let _ = write!(path, "M{left:.1} {top:.1}h{side:.1}v{side:.1}h-{side:.1}z");
        }
    }
    for (path, colour) in paths.iter().zip(COLOURS) {
        if !path.is_empty() {
            let _ = writeln!(out, "<path d=\"{path}\" fill=\"{colour}\"/>");
        }
    }
    for (index, ((name, cells), colour)) in placed.groups.iter().zip(COLOURS).enumerate() {
        let column = (index % LEGEND_COLUMNS) as f64;
        let left = MARGIN + column * WIDTH / LEGEND_COLUMNS as f64;
        let top = MARGIN * 1.5 + high + LEGEND_LINE * (index / LEGEND_COLUMNS) as f64;
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}: {} cells</text>",
            left + 18.0,
            top + 10.5,
            escaped(name),
            cells.len()
        );
    }
    out.push_str("</svg>\n");
    out
}
