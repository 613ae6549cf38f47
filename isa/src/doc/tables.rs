//! Markdown tables.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::record::Field;

/// Writes a table: the heads of the columns, then rows of as many cells.
pub(super) fn table<const COLUMNS: usize>(
    out: &mut String,
    heads: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) {
    out.push('|');
    for head in heads {
        out.push_str(&format!(" {head} |"));
    }
    out.push_str("\n|");
    out.push_str(&"---|".repeat(COLUMNS));
    out.push('\n');
    for row in rows {
        out.push('|');
        for cell in row {
            out.push_str(&format!(" {cell} |"));
        }
        out.push('\n');
    }
}

/// Writes the layout of a record.
pub(super) fn layout(out: &mut String, lists: &[&[Field]]) {
    let mut fields: Vec<&Field> = lists.iter().flat_map(|list| list.iter()).collect();
    fields.sort_by_key(|field| (field.word, field.lo));
    table(
        out,
        ["Word", "Bits", "Field", "Meaning"],
        fields.into_iter().map(|field| {
            let end = field.lo + field.bits - 1;
            let (word, bits) = if end < 32 {
                (field.word.to_string(), bit_range(field.lo, end))
            } else {
                let words = format!("{}, {}", field.word, field.word + 1);
                (words, format!("{end}:{} of both", field.lo))
            };
            [
                word,
                bits,
                format!("`{}`", field.name),
                field.doc.to_string(),
            ]
        }),
    );
}

fn bit_range(lo: usize, end: usize) -> String {
    if lo == end {
        lo.to_string()
    } else {
        format!("{end}:{lo}")
    }
}
