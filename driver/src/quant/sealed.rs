//! safetensors files whose bytes depend on nothing but their content, and of which a checksum covers
//! every bit.
//!
//! The header begins with [`OPENING`] and 32 hexadecimal digits: the XXH3 hash, of 128 bits, of all
//! bytes of the file but these digits. So the checksum tells of damage anywhere, in lengths, names,
//! types, texts and values, before anything is understood. Texts and tensors of a type come in the
//! order of their names, the types with the widest values first.

use std::collections::BTreeMap;
use std::ops::Range;

use safetensors::tensor::{Dtype, Metadata, SafeTensorError, SafeTensors, TensorInfo};
use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

/// What the header begins with; the digits of the checksum follow.
const OPENING: &[u8] = br#"{"__metadata__":{"checksum":""#;

/// Where the digits stand: behind the header's length, which is eight bytes, and [`OPENING`].
const DIGITS: Range<usize> = 8 + OPENING.len()..8 + OPENING.len() + 32;

/// A tensor to be written.
pub struct Tensor {
    /// Type of its values.
    pub dtype: Dtype,
    /// Sizes of its dimensions.
    pub shape: Vec<usize>,
    /// Its values, little-endian.
    pub bytes: Vec<u8>,
}

/// What the checksum says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// The file is as it was written.
    Whole,
    /// It is not.
    Differs,
    /// There is no checksum where it belongs.
    Absent,
}

/// The header as it is written.
#[derive(Serialize)]
struct Header<'a> {
    #[serde(rename = "__metadata__")]
    texts: Texts<'a>,
    #[serde(flatten)]
    tensors: Metadata,
}

#[derive(Serialize)]
struct Texts<'a> {
    checksum: &'a str,
    #[serde(flatten)]
    others: &'a BTreeMap<&'a str, String>,
}

/// Bytes of the file that holds these tensors, and these texts in its metadata.
///
/// # Errors
/// When sizes do not fit each other, or the header is longer than the format allows.
pub fn seal(
    tensors: &BTreeMap<String, Tensor>,
    texts: &BTreeMap<&str, String>,
) -> Result<Vec<u8>, SafeTensorError> {
    let mut ordered: Vec<(&String, &Tensor)> = tensors.iter().collect();
    // The sort is stable, and the map gives them by name. Wide values first, so that none lies
    // across what it is a multiple of.
    ordered.sort_by_key(|(_, tensor)| std::cmp::Reverse(tensor.dtype));
    let mut end = 0;
    let infos = ordered.iter().map(|(name, tensor)| {
        let start = end;
        end += tensor.bytes.len();
        let info = TensorInfo {
            dtype: tensor.dtype,
            shape: tensor.shape.clone(),
            data_offsets: (start, end),
        };
        ((*name).clone(), info)
    });
    let header = Header {
        tensors: Metadata::new(None, infos.collect())?,
        texts: Texts {
            checksum: &"0".repeat(DIGITS.len()),
            others: texts,
        },
    };
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = Vec::with_capacity(8 + header.len() + end);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    for (_, tensor) in ordered {
        bytes.extend(&tensor.bytes);
    }
    let checksum = checksum(&bytes);
    bytes[DIGITS].copy_from_slice(checksum.as_bytes());
    // What cannot be read must not be written.
    SafeTensors::read_metadata(&bytes)?;
    Ok(bytes)
}

/// Compares a file with its checksum.
pub fn check(file: &[u8]) -> Seal {
    match file.get(8..DIGITS.end) {
        Some(opening) if opening.starts_with(OPENING) => {
            match &file[DIGITS] == checksum(file).as_bytes() {
                true => Seal::Whole,
                false => Seal::Differs,
            }
        }
        _ => Seal::Absent,
    }
}

/// Hash of all bytes but the checksum's own.
fn checksum(file: &[u8]) -> String {
    let mut hash = Xxh3::new();
    hash.update(&file[..DIGITS.start]);
    hash.update(&file[DIGITS.end..]);
    format!("{:032x}", hash.digest128())
}
