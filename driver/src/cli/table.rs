//! Tables of text with aligned columns.

use std::fmt::{self, Display, Write};

/// A table under construction.
pub struct Table {
    /// For each column whether it is aligned to the right.
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings; those that start with `>` are of columns aligned to the right.
    pub fn new(headings: &[&str]) -> Self {
        let names = headings
            .iter()
            .map(|name| name.trim_start_matches('>').into());
        Self {
            right: headings.iter().map(|name| name.starts_with('>')).collect(),
            rows: vec![names.collect()],
        }
    }

    /// Adds a row with one cell a column.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.right.len()).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), right) in row.iter().zip(&widths).zip(&self.right) {
                match right {
                    true => write!(line, "{cell:>width$}  ")?,
                    false => write!(line, "{cell:<width$}  ")?,
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A number with commas between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `value`, or a dash where nothing is known.
pub fn known<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "-".into(), show)
}

/// A part of one as a percentage.
pub fn percent(part: f64) -> String {
    format!("{:.1} %", 100.0 * part)
}
