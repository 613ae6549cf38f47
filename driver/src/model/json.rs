//! Reading JSON files of a model's folder.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::ModelError;

/// Reads the JSON file `path`.
pub fn read<T: DeserializeOwned>(path: &Path, hint: &str) -> Result<T, ModelError> {
    let text = std::fs::read(path).map_err(|source| ModelError::io(path, hint, source))?;
    parse(path, &text)
}

/// Reads the JSON `text`, which is, or is in, the file `path`.
pub fn parse<T: DeserializeOwned>(path: &Path, text: &[u8]) -> Result<T, ModelError> {
    serde_json::from_slice(text).map_err(|error| ModelError::malformed(path, error.to_string()))
}

/// Reads the JSON file `path`, `None` if it does not exist.
pub fn read_optional<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ModelError> {
    match read(path, "") {
        Ok(value) => Ok(Some(value)),
        Err(ModelError::Missing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
