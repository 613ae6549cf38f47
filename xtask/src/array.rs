//! The size of a systolic array, as it is given on the command line.

use std::fmt;
use std::str::FromStr;

/// Rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArraySize {
    pub rows: u64,
    pub columns: u64,
}

impl FromStr for ArraySize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = |part: &str| part.parse().ok().filter(|n| *n > 0);
        text.split_once('x')
            .and_then(|(rows, columns)| {
                Some(ArraySize {
                    rows: parse(rows)?,
                    columns: parse(columns)?,
                })
            })
            .ok_or_else(|| "give rows and columns above 0, as 16x16".to_string())
    }
}

impl fmt::Display for ArraySize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.rows, self.columns)
    }
}

#[cfg(test)]
mod tests {
    use super::ArraySize;

    #[test]
    fn sizes_are_read_and_printed() {
        let size: ArraySize = "8x16".parse().unwrap();
        assert_eq!((size.rows, size.columns), (8, 16));
        assert_eq!(size.to_string(), "8x16");
        for wrong in ["", "8", "8x", "0x8", "axb", "8x8x8"] {
            assert!(wrong.parse::<ArraySize>().is_err(), "{wrong}");
        }
    }
}
