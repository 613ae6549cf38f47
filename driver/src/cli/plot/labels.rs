//! Where the keys of points stand, and how a legend is cut into lines.

/// A rectangle: left, above, right, below.
type Area = [f64; 4];

/// Width of a letter of a key and height of a line, with some room.
const LETTER: (f64, f64) = (9.0, 13.0);

/// Radius of a point.
pub const RADIUS: f64 = 4.0;

/// Rings around a point that are tried for its key, one further away than the other.
const RINGS: usize = 40;

/// A key beside its points.
pub struct Label {
    /// The key, or several of points that lie on each other.
    pub text: String,
    /// Its points.
    pub at: (f64, f64),
    /// The area that it covers.
    pub area: Area,
    /// Whether it stands so far away that a line must lead to it.
    pub far: bool,
}

/// The key of point `index`: A to Z, then AA, AB and so on.
pub fn key(mut index: usize) -> String {
    let mut letters = Vec::new();
    loop {
        letters.push(char::from(b'A' + (index % 26) as u8));
        match (index / 26).checked_sub(1) {
            Some(rest) => index = rest,
            None => return letters.into_iter().rev().collect(),
        }
    }
}

/// Keys of `points`, as near to them as they can be without covering each other or a point, inside
/// `plane`.
pub fn place(points: &[(f64, f64)], plane: Area) -> Vec<Label> {
    let mut groups: Vec<((f64, f64), String)> = Vec::new();
    for (index, point) in points.iter().enumerate() {
        let near = |at: (f64, f64)| (at.0 - point.0).hypot(at.1 - point.1) < 1.0;
        match groups.iter_mut().find(|(at, _)| near(*at)) {
            Some((_, text)) => *text = format!("{text} {}", key(index)),
            None => groups.push((*point, key(index))),
        }
    }
    let dots = points
        .iter()
        .map(|(x, y)| around((*x, *y), 2.0 * RADIUS, 2.0 * RADIUS));
    let mut taken: Vec<Area> = dots.collect();
    let mut labels = Vec::with_capacity(groups.len());
    for (at, text) in groups {
        let width = LETTER.0 * text.chars().count() as f64;
        let spots =
            (0..RINGS).flat_map(|ring| spots(at, width, ring).map(move |area| (ring, area)));
        let free = |area: &Area| inside(area, &plane) && !taken.iter().any(|it| overlap(it, area));
        let mut spots = spots.filter(|(_, area)| free(area));
        // Where there is no room at all, a key covers something.
        let (ring, area) = spots.next().unwrap_or((0, around(at, width, LETTER.1)));
        taken.push(area);
        labels.push(Label {
            text,
            at,
            area,
            far: ring > 0,
        });
    }
    labels
}

/// Areas around a point for a text of this width, in the order in which they are liked.
fn spots(at: (f64, f64), width: f64, ring: usize) -> impl Iterator<Item = Area> {
    let away = RADIUS + 1.0 + 7.0 * ring as f64;
    let (x, y) = (away + width / 2.0, away + LETTER.1 / 2.0);
    let directions = [
        (1.0, -0.5),
        (1.0, 0.5),
        (-1.0, -0.5),
        (-1.0, 0.5),
        (0.0, -1.0),
        (0.0, 1.0),
        (1.0, -1.0),
        (1.0, 1.0),
        (-1.0, -1.0),
        (-1.0, 1.0),
    ];
    let spots = directions.map(|(right, down)| (at.0 + right * x, at.1 + down * y));
    spots.into_iter().map(move |it| around(it, width, LETTER.1))
}

fn around((x, y): (f64, f64), width: f64, height: f64) -> Area {
    let (width, height) = (width / 2.0, height / 2.0);
    [x - width, y - height, x + width, y + height]
}

fn inside(area: &Area, plane: &Area) -> bool {
    area[0] >= plane[0] && area[1] >= plane[1] && area[2] <= plane[2] && area[3] <= plane[3]
}

fn overlap(a: &Area, b: &Area) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

/// Cuts `text` into lines of at most `most` letters, behind commas and slashes where there are any.
pub fn lines(text: &str, most: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line: Vec<char> = Vec::new();
    for letter in text.chars() {
        if line.len() == most {
            let cut = line.iter().rposition(|it| matches!(it, ',' | '/' | ' '));
            let rest = line.split_off(cut.map_or(most, |cut| cut + 1));
            lines.push(std::mem::replace(&mut line, rest).into_iter().collect());
        }
        line.push(letter);
    }
    if !line.is_empty() {
        lines.push(line.into_iter().collect());
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLANE: Area = [80.0, 10.0, 720.0, 420.0];

    #[test]
    fn keys_are_letters() {
        let keys = [0, 25, 26, 27, 51, 52, 701, 702].map(key);
        assert_eq!(keys, ["A", "Z", "AA", "AB", "AZ", "BA", "ZZ", "AAA"]);
    }

    #[test]
    fn points_on_each_other_share_a_label() {
        let labels = place(&[(100.0, 100.0), (300.0, 50.0), (100.2, 100.0)], PLANE);
        let texts: Vec<&str> = labels.iter().map(|label| label.text.as_str()).collect();
        assert_eq!(texts, ["A C", "B"]);
    }

    #[test]
    fn lines_are_cut_behind_commas_and_lose_nothing() {
        assert_eq!(lines("w8,w4@query,w5", 9), ["w8,", "w4@query,", "w5"]);
        assert_eq!(lines("abcdefgh", 3), ["abc", "def", "gh"]);
        assert!(lines("", 3).is_empty());
        let plan = "w3g32-gptq@layer.0.attention.query,".repeat(40);
        let cut = lines(&plan, 96);
        assert!(cut.iter().all(|line| line.chars().count() <= 96));
        assert_eq!(cut.concat(), plan);
    }

    proptest! {
        #[test]
        fn labels_cover_neither_each_other_nor_points(
            points in prop::collection::vec((84.0f64..716.0, 14.0f64..416.0), 1..40),
            crowd in prop::collection::vec((0.0f64..30.0, 0.0f64..30.0), 0..12),
        ) {
            let mut points = points;
            let (x, y) = points[0];
            let near = crowd.iter().map(|(right, up)| {
                ((x + right).min(716.0), (y - up).max(14.0))
            });
            points.extend(near);
            let labels = place(&points, PLANE);
            for (index, label) in labels.iter().enumerate() {
                prop_assert!(inside(&label.area, &PLANE), "{} is outside", label.text);
                for other in &labels[..index] {
                    prop_assert!(!overlap(&label.area, &other.area), "{} {}", label.text, other.text);
                }
                for (x, y) in &points {
                    let dot = around((*x, *y), 2.0 * RADIUS, 2.0 * RADIUS);
                    prop_assert!(!overlap(&label.area, &dot), "{} covers a point", label.text);
                }
            }
            let keys: usize = labels.iter().map(|label| label.text.split(' ').count()).sum();
            prop_assert_eq!(keys, points.len());
        }
    }
}
