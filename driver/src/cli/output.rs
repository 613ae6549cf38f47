//! Paths of results, tried before the work for them is done.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::failure::{Failure, Result};

/// Finds out whether `path` can be written, before the work for it is done; a file that is there
/// keeps its content, and none is left where there was none.
pub fn try_path(path: &Path) -> Result<()> {
    let mut options = File::options();
    options.write(true);
    let tried = match fs::metadata(path) {
        Ok(data) if data.is_file() || data.is_dir() => options.open(path).map(drop),
        // Who reads a pipe would see it close.
        Ok(_) => Ok(()),
        Err(_) => match options.create_new(true).open(path) {
            Ok(_) => fs::remove_file(path),
            // A link to a file that is not there yet.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        },
    };
    tried.map_err(|error| cannot_write(path, error))
}

/// As [`try_path`], for a file that is written beside its place and then moved there, and whose
/// folders are made if they are not there.
pub fn try_whole(path: &Path) -> Result<()> {
    let refused = |error| Err(cannot_write(path, error));
    if path.is_dir() {
        return refused(io::ErrorKind::IsADirectory.into());
    }
    let folders = path.ancestors().skip(1);
    let mut there = folders.filter(|it| it.symlink_metadata().is_ok());
    // A relative path begins where the program runs.
    let folder = there.next().unwrap_or(Path::new("."));
    tempfile::tempfile_in(folder).map_or_else(refused, |_| Ok(()))
}

/// What is said when a result cannot be written.
pub fn cannot_write(path: &Path, error: io::Error) -> Failure {
    Failure::Failed(format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(tried: Result<()>) -> String {
        match tried {
            Ok(()) => "ok".into(),
            Err(Failure::Failed(text)) => text,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_trial_leaves_nothing_and_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("there"), "content").expect("it can be written");
        for name in ["there", "new"] {
            assert_eq!(said(try_path(&path(name))), "ok");
            assert_eq!(said(try_whole(&path(name))), "ok");
        }
        assert_eq!(said(try_whole(&path("far/away/new"))), "ok");
        assert_eq!(
            said(try_whole(Path::new("new-in-the-working-folder"))),
            "ok"
        );
        assert_eq!(fs::read(path("there")).expect("it is there"), b"content");
        let left = fs::read_dir(folder.path()).expect("it is there").count();
        assert_eq!(left, 1);
        assert!(!Path::new("new-in-the-working-folder").exists());
    }

    #[test]
    fn what_cannot_be_written_is_said_with_its_path() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        fs::write(folder.path().join("file"), "").expect("it can be written");
        let inside = folder.path().join("file/inside");
        for path in [folder.path(), &inside, Path::new("/proc/no/x")] {
            let wanted = format!("cannot write {}: ", path.display());
            for tried in [try_path(path), try_whole(path)] {
                let text = said(tried);
                assert!(text.starts_with(&wanted), "{text}");
            }
        }
    }
}
