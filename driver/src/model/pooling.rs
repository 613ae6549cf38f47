//! How token vectors become one vector: `modules.json` and the folders that it names.

use std::path::Path;

use serde::Deserialize;

use super::{ModelError, json, math};

/// What follows the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pooling {
    /// Which vector.
    pub mode: PoolingMode,
    /// Whether it is scaled to length one.
    pub normalise: bool,
}

/// Which vector stands for a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

#[derive(Deserialize)]
struct Modes {
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
    #[serde(default)]
    pooling_mode_max_tokens: bool,
    #[serde(default)]
    pooling_mode_mean_sqrt_len_tokens: bool,
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
        let mut pooling = Self {
            normalise: false,
            ..Self::DEFAULT
        };
        for Module { path, kind } in modules {
            match kind.rsplit('.').next() {
                Some("Transformer") => {}
                Some("Pooling") => pooling.mode = read_mode(&model.join(path).join("config.json"))?,
                Some("Normalize") => pooling.normalise = true,
                _ => {
                    return Err(ModelError::unsupported(
                        &list,
                        format!("the module `{kind}`"),
                    ));
                }
            }
        }
        Ok(pooling)
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
    let other = modes.pooling_mode_max_tokens || modes.pooling_mode_mean_sqrt_len_tokens;
    match (
        modes.pooling_mode_mean_tokens,
        modes.pooling_mode_cls_token,
        other,
    ) {
        (true, false, false) => Ok(PoolingMode::Mean),
        (false, true, false) => Ok(PoolingMode::First),
        _ => {
            let reason = "a pooling other than the mean or the first token alone";
            Err(ModelError::unsupported(path, reason))
        }
    }
}
