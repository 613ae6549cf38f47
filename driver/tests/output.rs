//! Files that are written for the user: what is there before, after and meanwhile.

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use systole::output::{begin, check, write};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder can be made")
}

fn put(path: &Path, text: &str) {
    write(path, |file| file.write_all(text.as_bytes())).expect("it can be written");
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).expect("it is there")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it is there");
    let names = entries.map(|it| it.expect("it can be read").file_name());
    let mut names: Vec<String> = names.map(|it| it.into_string().expect("text")).collect();
    names.sort();
    names
}

fn fifo(path: &Path) {
    let mode = Mode::from_raw_mode(0o600);
    mknodat(CWD, path, FileType::Fifo, mode, 0).expect("a pipe can be made");
}

/// A reader of a pipe that waits for nobody; Linux lets it be opened so for reading and writing.
fn reader_of(pipe: &Path) -> fs::File {
    let mut options = fs::File::options();
    options
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK);
    options.open(pipe).expect("it can be opened")
}

/// What all three say about `path`, which none may write.
fn refusals(path: &Path) -> [String; 3] {
    let unwritten = |_: &mut dyn Write| -> io::Result<()> { panic!("nothing is to be written") };
    [check(path), write(path, unwritten), begin(path)].map(|tried| {
        let said = tried.expect_err("it cannot be written").to_string();
        let opening = format!("cannot write {}: ", path.display());
        let reason = said.strip_prefix(&opening);
        reason.unwrap_or_else(|| panic!("{said}")).to_string()
    })
}

#[test]
fn links_are_followed_and_stay() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("far")).expect("it can be made");
    fs::write(path("far/file"), "old").expect("it can be written");
    fs::set_permissions(path("far/file"), Permissions::from_mode(0o640)).expect("it is ours");
    // Each link is seen from its own folder; one passes through a folder that is a link itself.
    symlink("far", path("near")).expect("it can be made");
    symlink("file", path("far/inner")).expect("it can be made");
    symlink("near/inner", path("outer")).expect("it can be made");
    symlink("far/new", path("dangling")).expect("it can be made");
    for (given, target) in [("outer", "far/file"), ("dangling", "far/new")] {
        check(&path(given)).expect("it can be written");
        put(&path(given), "new");
        let kind = |name: &str| fs::symlink_metadata(path(name)).expect("it is there");
        assert!(kind(given).is_symlink(), "{given} was replaced");
        assert!(kind(target).is_file());
        assert_eq!(text(&path(target)), "new");
    }
    let mode = fs::metadata(path("far/file")).expect("it is there");
    assert_eq!(mode.permissions().mode() & 0o777, 0o640);
    assert!(path("far/inner").is_symlink());
    assert_eq!(names(&path("far")), ["file", "inner", "new"]);
    begin(&path("outer")).expect("it can be emptied");
    assert!(path("outer").is_symlink());
    assert_eq!(text(&path("far/file")), "");
}

#[test]
fn a_pipe_is_written_through_and_stays_a_pipe() {
    let folder = folder();
    let (pipe, link) = (folder.path().join("pipe"), folder.path().join("link"));
    fifo(&pipe);
    symlink("pipe", &link).expect("it can be made");
    for given in [&pipe, &link] {
        // Opened, it would wait for a reader.
        check(given).expect("it can be written");
        let mut reader = reader_of(&pipe);
        let bytes: Vec<u8> = (0..=255).cycle().take(30_000).collect();
        write(given, |file| file.write_all(&bytes)).expect("it can be written");
        let mut found = vec![0; bytes.len()];
        reader.read_exact(&mut found).expect("it was written");
        assert_eq!(found, bytes);
        let kind = fs::symlink_metadata(&pipe).expect("it is there");
        assert!(kind.file_type().is_fifo());
    }
    assert!(link.is_symlink());
    assert_eq!(names(folder.path()), ["link", "pipe"]);
    let said = begin(&pipe).expect_err("it cannot be written back and forth");
    assert!(said.to_string().contains("it is no regular file"), "{said}");
}

#[test]
fn an_open_file_is_written_though_its_path_is_gone() {
    let file = tempfile::tempfile().expect("a file can be made");
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    put(Path::new(&path), "through");
    assert_eq!(text(Path::new(&path)), "through");
}

#[test]
fn what_was_there_stays_until_the_new_file_is_whole() {
    let folder = folder();
    let path = folder.path().join("file");
    for old in [None, Some("old")] {
        if let Some(old) = old {
            put(&path, old);
        }
        let seen = || path.exists().then(|| text(&path));
        check(&path).expect("it can be written");
        assert_eq!(seen().as_deref(), old);
        let before = names(folder.path());
        let failed = write(&path, |file| {
            file.write_all(&[b'x'; 1 << 20])?;
            assert_eq!(seen().as_deref(), old);
            Err(io::Error::other("the work failed"))
        });
        let said = failed.expect_err("it failed").to_string();
        assert!(said.ends_with("file: the work failed"), "{said}");
        assert_eq!(seen().as_deref(), old);
        assert_eq!(names(folder.path()), before);
    }
    put(&path, "new");
    assert_eq!(text(&path), "new");
    assert_eq!(names(folder.path()), ["file"]);
    // As other programs make files, which others may read where the user lets them.
    let other = folder.path().join("other");
    fs::write(&other, "").expect("it can be written");
    let mode = |path: &Path| {
        fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
    };
    assert_eq!(mode(&path), mode(&other));
}

#[test]
fn what_is_neither_file_nor_stream_is_refused_in_words() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("file"), "old").expect("it can be written");
    let _listener = UnixListener::bind(path("socket")).expect("a socket can be made");
    symlink("b", path("a")).expect("it can be made");
    symlink("a", path("b")).expect("it can be made");
    symlink("no/folder/file", path("lost")).expect("it can be made");
    let before = names(folder.path());
    let missing = path("no/folder").display().to_string();
    for (name, words) in [
        (".", "it is a folder"),
        ("socket", "it is a socket"),
        ("a", "lead nowhere but to each other"),
        ("no/folder/file", missing.as_str()),
        ("no/folder/file", "does not exist"),
        ("lost", missing.as_str()),
        ("new/", "names a folder"),
        ("file/inside", "file is no folder"),
    ] {
        for said in refusals(&path(name)) {
            assert!(said.contains(words), "{name}: no `{words}` in: {said}");
        }
    }
    for said in refusals(Path::new("")) {
        assert_eq!(said, "the path is empty");
    }
    assert_eq!(names(folder.path()), before);
    assert_eq!(text(&path("file")), "old");
}

#[test]
fn a_bare_name_is_where_the_program_runs() {
    let name = Path::new("new-in-the-working-folder");
    check(name).expect("it can be written");
    assert!(!name.exists());
}
