//! Files that are written for the user: whole or not at all.
//!
//! A file is written beside its place and then moved there, so that nobody sees half of one, and
//! what was there stays until the new file is whole. Links are followed: what they lead to is
//! replaced, they stay. Pipes and character devices, such as `/dev/null` and `/dev/stdout`, are
//! written straight through. All else is refused, and no folder is made.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Most links that lead from one to the next, as Linux counts them.
const MOST_LINKS: usize = 40;

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {reason}", path.display())]
pub struct OutputError {
    /// The path as it was given.
    path: PathBuf,
    reason: String,
}

/// What a path leads to.
enum Place {
    /// A file, or the place of one, in a folder that exists.
    File {
        path: PathBuf,
        folder: PathBuf,
        /// Who may do what with the file that is there.
        permissions: Option<Permissions>,
    },
    /// Something that takes bytes and keeps none.
    Stream,
}

/// Finds out whether `path` can be written, before the work for it is done. What is there stays as
/// it is, and nothing is left where there was nothing.
///
/// # Errors
/// When [`write()`] would fail, as far as can be foreseen.
pub fn check(path: &Path) -> Result<(), OutputError> {
    told(path, || match Place::of(path)? {
        // Who reads a pipe would see it close.
        Place::Stream => Ok(()),
        Place::File {
            path,
            folder,
            permissions,
        } => {
            if permissions.is_some() {
                may_write(&path)?;
            }
            tempfile::tempfile_in(&folder).map_err(|error| no_room(&folder, &error))?;
            Ok(())
        }
    })
}

/// Writes what `content` writes to `path`; where that fails, what was there stays.
///
/// # Errors
/// When the folder is missing, the path leads to something that is neither a file nor a stream, or
/// the system refuses.
pub fn write(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), OutputError> {
    told(path, || match Place::of(path)? {
        Place::Stream => {
            let stream = File::options().write(true).truncate(true).open(path);
            let mut stream = BufWriter::new(stream.map_err(text)?);
            content(&mut stream).map_err(text)?;
            stream.flush().map_err(text)
        }
        Place::File {
            path,
            folder,
            permissions,
        } => {
            if permissions.is_some() {
                may_write(&path)?;
            }
            // As any new file, not only for its owner as temporary files are.
            let mut beside = tempfile::Builder::new()
                .permissions(Permissions::from_mode(0o666))
                .tempfile_in(&folder)
                .map_err(|error| no_room(&folder, &error))?;
            let mut file = BufWriter::new(beside.as_file_mut());
            content(&mut file).map_err(text)?;
            file.flush().map_err(text)?;
            drop(file);
            if let Some(permissions) = permissions {
                beside
                    .as_file()
                    .set_permissions(permissions)
                    .map_err(text)?;
            }
            beside.persist(&path).map_err(|error| text(error.error))?;
            Ok(())
        }
    })
}

/// Empties the file `path` for a library that writes it by its name and in its place; what is written
/// before a failure stays.
///
/// # Errors
/// As [`write()`], and for a stream.
pub fn begin(path: &Path) -> Result<(), OutputError> {
    told(path, || match Place::of(path)? {
        Place::Stream => {
            Err("it is no regular file, which is needed to write back and forth".into())
        }
        Place::File { path, .. } => File::create(path).map(drop).map_err(text),
    })
}

impl Place {
    /// What `path` leads to, or why nothing can be written there.
    fn of(path: &Path) -> Result<Self, String> {
        let name = path.as_os_str().as_bytes();
        if name.is_empty() {
            return Err("the path is empty".into());
        }
        let mut path = path.to_path_buf();
        let mut links = 0;
        while let Ok(target) = fs::read_link(&path) {
            let folder = folder_of(&path);
            // `/dev/stdout` ends in a link of /proc that stands for an open file, whatever path it
            // shows: what has that file open is to get the bytes.
            if folder
                .canonicalize()
                .is_ok_and(|it| it.starts_with("/proc"))
            {
                return Ok(Self::Stream);
            }
            links += 1;
            if links > MOST_LINKS {
                return Err("its links lead nowhere but to each other".into());
            }
            path = folder.join(target);
        }
        let folder = folder_of(&path);
        let permissions = match fs::metadata(&path) {
            Ok(found) => {
                let kind = found.file_type();
                if kind.is_fifo() || kind.is_char_device() {
                    return Ok(Self::Stream);
                }
                if !kind.is_file() {
                    let kind = match kind {
                        _ if kind.is_dir() => "a folder",
                        _ if kind.is_block_device() => "a block device",
                        _ if kind.is_socket() => "a socket",
                        _ => "no file",
                    };
                    return Err(format!(
                        "it is {kind}; a file, a pipe or a character device can be written"
                    ));
                }
                Some(found.permissions())
            }
            Err(error) => {
                check_folder(&folder)?;
                if path.as_os_str().as_bytes().ends_with(b"/") {
                    return Err("the path ends in `/`, so it names a folder; add a name".into());
                }
                match error.kind() {
                    io::ErrorKind::NotFound => None,
                    _ => return Err(error.to_string()),
                }
            }
        };
        Ok(Self::File {
            path,
            folder,
            permissions,
        })
    }
}

/// The folder that `path` is in; a bare name is where the program runs.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.into(),
        _ => ".".into(),
    }
}

fn check_folder(folder: &Path) -> Result<(), String> {
    let shown = folder.display();
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(format!("{shown} is no folder")),
        Err(error) => Err(match error.kind() {
            io::ErrorKind::NotFound => {
                format!("the folder {shown} does not exist; make it with `mkdir -p`")
            }
            _ => format!("the folder {shown} cannot be used: {error}"),
        }),
    }
}

/// A file that its owner has closed to writing is not replaced either.
fn may_write(path: &Path) -> Result<(), String> {
    File::options()
        .write(true)
        .open(path)
        .map(drop)
        .map_err(text)
}

fn no_room(folder: &Path, error: &io::Error) -> String {
    format!(
        "no file can be made in the folder {}: {error}",
        folder.display()
    )
}

fn text(error: io::Error) -> String {
    error.to_string()
}

fn told(path: &Path, work: impl FnOnce() -> Result<(), String>) -> Result<(), OutputError> {
    work().map_err(|reason| OutputError {
        path: path.into(),
        reason,
    })
}
