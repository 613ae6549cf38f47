//! `model.safetensors`, mapped into memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::tensor::{Dtype, Metadata, SafeTensors};

use super::ModelError;

/// Float tensors of a file. Only what is read comes into memory.
#[derive(Debug)]
pub struct Tensors {
    path: PathBuf,
    map: Mmap,
    metadata: Metadata,
    /// Where tensors begin in the file.
    start: usize,
    /// What stands before every name: nothing, or `bert.`.
    prefix: &'static str,
    /// What says which shapes are right, for errors.
    asker: &'static str,
}

impl Tensors {
    /// Opens the file and checks its table of contents.
    ///
    /// # Errors
    /// When the file is missing, truncated or no safetensors file.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let io = |source| ModelError::io(path, "it holds the model's weights", source);
        let file = File::open(path).map_err(io)?;
        // SAFETY: a map is sound while nobody changes the file under it. Model files are written
        // once and replaced by renaming, as this crate's own fetching does; a user who rewrites
        // one in place while it is in use is beyond what can be checked.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|error| {
            ModelError::malformed(path, format!("not a whole safetensors file ({error})"))
        })?;
        let prefixed = metadata
            .tensors()
            .keys()
            .any(|name| name.starts_with("bert.embeddings."));
        let prefix = if prefixed { "bert." } else { "" };
        Ok(Self {
            path: path.into(),
            map,
            metadata,
            start: header + 8,
            prefix,
            asker: "config.json",
        })
    }

    /// The same tensors, of which `asker` says the shapes, in errors.
    pub fn asked_by(self, asker: &'static str) -> Self {
        Self { asker, ..self }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All values of a tensor.
    ///
    /// # Errors
    /// When the tensor is missing, has another shape, is not `F32`, or holds a value that is not a
    /// finite number.
    pub fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let values: Vec<f32> = floats(self.bytes(name, Dtype::F32, shape)?).collect();
        if values.iter().any(|value| !value.is_finite()) {
            let reason = format!("tensor `{name}` holds a value that is not a finite number");
            return Err(ModelError::malformed(&self.path, reason));
        }
        Ok(values)
    }

    /// Text that stands beside the tensors under this name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.metadata
            .metadata()
            .as_ref()?
            .get(name)
            .map(String::as_str)
    }

    /// Names and bytes of all tensors, in the order of their names.
    pub fn all(&self) -> BTreeMap<String, &[u8]> {
        let tensors = self.metadata.tensors();
        let bytes = tensors.into_iter().map(|(name, info)| {
            let (first, last) = info.data_offsets;
            (name, &self.map[self.start + first..self.start + last])
        });
        bytes.collect()
    }

    /// A table of `rows` rows of `width` values, read row by row.
    ///
    /// # Errors
    /// When the tensor is missing, has another shape or is not `F32`.
    pub fn table(&self, name: &str, rows: usize, width: usize) -> Result<Table<'_>, ModelError> {
        Ok(Table {
            bytes: self.bytes(name, Dtype::F32, &[rows, width])?,
            width,
        })
    }

    /// Bytes of a tensor, found under its name with the prefix or, for LayerNorm, its older name.
    ///
    /// # Errors
    /// When the tensor is missing, or has another shape or type.
    pub fn bytes(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<&[u8], ModelError> {
        let older = name
            .replace("Norm.weight", "Norm.gamma")
            .replace("Norm.bias", "Norm.beta");
        let find = |name: &str| self.metadata.info(&format!("{}{name}", self.prefix));
        let malformed = |reason| Err(ModelError::malformed(&self.path, reason));
        let Some(info) = find(name).or_else(|| find(&older)) else {
            return malformed(format!("tensor `{}{name}` is missing", self.prefix));
        };
        if info.shape != shape {
            let reason = format!(
                "tensor `{name}` has shape {:?}, but {} asks for {shape:?}",
                info.shape, self.asker
            );
            return malformed(reason);
        }
        if info.dtype != dtype {
            let reason = format!("tensor `{name}` is {:?}; {dtype:?} can be read", info.dtype);
            return Err(ModelError::unsupported(&self.path, reason));
        }
        let (first, last) = info.data_offsets;
        Ok(&self.map[self.start + first..self.start + last])
    }
}

/// Rows of floats in a mapped file.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    bytes: &'a [u8],
    width: usize,
}

impl<'a> Table<'a> {
    /// Values of row `index`, or `None` beyond the last.
    pub fn row(&self, index: usize) -> Option<impl Iterator<Item = f32> + use<'a>> {
        let size = 4 * self.width;
        Some(floats(self.bytes.get(index * size..(index + 1) * size)?))
    }
}

/// Little-endian floats; the file need not be aligned.
fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> + use<'_> {
    bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
}
