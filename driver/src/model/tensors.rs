//! `model.safetensors`, mapped into memory.

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::tensor::{Dtype, Metadata, SafeTensorError, SafeTensors};

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
    source: Source,
}

/// Who wrote a file of tensors, which errors must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Others: it is part of a float model's folder, and `config.json` says what it should hold.
    Folder,
    /// `systole quantize`: its own header says what it should hold.
    Quantised,
}

impl Source {
    /// What says which shapes are right.
    fn asker(self) -> &'static str {
        match self {
            Self::Folder => "config.json",
            Self::Quantised => "the file's header",
        }
    }

    /// How to get a file that is whole.
    fn remedy(self) -> &'static str {
        match self {
            Self::Folder => "fetch or copy it again",
            Self::Quantised => WRITE_AGAIN,
        }
    }
}

/// What to do about a quantised file that cannot be used.
pub const WRITE_AGAIN: &str = "write it again with `systole quantize`";

impl Tensors {
    /// Opens a file of this source and checks its table of contents.
    ///
    /// # Errors
    /// When the file is missing, truncated or no safetensors file.
    pub fn open(path: &Path, source: Source) -> Result<Self, ModelError> {
        let io = |source| ModelError::io(path, "it holds the model's weights", source);
        let file = File::open(path).map_err(io)?;
        // SAFETY: a map is sound while nobody changes the file under it. Model files are written
        // once and replaced by renaming, as this crate's own fetching does; a user who rewrites
        // one in place while it is in use is beyond what can be checked.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|error| {
            let (reason, remedy) = (incomplete(&map, &error), source.remedy());
            ModelError::malformed(
                path,
                format!("it is not a whole safetensors file: {reason}; {remedy}"),
            )
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
            source,
        })
    }

    /// All bytes of the file.
    pub fn file(&self) -> &[u8] {
        &self.map
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
        self.bytes_asked(name, dtype, shape, self.source.asker())
    }

    /// As [`Self::bytes`], where `asker` says which shape is right, for errors.
    ///
    /// # Errors
    /// As [`Self::bytes`].
    pub fn bytes_asked(
        &self,
        name: &str,
        dtype: Dtype,
        shape: &[usize],
        asker: &str,
    ) -> Result<&[u8], ModelError> {
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
                "tensor `{name}` has shape {:?}, but {asker} asks for {shape:?}",
                info.shape
            );
            return malformed(reason);
        }
        if info.dtype != dtype {
            let found = info.dtype;
            return match self.source {
                Source::Folder => {
                    let reason = format!("tensor `{name}` is {found:?}; {dtype:?} can be read");
                    Err(ModelError::unsupported(&self.path, reason))
                }
                Source::Quantised => malformed(format!(
                    "tensor `{name}` is {found:?}, but such tensors are {dtype:?}"
                )),
            };
        }
        let (first, last) = info.data_offsets;
        Ok(&self.map[self.start + first..self.start + last])
    }
}

/// Why `file` is no whole safetensors file; `error` is what the library says.
fn incomplete(file: &[u8], error: &SafeTensorError) -> String {
    let size = file.len();
    let Some((length, rest)) = file.split_first_chunk::<8>() else {
        return format!("{size} bytes are too few for one");
    };
    let length = u64::from_le_bytes(*length);
    let header = usize::try_from(length).ok().and_then(|it| rest.get(..it));
    let Some(header) = header else {
        return format!(
            "its first 8 bytes ask for a table of contents of {length} bytes, but {} follow, so \
             that it is of another kind, damaged or cut off",
            rest.len()
        );
    };
    match error {
        SafeTensorError::MetadataIncompleteBuffer => {
            let metadata = serde_json::from_slice::<Metadata>(header);
            let tensors = metadata.iter().flat_map(|it| it.tensors().into_values());
            let end = tensors.map(|it| it.data_offsets.1).max().unwrap_or(0);
            let whole = 8 + header.len() + end;
            match size < whole {
                true => format!("it is cut off, {size} of its {whole} bytes are there"),
                false => format!("{} bytes follow its end", size - whole),
            }
        }
        _ => format!("its table of contents is damaged ({error})"),
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
