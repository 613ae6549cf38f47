//! Files that commands write.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use systole::output::{self, OutputError};

use super::failure::{Failure, Result};

/// What `--help` says of an option that names a file to write, after `first`.
pub fn help(first: &str) -> String {
    format!(
        "{first}\n\nIts folder must be there. The file appears when it is whole, and replaces what \
         was there; where a link is there, what it leads to. Pipes and devices such as /dev/null \
         are written straight through."
    )
}

/// Finds out whether `path` can be written, before the work for it is done.
pub fn check(path: &Path) -> Result<()> {
    if is_standard_output(path) {
        return Err(Failure::Failed(format!(
            "cannot write {}: it is standard output, where the report goes; a shell has \
             `>(command)` for a pipe of its own",
            path.display()
        )));
    }
    Ok(output::check(path)?)
}

/// Whether `path` and standard output are the same file or pipe. Terminals and /dev/null may be both.
fn is_standard_output(path: &Path) -> bool {
    let standard = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    let standard = standard.and_then(|it| it.metadata());
    match (standard, fs::metadata(path)) {
        (Ok(standard), Ok(found)) => {
            let place = |it: &fs::Metadata| (it.dev(), it.ino());
            place(&standard) == place(&found) && !found.file_type().is_char_device()
        }
        _ => false,
    }
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Self {
        Self::Failed(error.to_string())
    }
}
