//! How token vectors become one vector: `modules.json` and the folders that it names.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ModelError, json, math};

/// What follows the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pooling {
    /// Which vector.
    pub mode: PoolingMode,
    /// Whether it is scaled to length one.
    pub normalise: bool,
}

/// Which vector stands for a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolingMode {
    /// The mean of all token vectors.
    Mean,
    /// The vector of the first token.
    First,
}

#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

impl Module {
    /// Its type without the Python package that it is from.
    fn short_kind(&self) -> &str {
        self.kind
            .rsplit_once('.')
            .map_or(&self.kind, |(_, kind)| kind)
    }
}

#[derive(Deserialize)]
struct Modes {
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

impl Pooling {
    /// Mean and length one: what sentence encoders mostly do.
    const DEFAULT: Self = Self {
        mode: PoolingMode::Mean,
        normalise: true,
    };

    /// Reads what the folder `model` says; without `modules.json` it is the mean, of length one.
    ///
    /// # Errors
    /// When a file is malformed or names a step that is not built.
    pub fn read(model: &Path) -> Result<Self, ModelError> {
        let list = model.join("modules.json");
        let Some(modules) = json::read_optional::<Vec<Module>>(&list)? else {
            return Ok(Self::DEFAULT);
        };
        let kinds: Vec<&str> = modules.iter().map(Module::short_kind).collect();
        let normalise = match kinds.as_slice() {
            ["Transformer", "Pooling"] => false,
            ["Transformer", "Pooling", "Normalize"] => true,
            _ => {
                let kinds: Vec<&str> = modules.iter().map(|module| module.kind.as_str()).collect();
                let reason = format!(
                    "the modules [{}]; Transformer, Pooling and after them perhaps Normalize run",
                    kinds.join(", ")
                );
                return Err(ModelError::unsupported(&list, reason));
            }
        };
        let mode = read_mode(&model.join(&modules[1].path).join("config.json"))?;
        Ok(Self { mode, normalise })
    }

    /// One vector of `width` values a text, from its token vectors, text after text.
    pub fn pool(self, tokens: &[f32], width: usize, lengths: &[usize]) -> Vec<Vec<f32>> {
        let mut first = 0;
        let text = |length: &usize| {
            let rows = tokens[first * width..(first + length) * width].chunks_exact(width);
            first += length;
            let mut vector = vec![0.0; width];
            let taken = match self.mode {
                PoolingMode::Mean => *length,
                PoolingMode::First => 1,
            };
            for row in rows.take(taken) {
                vector
                    .iter_mut()
                    .zip(row)
                    .for_each(|(sum, value)| *sum += value);
            }
            vector.iter_mut().for_each(|sum| *sum /= taken as f32);
            if self.normalise {
                math::normalise(&mut vector);
            }
            vector
        };
        lengths.iter().map(text).collect()
    }
}

fn read_mode(path: &Path) -> Result<PoolingMode, ModelError> {
    let modes: Modes = json::read(path, "modules.json names it")?;
    let mut others = modes.others.iter().filter(|(name, value)| {
        name.starts_with("pooling_mode_") && !matches!(value, Value::Bool(false) | Value::Null)
    });
    if let Some((name, value)) = others.next() {
        let reason = format!("the pooling `{name}`: {value}; the mean or the first token runs");
        return Err(ModelError::unsupported(path, reason));
    }
    match (modes.pooling_mode_mean_tokens, modes.pooling_mode_cls_token) {
        (true, false) => Ok(PoolingMode::Mean),
        (false, true) => Ok(PoolingMode::First),
        _ => {
            let reason = "a pooling other than the mean or the first token alone";
            Err(ModelError::unsupported(path, reason))
        }
    }
}
