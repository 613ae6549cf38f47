//! int8 matrices from NumPy's `.npy` files, and int32 matrices to them.
//!
//! The format is small, and a reader of its own checks the header's claims against the file
//! before it believes them, whatever the header holds.

use std::fs;
use std::path::Path;

use systole::matmul::Layout;
use systole::output;

use super::failure::{Failure, Result};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header that is read; NumPy itself refuses more than 10,000 bytes.
const MOST_HEADER: usize = 10_000;

/// An int8 matrix as it lies in a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Matrix {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
    /// C order is [`Layout::RowMajor`], Fortran order [`Layout::Transposed`].
    pub layout: Layout,
    /// The values in the order of the file.
    pub values: Vec<i8>,
}

impl Matrix {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path)
            .map_err(|error| Failure::file(path, format_args!("cannot be read: {error}")))?;
        Self::parse(&bytes).map_err(|problem| Failure::file(path, problem))
    }

    /// Reads the bytes of a file, or says what is wrong with them.
    fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        let (header, data) = split(bytes)?;
        let Header {
            descr,
            fortran,
            shape,
        } = Header::parse(header)?;
        if !matches!(descr.as_str(), "|i1" | "<i1" | ">i1" | "=i1" | "i1") {
            return Err(format!(
                "holds values of type `{descr}`, but int8 (`|i1`) is needed; convert it with \
                 `array.astype(numpy.int8)`"
            ));
        }
        let &[rows, cols] = shape.as_slice() else {
            let dimensions = shape.len();
            return Err(format!(
                "has {dimensions} dimensions, but a matrix of 2 is needed"
            ));
        };
        if rows == 0 || cols == 0 {
            return Err(format!("is an empty matrix ({rows}x{cols})"));
        }
        let needed = rows
            .checked_mul(cols)
            .ok_or_else(|| format!("claims {rows}x{cols} values, more than any file holds"))?;
        if data.len() < needed {
            let held = data.len();
            return Err(format!(
                "is cut off: {rows}x{cols} needs {needed} values, but the file holds {held}"
            ));
        }
        if data.len() > needed {
            let extra = data.len() - needed;
            return Err(format!("has {extra} bytes after the {rows}x{cols} matrix"));
        }
        Ok(Self {
            rows,
            cols,
            layout: if fortran {
                Layout::Transposed
            } else {
                Layout::RowMajor
            },
            values: data.iter().map(|byte| *byte as i8).collect(),
        })
    }

    /// The values row by row.
    pub fn into_row_major(self) -> Vec<i8> {
        match self.layout {
            Layout::RowMajor => self.values,
            Layout::Transposed => {
                let mut values = Vec::with_capacity(self.values.len());
                for row in 0..self.rows {
                    values.extend(self.values.iter().skip(row).step_by(self.rows));
                }
                values
            }
        }
    }
}

/// Text of the header, and what follows it.
fn split(bytes: &[u8]) -> std::result::Result<(&str, &[u8]), String> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err("is not a .npy file; write one with `numpy.save`".into());
    };
    let cut = || "is cut off within its header".to_string();
    let length_bytes = match rest.first().ok_or_else(cut)? {
        1 => 2,
        2 | 3 => 4,
        version => {
            return Err(format!(
                "has version {version} of the .npy format; 1 to 3 are known"
            ));
        }
    };
    let length = rest.get(2..2 + length_bytes).ok_or_else(cut)?;
    let length = length
        .iter()
        .rfold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
    if length > MOST_HEADER {
        return Err(format!(
            "has a header of {length} bytes; at most {MOST_HEADER} make sense"
        ));
    }
    let rest = &rest[2 + length_bytes..];
    let (header, data) = rest.split_at_checked(length).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| "has a header that is not text")?;
    Ok((header, data))
}

/// What a header says.
#[derive(Default)]
struct Header {
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Reads the dictionary that NumPy writes. Its three values are found by their keys.
    fn parse(text: &str) -> std::result::Result<Self, String> {
        let wrong =
            |key: &str| format!("has a header whose `{key}` is missing or unreadable: {text:?}");
        let after = |key: &str| {
            let found = text
                .split_once(&format!("'{key}':"))
                .or_else(|| text.split_once(&format!("\"{key}\":")));
            found
                .map(|(_, value)| value.trim_start())
                .ok_or_else(|| wrong(key))
        };
        let descr = after("descr")?;
        if descr.starts_with('[') {
            return Err(
                "holds records (a structured dtype), but plain int8 (`|i1`) is needed".into(),
            );
        }
        let quote = descr.chars().next().filter(|first| "'\"".contains(*first));
        let descr = quote
            .and_then(|quote| descr[1..].split_once(quote))
            .ok_or_else(|| wrong("descr"))?
            .0
            .to_string();
        let order = after("fortran_order")?;
        let fortran = order.starts_with("True");
        if !fortran && !order.starts_with("False") {
            return Err(wrong("fortran_order"));
        }
        let shape = after("shape")?
            .strip_prefix('(')
            .and_then(|shape| shape.split_once(')'))
            .ok_or_else(|| wrong("shape"))?
            .0;
        let sizes = shape.split(',').map(str::trim);
        let shape = sizes
            .filter(|size| !size.is_empty())
            .map(|size| size.parse().map_err(|_| wrong("shape")))
            .collect::<std::result::Result<_, _>>()?;
        Ok(Self {
            descr,
            fortran,
            shape,
        })
    }
}

/// Writes an int32 matrix in C order.
pub fn write(path: &Path, rows: usize, cols: usize, values: &[i32]) -> Result<()> {
    Ok(output::write(path, |file| {
        file.write_all(&preamble(rows, cols))?;
        for value in values {
            file.write_all(&value.to_le_bytes())?;
        }
        Ok(())
    })?)
}

/// Everything before the values. NumPy wants these to start at a multiple of 64.
fn preamble(rows: usize, cols: usize) -> Vec<u8> {
    let text = format!("{{'descr': '<i4', 'fortran_order': False, 'shape': ({rows}, {cols}), }}");
    let fixed = MAGIC.len() + 4;
    let whole = (fixed + text.len() + 1).next_multiple_of(64);
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend(((whole - fixed) as u16).to_le_bytes());
    bytes.extend(text.bytes());
    bytes.resize(whole - 1, b' ');
    bytes.push(b'\n');
    bytes
}
